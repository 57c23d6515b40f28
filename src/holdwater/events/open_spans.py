"""The runs and nodes under way, for observers that keep something about each until it is over."""

from __future__ import annotations

from typing import Generic, TypeVar

from holdwater.events.types import BaseEvent, NodeStartEvent, RunEndEvent, RunStartEvent

R = TypeVar("R")
N = TypeVar("N")
Scope = tuple[str, str | None, int | None]


class OpenSpans(Generic[R, N]):
    """Something of type R per run and map, something of type N per node.  An unknown span has none."""

    def __init__(self) -> None:
        self._runs: dict[Scope, tuple[R, set[str]]] = {}
        self._maps: dict[str, R] = {}
        self._nodes: dict[str, N] = {}

    def begin_run(self, event: RunStartEvent, run: R) -> None:
        self._runs[event.scope] = (run, set())
        if event.is_map:
            self._maps[event.span_id] = run

    def run_of(self, event: BaseEvent) -> R | None:
        """Of the run that the event belongs to."""
        found = self._runs.get(event.scope)
        return None if found is None else found[0]

    def map_around(self, event: BaseEvent) -> R | None:
        """Of the map that the event's run is an item of."""
        return self._maps.get(event.parent_span_id or "")

    def node_around(self, event: BaseEvent) -> N | None:
        """Of the node inside which the event's run is."""
        return self._nodes.get(event.parent_span_id or "")

    def end_run(self, event: RunEndEvent) -> tuple[R | None, list[N]]:
        """The run, and what is left of nodes that never said they ended: they were given up."""
        self._maps.pop(event.span_id, None)
        run, spans = self._runs.pop(event.scope, (None, set[str]()))
        return run, [self._nodes.pop(span) for span in spans]

    def begin_node(self, event: NodeStartEvent, node: N) -> None:
        run = self._runs.get(event.scope)
        if run is not None:
            run[1].add(event.span_id)
            self._nodes[event.span_id] = node

    def node(self, span_id: str) -> N | None:
        """Of the node with this span."""
        return self._nodes.get(span_id)

    def node_of(self, event: BaseEvent) -> N | None:
        return self._nodes.get(event.span_id)

    def end_node(self, event: BaseEvent) -> N | None:
        run = self._runs.get(event.scope)
        if run is not None:
            run[1].discard(event.span_id)
        return self._nodes.pop(event.span_id, None)
