"""The code of a single step, for its execution in another process."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from holdwater.errors import BadAnswer
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.portable_code import global_names, source_file
from holdwater.model.results import NodeResult
from holdwater.model.time import Micros
from holdwater.steps.attempts import catch_failure, to_node_result
from holdwater.steps.execute import StepEnvironment, StepSettings, execute_step
from holdwater.steps.jumps import JumpTable
from holdwater.steps.pipelines import pipeline_registry
from holdwater.steps.run_data import StepsStyle, StepView
from holdwater.steps.step import MapStep, RunPipelineStep, Step, WaitStep
from holdwater.steps.suspension import has_response, make_request_fn


class StepAttemptInfo(Protocol):
    """The part of an attempt that steps read.  Instants are microseconds since the epoch."""

    @property
    def run_id(self) -> str: ...
    @property
    def attempt_started_at(self) -> Micros: ...
    @property
    def run_started_at(self) -> Micros: ...


@dataclass(frozen=True, slots=True)
class IteratorDefaults:
    """In the place of the iterator of a map step: all that the step itself needs of it."""

    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PicklableStep:
    """A step to be pickled, without its neighbours and the workflows it runs.

    `step_names`: of all steps of its workflow, for jumps.  `pipeline`: what is registered under the name that a step
    gives for its pipeline.
    """

    step: Step
    workflow_name: str
    step_names: tuple[str, ...]
    dry_run: bool
    max_concurrent_steps: int | None
    dispatcher: Any = None
    pipeline: Any = None

    @classmethod
    def from_step(
        cls, step: Step, workflow_name: str, step_names: tuple[str, ...], settings: StepSettings
    ) -> PicklableStep:
        """Convert a step."""
        dispatcher, source = None, None
        if isinstance(step, MapStep):
            step = copy.copy(step)
            object.__setattr__(step, "iterator_workflow", IteratorDefaults(step.iterator_workflow.defaults))
        elif isinstance(step, RunPipelineStep):
            dispatcher = settings.dispatcher
            source = pipeline_registry.find(step.pipeline_name) if isinstance(step.source, str) else None
        return cls(step, workflow_name, step_names, settings.dry_run, settings.max_concurrent_steps, dispatcher, source)

    def source_file(self) -> str:
        """Return the source file of the function, "" if that is unknown."""
        return source_file(self._function)

    def referenced_names(self) -> Mapping[str, Any]:
        """Return what the step has in its configuration and what its function uses, for messages."""
        return {**self.step.config, **global_names(self._function)}

    @property
    def _function(self) -> Callable[..., Any] | None:
        return self.step.function if self.pipeline is None else self.pipeline

    def execute(self, inputs: NodeInputs, control: StepAttemptInfo) -> NodeResult:
        """Execute the step.  Raises StepFailed, TaskCancelled."""
        view = StepsStyle().unpack_view(inputs)
        context = view.make_context(control.run_id, self.workflow_name, control.run_started_at)
        if self.pipeline is not None and isinstance(self.step, RunPipelineStep):
            pipeline_registry.register(self.step.pipeline_name, self.pipeline)
        settings = StepSettings(
            dry_run=self.dry_run, dispatcher=self.dispatcher, max_concurrent_steps=self.max_concurrent_steps
        )
        environment = StepEnvironment(settings, lambda: control.attempt_started_at, (), lambda: None)
        work = partial(execute_step, self.step, context, make_request_fn(view), environment)
        return to_node_result(self.step, catch_failure(work), JumpTable(self.step_names))


def runs_user_code(step: Step, view: StepView, settings: StepSettings, has_child: bool) -> bool:
    """Return False for a step, or its second part, that the engine does alone.  `has_child`: it runs a workflow.

    Middleware is in the process of the runner, and so are the steps inside it.
    """
    if settings.wrapper is not None:
        return False
    if isinstance(step, RunPipelineStep):
        return not has_child and not settings.dry_run
    if isinstance(step, (MapStep, WaitStep)):
        chosen = step.items if isinstance(step, MapStep) else step.until
        return callable(chosen) and not has_response(view)
    return True


def check_request(step: Step, result: NodeResult) -> None:
    """Check what a step of another process asks for.  Raises BadAnswer."""
    if result.question is not None or (result.wait_until is not None and not isinstance(step, WaitStep)):
        raise BadAnswer(f"step {step.name!r} asked for what a {step.step_type} step cannot")
