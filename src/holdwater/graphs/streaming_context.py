"""The context a function of a node gets: chunks for the listeners, child runs of a recorded run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol

from holdwater.errors import ConfigError
from holdwater.graphs.node_listener import ExecutionSpan
from holdwater.model.secrets import DEFAULT_FIELD


class ParentAttempt(Protocol):
    """A recorded attempt, which can start child runs."""

    def execute(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    async def execute_async(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> Any: ...

    def raise_if_cancelled(self) -> None: ...

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str: ...


CURRENT_ATTEMPT: Final[ContextVar[ParentAttempt | None]] = ContextVar("holdwater_attempt", default=None)


@contextmanager
def in_attempt(attempt: ParentAttempt) -> Iterator[None]:
    """Assign functions called inside the block to this attempt."""
    token = CURRENT_ATTEMPT.set(attempt)
    try:
        yield
    finally:
        CURRENT_ATTEMPT.reset(token)


class StreamingContext:
    """The NodeContext of one execution."""

    __slots__ = ("_attempt", "_span")

    def __init__(self, span: ExecutionSpan | None) -> None:
        self._span = span
        self._attempt = CURRENT_ATTEMPT.get()  # now: threads of the function do not inherit its context variables

    def stream(self, chunk: object) -> None:
        """Send a chunk to the listeners of the run."""
        if self._span is not None:
            self._span.emit_chunk(chunk)

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str:
        """Return the text of a secret.  Raises ConfigError in an unrecorded run."""
        return self._require_attempt("no secrets").secret(name, field)

    def execute(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a registered workflow as a child, and wait for its result.  Raises ConfigError in an unrecorded run."""
        return self._require_attempt().execute(workflow, inputs, key=key)

    async def execute_async(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a child as `execute` does, in an `async def` function."""
        return await self._require_attempt().execute_async(workflow, inputs, key=key)

    def _require_attempt(self, lacking: str = "no child runs") -> ParentAttempt:
        if self._attempt is None:
            raise ConfigError(
                f"this run is not recorded, so it has {lacking}",
                hint="register_graph(graph), then DefaultRunner(...).execute(name, inputs)",
            )
        return self._attempt
