"""The context of a run: options, listeners and limits, which nested graphs inherit."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from holdwater.runners.graphs.local.pending_inputs import PendingInputs
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol
    from holdwater.graphs.node_call import NodeCacheProtocol
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.event_sinks import EventSink
    from holdwater.runners.graphs.local.spans import RunSpan

InterruptHandler = Callable[[Any], Any]
"""takes the value an interrupt shows; returns the answer, or an awaitable of it"""


class CallingConvention(Protocol):
    """The calling convention of a runner, for nested graphs."""

    @property
    def returns_coroutine(self) -> bool: ...


class GraphRunner(Protocol):
    """The part of a runner that runs of graphs use."""

    @property
    def capabilities(self) -> CallingConvention: ...

    def run_inside(
        self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext
    ) -> RunOutcome | Awaitable[RunOutcome]:
        """Run the graph of a node, once or per item; awaitable if `returns_coroutine` is set."""
        ...


class ParentRun(Protocol):
    """The outer run of a nested graph in the same loop."""

    def on_child_idle(self) -> None:
        """Note that the nested graph only waits for answers."""

    def on_child_active(self) -> None:
        """Note that the nested graph continues."""


class NoParent:
    """The parent of an outermost graph, and of a nested one in another loop."""

    def on_child_idle(self) -> None:
        pass

    def on_child_active(self) -> None:
        pass


@dataclass(slots=True, kw_only=True)
class RunContext:
    """The context of one run.

    `event_sink`: receives events; None without listeners.  `parent_span_id`: the enclosing span.  `path`: the graph
    nodes around the run, with their indexes.  `answers`: answers given with the inputs, by pause id; each is used once.
    """

    runner: GraphRunner
    node_cache: NodeCacheProtocol | None = None
    event_sink: EventSink | None = None
    run_id: str = ""
    workflow_id: str | None = None
    session_id: str | None = None
    parent_span_id: str | None = None
    item_index: int | None = None
    max_iterations: int | None = None
    path: tuple[GraphNode, ...] = ()
    position: tuple[int, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)
    handlers: Mapping[str, InterruptHandler] = field(default_factory=dict)
    pending_inputs: PendingInputs = field(default_factory=lambda: PendingInputs(accepts_answers=False))
    parent_run: ParentRun = field(default_factory=NoParent)
    pause_id_prefix: str = ""
    """prefix of the pause ids of this run"""

    def make_run_span(self, graph: GraphProtocol) -> RunSpan | None:
        """Create the span of a run of this graph; None without listeners."""
        if self.event_sink is None:
            return None
        from holdwater.runners.graphs.local.spans import RunSpan

        return RunSpan(self, self.event_sink, graph.name)

    def for_nested_graph(
        self, node: GraphNode, node_index: int, span_id: str | None, runner: GraphRunner, parent_run: ParentRun
    ) -> RunContext:
        """Derive the context of a graph nested in this run."""
        return replace(
            self,
            runner=runner,
            parent_span_id=span_id,
            item_index=None,
            path=(*self.path, node),
            position=(*self.position, node_index),
            parent_run=parent_run,
            pause_id_prefix=f"{self.pause_id_prefix}{node.name}/",
        )

    def for_item(self, index: int, map_span_id: str | None) -> RunContext:
        """Derive the context of an item of a map."""
        return replace(
            self,
            parent_span_id=map_span_id,
            item_index=index,
            position=(*self.position, index),
            pause_id_prefix=f"{self.pause_id_prefix}{index}/",
        )


def new_run_id() -> str:
    """Return 32 random hex digits."""
    return os.urandom(16).hex()
