"""A workflow of steps as a WorkflowRunner has it executed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdwater.steps import Settings, StepPerformance, StepsProgram, Workflow

if TYPE_CHECKING:
    from holdwater.steps.run_data import StepView


class RunnerProgram(StepsProgram):
    """`sleeps(run_id, until)` hears of every wait before it begins."""

    def __init__(self, workflow: Workflow, settings: Settings, sleeps: Callable[[str, int], None]) -> None:
        super().__init__(workflow, settings)
        self._sleeps = sleeps

    def perform(self, node: int, view: StepView, control: Any) -> StepPerformance:
        done = super().perform(node, view, control)
        if done.wait_until is not None:
            self._sleeps(control.run_id, done.wait_until)
        return done
