"""Listeners to the executions of nodes.  A missing one costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from holdwater.graphs.nodes.base import Node


class ExecutionSpan(Protocol):
    """One execution of a node as its listener sees it.

    It ends with `done` or `failed`, or without either if the run is cancelled.
    """

    def enter_function(self) -> None:
        """Prepare the context of the function, in which this is called right before the function."""

    def emit_chunk(self, value: object) -> None:
        """Send a chunk, from any thread; a thread other than the listener's may block (back-pressure)."""

    def emit_cache_hit(self, key: str) -> None: ...

    def emit_decision(self, decision: tuple[str, ...]) -> None: ...

    def emit_end(self, values: Mapping[str, Any], *, cached: bool = False) -> None: ...

    def emit_error(self, error: BaseException) -> None: ...

    async def drain(self) -> None:
        """Wait until the listener accepts more events."""


class NodeListener(Protocol):
    """A consumer of the events of a run's nodes."""

    def start_node_span(self, node: Node, inputs: Mapping[str, Any]) -> ExecutionSpan: ...


@contextmanager
def observed(listener: NodeListener | None, node: Node, inputs: Mapping[str, Any]) -> Iterator[ExecutionSpan | None]:
    """Report the start and the failure of an execution to a listener, if there is one; yields its span."""
    if listener is None:
        yield None
        return
    span = listener.start_node_span(node, inputs)
    try:
        yield span
    except Exception as error:
        span.emit_error(error)
        raise
