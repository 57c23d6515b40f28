"""Hooks of WorkflowRunner: methods around the execution of steps that subclasses override."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from holdwater.errors import StepOutsideRun
from holdwater.model.signatures import signature_of
from holdwater.steps import StepResult, WorkflowContext
from holdwater.steps.execute import StepFunction
from holdwater.steps.step import ChoiceStep, LambdaStep, MapStep, RunPipelineStep, Step, WaitStep

P = ParamSpec("P")
T = TypeVar("T")

_current_step_function: Final[ContextVar[StepFunction]] = ContextVar("holdwater_step_function")
"""the execution of the current step"""


class StepHooks:
    """One method per kind of step, to be overridden; `super()` executes the step.

    Middleware is called around them.  An exception of a hook fails the step.
    """

    def _execute_lambda(self, step: LambdaStep, context: WorkflowContext) -> StepResult:
        return _run_step_function(step, context)

    def _execute_pipeline(self, step: RunPipelineStep, context: WorkflowContext) -> StepResult:
        return _run_step_function(step, context)

    def _execute_choice(self, step: ChoiceStep, context: WorkflowContext) -> StepResult:
        return _run_step_function(step, context)

    def _execute_wait(self, step: WaitStep, context: WorkflowContext) -> StepResult:
        return _run_step_function(step, context)

    def _execute_map(self, step: MapStep, context: WorkflowContext) -> StepResult:
        return _run_step_function(step, context)

    def _execute_step(self, step: Step, context: WorkflowContext) -> StepResult:
        """Execute a step of any kind."""
        match step:
            case LambdaStep():
                return self._execute_lambda(step, context)
            case RunPipelineStep():
                return self._execute_pipeline(step, context)
            case ChoiceStep():
                return self._execute_choice(step, context)
            case MapStep():
                return self._execute_map(step, context)
            case WaitStep():
                return self._execute_wait(step, context)
        raise TypeError(f"{step!r} is no step")


def with_step_function(step_function: StepFunction, call: Callable[[], T]) -> T:
    """Call `call()` with `step_function` as the execution of the current step."""
    token = _current_step_function.set(step_function)
    try:
        return call()
    finally:
        _current_step_function.reset(token)


def _run_step_function(step: Step, context: WorkflowContext) -> StepResult:
    work = _current_step_function.get(None)
    if work is None:
        raise StepOutsideRun(
            f"step {step.name!r} is carried out by a run, not by itself", hint="runner.execute(workflow) runs it"
        )
    return work(step, context)


def record_given_arguments(
    init: Callable[Concatenate[Any, P], None],
) -> Callable[Concatenate[Any, P], None]:
    """Decorate `__init__` to record the names of the passed arguments in `self._given_arguments`."""
    signature = signature_of(init)

    @functools.wraps(init)
    def noted(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
        self._given_arguments = frozenset(signature.bind(self, *args, **kwargs).arguments)
        init(self, *args, **kwargs)

    return noted
