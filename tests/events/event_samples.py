"""Runs as processors hear them, without running anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from holdwater.events import (
    BaseEvent,
    EventDispatcher,
    EventProcessor,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RunEndEvent,
    RunStartEvent,
)


@dataclass
class EventSequence:
    """Emits the events of one run under `run_id`; `inside` and `item` give those of what is in it."""

    dispatcher: EventDispatcher
    run_id: str = "run-1"
    name: str = "etl"
    parent: str | None = None
    index: int | None = None
    span: str = "run"
    clock: Iterator[float] = field(default_factory=lambda: count(1000.0, 0.5))

    @classmethod
    def for_processors(cls, *processors: EventProcessor) -> EventSequence:
        return cls(EventDispatcher(processors, strict=True))

    def start_run(self, nodes: int | None = None, items: int | None = None) -> EventSequence:
        self._emit(RunStartEvent, span=self.span, is_map=items is not None, map_size=items, node_count=nodes)
        return self

    def start_node(self, name: str) -> None:
        self._emit(NodeStartEvent, span=name, node_name=name)

    def run_node(self, name: str, ms: float = 1.0, cached: bool = False) -> None:
        self.start_node(name)
        self.end_node(name, ms, cached)

    def end_node(self, name: str, ms: float = 1.0, cached: bool = False) -> None:
        self._emit(NodeEndEvent, span=name, node_name=name, duration_ms=ms, cached=cached)

    def fail_node(self, name: str, error: BaseException) -> None:
        self.start_node(name)
        self._emit(NodeErrorEvent, span=name, node_name=name, error=error, error_type=type(error).__name__)

    def end_run(self, status: str = "completed", ms: float = 10.0, error: BaseException | None = None) -> None:
        self._emit(RunEndEvent, span=self.span, status=status, duration_ms=ms, error=error)

    def nested_run(self, node: str, span: str = "inner") -> EventSequence:
        return EventSequence(self.dispatcher, self.run_id, "inner", self._span_id(node), None, span, self.clock)

    def map_item(self, index: int) -> EventSequence:
        return EventSequence(
            self.dispatcher, self.run_id, self.name, self._span_id(self.span), index, f"item{index}", self.clock
        )

    def _span_id(self, span: str) -> str:
        return f"{self.parent or ''}/{'' if self.index is None else self.index}/{span}"

    def _emit(self, kind: type[BaseEvent], span: str, **fields: object) -> None:
        event = kind(
            run_id=self.run_id,
            span_id=self._span_id(span),
            parent_span_id=self.parent,
            item_index=self.index,
            graph_name=self.name,
            timestamp=next(self.clock),
            **fields,  # type: ignore[arg-type]
        )
        self.dispatcher.emit(event)
