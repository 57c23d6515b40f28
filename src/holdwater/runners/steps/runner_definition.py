"""The definition of a workflow of steps as WorkflowRunner executes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdwater.model.results import NodeResult
from holdwater.model.time import Micros
from holdwater.steps import StepSettings, StepsWorkflowDefinition, Workflow

if TYPE_CHECKING:
    from holdwater.steps.run_data import StepView


class RunnerWorkflowDefinition(StepsWorkflowDefinition):
    """`sleeps(run_id, until)` hears of every wait before it begins."""

    def __init__(self, workflow: Workflow, settings: StepSettings, on_wait: Callable[[str, Micros], None]) -> None:
        super().__init__(workflow, settings)
        self._on_wait = on_wait

    def execute(self, node: int, view: StepView, control: Any) -> NodeResult:
        done = super().execute(node, view, control)
        if done.wait_until is not None:
            self._on_wait(control.run_id, done.wait_until)
        return done
