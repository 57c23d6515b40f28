"""Runs that task bodies start and wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdwater.model import validation
from holdwater.model.ports import WorkflowDefinition
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future
from holdwater.runtime.services.child_calls import ChildCall

Resolve = Callable[[str, Any], tuple[WorkflowDefinition, dict[str, Any]]]
"""Name of a workflow and inputs -> its program and the cells to start with.  Raises WorkflowNotFound, EncodingError."""


class ChildRunStarter:
    """Starts children.  `to_result`: what a body gets for a run that has ended."""

    def __init__(
        self, resolve: Resolve, submit: Callable[[ChildCall], None], to_result: Callable[[ActiveRun], Any]
    ) -> None:
        self._resolve, self._submit, self._to_result = resolve, submit, to_result

    def start_child_run(self, parent: Attempt, workflow: str, inputs: Any, key: str | None) -> Future[Any]:
        """Start a child run of this attempt, or find the one that was started by the same call before a crash.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, RunnerClosed.
        """
        if key is not None:
            validation.check_text("the key of a child run", key, max_bytes=validation.MAX_IDEMPOTENCY_KEY_BYTES)
        definition, cells = self._resolve(workflow, inputs)
        call = ChildCall(parent, workflow, definition, cells, key, self._to_result)
        self._submit(call)
        return call.future
