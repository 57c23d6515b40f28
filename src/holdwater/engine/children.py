"""Runs that task bodies start and wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdwater.model import validation
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future
from holdwater.runtime.services.child_calls import ChildCall

if TYPE_CHECKING:
    from holdwater.engine.engine import Engine


class ChildRunStarter:
    """Starts children.  `present`: what a body gets for a run that has ended."""

    def __init__(self, engine: Engine, to_result: Callable[[ActiveRun], Any]) -> None:
        self._engine, self._to_result = engine, to_result

    def start(self, parent: Attempt, workflow: str, inputs: Any, key: str | None) -> Future[Any]:
        """Start a child run of this attempt, or find the one that was started by the same call before a crash.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, RunnerClosed.
        """
        if key is not None:
            validation.check_text("the key of a child run", key, at_most_bytes=validation.LONGEST_KEY_BYTES)
        program, cells = self._engine.resolve_workflow(workflow, inputs)
        call = ChildCall(parent, workflow, program, cells, key, self._to_result)
        self._engine.driver.call(call)
        return call.promise
