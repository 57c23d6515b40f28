"""Spans of runs and nodes, which emit their events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from holdwater.events.types import (
    CacheHitEvent,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
    StreamingChunkEvent,
    new_span_id,
)
from holdwater.model.error_report import type_name

if TYPE_CHECKING:
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.event_sinks import EventSink
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo
    from holdwater.runners.graphs.local.run_outcome import RunOutcome


class _SpanFields(TypedDict):
    run_id: str
    parent_span_id: str | None
    workflow_id: str | None
    item_index: int | None
    graph_name: str | None


class SpanContext(Protocol):
    """The part of a run's context that its events contain."""

    @property
    def run_id(self) -> str: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def parent_span_id(self) -> str | None: ...
    @property
    def workflow_id(self) -> str | None: ...
    @property
    def item_index(self) -> int | None: ...


class RunSpan:
    """A run of a graph, or a map over it."""

    def __init__(self, run_context: SpanContext, event_sink: EventSink, graph_name: str | None) -> None:
        self.event_sink = event_sink
        self.span_id = new_span_id()
        self._session_id = run_context.session_id
        self._started_at = time.perf_counter()
        self.common_fields: _SpanFields = {
            "run_id": run_context.run_id,
            "parent_span_id": run_context.parent_span_id,
            "workflow_id": run_context.workflow_id,
            "item_index": run_context.item_index,
            "graph_name": graph_name,
        }

    def emit_start(
        self,
        inputs: Mapping[str, Any],
        *,
        node_count: int | None = None,
        map_size: int | None = None,
        is_map: bool = False,
        is_resume: bool = False,
    ) -> None:
        """Emit the start.  `map_size`: number of items of a map; None for a map (`is_map`) that does not know it.

        `is_resume`: an earlier call started the run.
        """
        self.event_sink.emit(
            RunStartEvent(
                **self.common_fields,
                span_id=self.span_id,
                session_id=self._session_id,
                inputs=dict(inputs),
                is_map=is_map or map_size is not None,
                map_size=map_size,
                node_count=node_count,
                is_resume=is_resume,
            )
        )

    def emit_end(self, outcome: RunOutcome) -> None:
        self.event_sink.emit(
            RunEndEvent(
                **self.common_fields,
                span_id=self.span_id,
                outputs=outcome.outputs,
                duration_ms=(time.perf_counter() - self._started_at) * 1e3,
                iterations=outcome.iterations,
                status=outcome.status.value,
                error=outcome.error,
            )
        )

    def emit_interrupt(self, pause: PauseInfo) -> None:
        """Emit an open question."""
        self.event_sink.emit(
            InterruptEvent(
                **self.common_fields,
                span_id=new_span_id(),
                interrupt_name=pause.node.rpartition("/")[2],
                value=pause.value,
                response_param=pause.response_param,
            )
        )

    def start_node_span(self, node: Node, inputs: Mapping[str, Any]) -> NodeSpan:
        span = NodeSpan(self, node)
        self.event_sink.emit(
            NodeStartEvent(**self.common_fields, span_id=span.span_id, node_name=node.name, inputs=dict(inputs))
        )
        return span


class NodeSpan:
    """An execution of a node."""

    __slots__ = ("_chunk_count", "_node", "_run_span", "_started_at", "span_id")

    def __init__(self, run_span: RunSpan, node: Node) -> None:
        self._run_span, self._node = run_span, node
        self.span_id = new_span_id()
        self._started_at = time.perf_counter()
        self._chunk_count = 0

    @property
    def _duration_ms(self) -> float:
        return (time.perf_counter() - self._started_at) * 1e3

    def enter_function(self) -> None:
        self._run_span.event_sink.dispatcher.enter_node(self.span_id)

    def emit_chunk(self, value: object) -> None:
        index, self._chunk_count = self._chunk_count, self._chunk_count + 1
        self._run_span.event_sink.emit(
            StreamingChunkEvent(
                **self._run_span.common_fields,
                span_id=self.span_id,
                node_name=self._node.name,
                chunk=value,
                chunk_index=index,
            )
        )

    def emit_cache_hit(self, key: str) -> None:
        self._run_span.event_sink.emit(
            CacheHitEvent(
                **self._run_span.common_fields, span_id=self.span_id, node_name=self._node.name, cache_key=key
            )
        )

    def emit_decision(self, decision: tuple[str, ...]) -> None:
        several = getattr(self._node, "multi_target", False) or len(decision) != 1
        self._run_span.event_sink.emit(
            RouteDecisionEvent(
                **self._run_span.common_fields,
                span_id=self.span_id,
                node_span_id=self.span_id,
                gate_name=self._node.name,
                decision=list(decision) if several else decision[0],
            )
        )

    def emit_interrupt(self, pause: PauseInfo) -> None:
        self._run_span.event_sink.emit(
            InterruptEvent(
                **self._run_span.common_fields,
                span_id=self.span_id,
                interrupt_name=self._node.name,
                value=pause.value,
                response_param=pause.response_param,
            )
        )

    def emit_end(self, values: Mapping[str, Any], *, cached: bool = False) -> None:
        self._run_span.event_sink.emit(
            NodeEndEvent(
                **self._run_span.common_fields,
                span_id=self.span_id,
                node_name=self._node.name,
                outputs=dict(values),
                duration_ms=0.0 if cached else self._duration_ms,
                cached=cached,
            )
        )

    def emit_error(self, error: BaseException) -> None:
        self._run_span.event_sink.emit(
            NodeErrorEvent(
                **self._run_span.common_fields,
                span_id=self.span_id,
                node_name=self._node.name,
                error=error,
                error_type=type_name(error),
                duration_ms=self._duration_ms,
            )
        )

    async def drain(self) -> None:
        await self._run_span.event_sink.drain()
