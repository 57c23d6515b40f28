"""Wrapping of every attempt of a step: the caller's context variables, middleware, the runner's hooks."""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from holdwater.errors import RunInProgress, TaskCancelled
from holdwater.model.context_isolation import run_in_context_copy
from holdwater.runners.steps.hooks import with_step_function
from holdwater.runners.steps.middleware import Middleware, chain_middleware
from holdwater.steps import Step, StepResult, WorkflowContext
from holdwater.steps.execute import StepFunction
from holdwater.steps.suspension import SuspendedSteps


class StepAttemptWrapper:
    """The wrapper of a runner.  `execute_step`: its method, held weakly so that the runner can be collected."""

    def __init__(self, execute_step: Callable[[Step, WorkflowContext], StepResult]) -> None:
        self._execute_step = weakref.WeakMethod(execute_step)
        self._caller_contexts: dict[str, contextvars.Context] = {}
        self.middleware: Final[list[Middleware]] = []
        self.suspended_steps: Final = SuspendedSteps()

    @contextmanager
    def attached(self, run_id: str) -> Iterator[None]:
        """Run steps of this run and its children, inside the block, with the caller's context variables.

        Raises RunInProgress.
        """
        variables = contextvars.copy_context()
        if self._caller_contexts.setdefault(run_id, variables) is not variables:
            raise RunInProgress(f"run {run_id!r} is executed by this runner at this moment")
        try:
            yield
        finally:
            del self._caller_contexts[run_id]
            self.suspended_steps.abort_run(run_id)

    def run_attempt(self, step: Step, context: WorkflowContext, work: StepFunction) -> StepResult:
        """Run one attempt of a step."""
        execute_step = self._execute_step()
        if execute_step is None:
            raise TaskCancelled("the runner is gone")

        def call() -> StepResult:
            return chain_middleware(self.middleware, execute_step)(step, context)

        return run_in_context_copy(self._caller_context_of(context.run_id), with_step_function, work, call)

    def _caller_context_of(self, run_id: str) -> contextvars.Context:
        """Return the context variables of the run's caller."""
        name = run_id
        while name not in self._caller_contexts:
            name, slash, _ = name.rpartition("/")
            if not slash:
                return contextvars.copy_context()
        return self._caller_contexts[name]
