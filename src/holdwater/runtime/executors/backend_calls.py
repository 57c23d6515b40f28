"""Calls of a backend that are under way: each is waited for in a thread, and killed if its attempt is given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdwater.model.resources import NO_RESOURCES, Resources
from holdwater.model.results import NodeResult
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.base import ExecutorBackend, TaskInvocation
from holdwater.runtime.handle_protocols import SlotOwner


class BackendCalls:
    """Runs attempts on a backend.  Thread-safe.  `routed_resources`: by full name, those of the routing rule."""

    def __init__(
        self, backend: ExecutorBackend, slot_owner: SlotOwner, routed_resources: Callable[[str], Resources] | None
    ) -> None:
        self._backend: Final = backend
        self._slot_owner: Final = slot_owner
        self._routed_resources: Final = routed_resources
        self._invocations: dict[Attempt, TaskInvocation] = {}

    def run(self, attempt: Attempt) -> NodeResult:
        """Run the attempt, and wait for it in this thread.  Raises the error that its function has raised."""
        definition, node = attempt.definition, attempt.node
        if not definition.runs_user_code(node, attempt.view):
            return definition.execute(node, attempt.view, attempt.handle)
        routed = NO_RESOURCES
        if self._routed_resources is not None:
            routed = self._routed_resources(definition.routing_key(node))
        invocation = TaskInvocation(attempt, self._slot_owner, routed)
        # giving the attempt up kills it from now on; if that was before, the backend sees that it is over
        self._invocations[attempt] = invocation
        try:
            answer = self._backend.run_invocation(invocation)
        finally:
            del self._invocations[attempt]
        return invocation.result(answer)

    def kill(self, attempt: Attempt) -> None:
        """Kill the call of an attempt, if there is one."""
        invocation = self._invocations.get(attempt)
        if invocation is not None:
            self._backend.kill(invocation)

    def close(self) -> None:
        """End the backend, and kill everything it runs."""
        self._backend.close()
