"""The runs and nodes under way, for observers that keep something about each until it is over."""

from __future__ import annotations

from typing import Generic, TypeVar

from holdwater.events.types import BaseEvent, NodeStartEvent, RunEndEvent, RunStartEvent

RunT = TypeVar("RunT")
NodeT = TypeVar("NodeT")
Scope = tuple[str, str | None, int | None]


class OpenSpans(Generic[RunT, NodeT]):
    """Something of type R per run and map, something of type N per node.  An unknown span has none."""

    def __init__(self) -> None:
        self._runs: dict[Scope, tuple[RunT, set[str]]] = {}
        self._maps: dict[str, RunT] = {}
        self._by_span: dict[str, RunT] = {}
        self._nodes: dict[str, NodeT] = {}

    def begin_run(self, event: RunStartEvent, run: RunT) -> None:
        self._runs[event.scope] = (run, set())
        self._by_span[event.span_id] = run
        if event.is_map:
            self._maps[event.span_id] = run

    def run_for(self, event: BaseEvent) -> RunT | None:
        """Of the run that the event belongs to."""
        found = self._runs.get(event.scope)
        return None if found is None else found[0]

    def enclosing_map(self, event: BaseEvent) -> RunT | None:
        """Of the map that the event's run is an item of."""
        return self._maps.get(event.parent_span_id or "")

    def enclosing_run(self, event: BaseEvent) -> RunT | None:
        """Of the run that started the event's run, where no node is known to have done it."""
        return self._by_span.get(event.parent_span_id or "")

    def enclosing_node(self, event: BaseEvent) -> NodeT | None:
        """Of the node inside which the event's run is."""
        return self._nodes.get(event.parent_span_id or "")

    def end_run(self, event: RunEndEvent) -> tuple[RunT | None, list[NodeT]]:
        """End the span of the run, and those of nodes without an end, which were abandoned."""
        self._maps.pop(event.span_id, None)
        self._by_span.pop(event.span_id, None)
        run, spans = self._runs.pop(event.scope, (None, set[str]()))
        return run, [self._nodes.pop(span) for span in spans]

    def begin_node(self, event: NodeStartEvent, node: NodeT) -> None:
        run = self._runs.get(event.scope)
        if run is not None:
            run[1].add(event.span_id)
            self._nodes[event.span_id] = node

    def node_by_span_id(self, span_id: str) -> NodeT | None:
        """Of the node with this span."""
        return self._nodes.get(span_id)

    def node_for(self, event: BaseEvent) -> NodeT | None:
        return self._nodes.get(event.span_id)

    def end_node(self, event: BaseEvent) -> NodeT | None:
        run = self._runs.get(event.scope)
        if run is not None:
            run[1].discard(event.span_id)
        return self._nodes.pop(event.span_id, None)
