"""Writes run logs.  Opt-in: a run without this processor records nothing."""

from __future__ import annotations

import threading

from holdwater.events.open_spans import OpenSpans
from holdwater.events.processors import TypedEventProcessor
from holdwater.events.run_log import MapLog, NodeRecord, RunLog
from holdwater.events.types import (
    BaseEvent,
    CacheHitEvent,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)


class RunLogProcessor(TypedEventProcessor):
    """`logs`: one log per outermost run or map it has heard, the latest last; `log` is that one.

    recorder = RunLogProcessor()
    runner.run(graph, inputs, event_processors=[recorder])
    print(recorder.log)
    """

    def __init__(self) -> None:
        self.logs: list[RunLog | MapLog] = []
        self._open_spans: OpenSpans[RunLog | MapLog, NodeRecord] = OpenSpans()
        self._lock = threading.Lock()

    @property
    def log(self) -> RunLog | MapLog | None:
        return self.logs[-1] if self.logs else None

    def on_event(self, event: BaseEvent) -> None:
        with self._lock:
            super().on_event(event)

    def on_run_start(self, event: RunStartEvent) -> None:
        name = event.graph_name or "graph"
        log: RunLog | MapLog
        if event.is_map:
            log = MapLog(name, event.run_id)
        else:
            log = RunLog(name, event.run_id, item_index=event.item_index)
        around, node = self._open_spans.enclosing_map(event), self._open_spans.enclosing_node(event)
        if isinstance(around, MapLog) and isinstance(log, RunLog):
            around.items.append(log)
        elif node is not None:
            node.inner.append(log)
        else:
            self.logs.append(log)
        self._open_spans.begin_run(event, log)

    def on_node_start(self, event: NodeStartEvent) -> None:
        log = self._open_spans.run_for(event)
        if isinstance(log, RunLog):
            record = NodeRecord(event.node_name)
            log.steps.append(record)
            self._open_spans.begin_node(event, record)

    def on_cache_hit(self, event: CacheHitEvent) -> None:
        record = self._open_spans.node_for(event)
        if record is not None:
            record.cached = True

    def on_route_decision(self, event: RouteDecisionEvent) -> None:
        record = self._open_spans.node_for(event)
        if record is not None:
            record.decision = event.decision

    def on_node_end(self, event: NodeEndEvent) -> None:
        record = self._open_spans.end_node(event)
        if record is not None:
            record.status, record.cached = "completed", event.cached
            record.duration_ms = round(event.duration_ms, 3)

    def on_node_error(self, event: NodeErrorEvent) -> None:
        record = self._open_spans.end_node(event)
        if record is not None:
            record.status, record.error = "failed", f"{event.error_type}: {event.error}"
            record.duration_ms = round(event.duration_ms or 0.0, 3)

    def on_interrupt(self, event: InterruptEvent) -> None:
        record = self._open_spans.end_node(event)
        if record is not None:
            record.status = "paused"

    def on_run_end(self, event: RunEndEvent) -> None:
        log, given_up = self._open_spans.end_run(event)
        for record in given_up:
            record.status = "cancelled"
        if log is not None:
            log.status, log.total_duration_ms = event.status, round(event.duration_ms, 3)
