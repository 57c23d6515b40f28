"""A run as its observers see it: events with their spans."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

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
    from holdwater.runners.graphs.local.event_sinks import Outlet
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo
    from holdwater.runners.graphs.local.run_context import Ending, Setting


class _Place(TypedDict):
    run_id: str
    parent_span_id: str | None
    workflow_id: str | None
    item_index: int | None
    graph_name: str | None


class Watch:
    """One run of one graph, or one map over it."""

    def __init__(self, setting: Setting, outlet: Outlet, graph_name: str | None) -> None:
        self.outlet = outlet
        self.span_id = new_span_id()
        self._session_id = setting.session_id
        self._began = time.perf_counter()
        self.place: _Place = {
            "run_id": setting.run_id,
            "parent_span_id": setting.parent_span,
            "workflow_id": setting.workflow_id,
            "item_index": setting.item_index,
            "graph_name": graph_name,
        }

    def started(
        self,
        inputs: Mapping[str, Any],
        *,
        node_count: int | None = None,
        map_size: int | None = None,
        is_resume: bool = False,
    ) -> None:
        """`map_size`: this is a map over so many items.  `is_resume`: the run was begun by an earlier call."""
        self.outlet.emit(
            RunStartEvent(
                **self.place,
                span_id=self.span_id,
                session_id=self._session_id,
                inputs=dict(inputs),
                is_map=map_size is not None,
                map_size=map_size,
                node_count=node_count,
                is_resume=is_resume,
            )
        )

    def ended(self, ending: Ending) -> None:
        self.outlet.emit(
            RunEndEvent(
                **self.place,
                span_id=self.span_id,
                outputs=ending.outputs,
                duration_ms=(time.perf_counter() - self._began) * 1e3,
                iterations=ending.iterations,
                status=ending.status,
                error=ending.error,
            )
        )

    def asked(self, pause: PauseInfo) -> None:
        """A question of the run is open."""
        self.outlet.emit(
            InterruptEvent(
                **self.place,
                span_id=new_span_id(),
                interrupt_name=pause.node.rpartition("/")[2],
                value=pause.value,
                response_param=pause.response_param,
            )
        )

    def begin(self, node: Node, inputs: Mapping[str, Any]) -> NodeSpan:
        span = NodeSpan(self, node)
        self.outlet.emit(NodeStartEvent(**self.place, span_id=span.span_id, node_name=node.name, inputs=dict(inputs)))
        return span


class NodeSpan:
    """One execution of a node."""

    __slots__ = ("_began", "_chunks", "_node", "_watch", "span_id")

    def __init__(self, watch: Watch, node: Node) -> None:
        self._watch, self._node = watch, node
        self.span_id = new_span_id()
        self._began = time.perf_counter()
        self._chunks = 0

    @property
    def _duration_ms(self) -> float:
        return (time.perf_counter() - self._began) * 1e3

    def enter(self) -> None:
        self._watch.outlet.dispatcher.enter_node(self.span_id)

    def chunk(self, value: object) -> None:
        index, self._chunks = self._chunks, self._chunks + 1
        self._watch.outlet.emit(
            StreamingChunkEvent(
                **self._watch.place,
                span_id=self.span_id,
                node_name=self._node.name,
                chunk=value,
                chunk_index=index,
            )
        )

    def hit(self, key: str) -> None:
        self._watch.outlet.emit(
            CacheHitEvent(**self._watch.place, span_id=self.span_id, node_name=self._node.name, cache_key=key)
        )

    def decided(self, decision: tuple[str, ...]) -> None:
        several = getattr(self._node, "multi_target", False) or len(decision) != 1
        self._watch.outlet.emit(
            RouteDecisionEvent(
                **self._watch.place,
                span_id=self.span_id,
                node_span_id=self.span_id,
                gate_name=self._node.name,
                decision=list(decision) if several else decision[0],
            )
        )

    def asked(self, pause: PauseInfo) -> None:
        self._watch.outlet.emit(
            InterruptEvent(
                **self._watch.place,
                span_id=self.span_id,
                interrupt_name=self._node.name,
                value=pause.value,
                response_param=pause.response_param,
            )
        )

    def done(self, values: Mapping[str, Any], *, cached: bool = False) -> None:
        self._watch.outlet.emit(
            NodeEndEvent(
                **self._watch.place,
                span_id=self.span_id,
                node_name=self._node.name,
                outputs=dict(values),
                duration_ms=0.0 if cached else self._duration_ms,
                cached=cached,
            )
        )

    def failed(self, error: BaseException) -> None:
        self._watch.outlet.emit(
            NodeErrorEvent(
                **self._watch.place,
                span_id=self.span_id,
                node_name=self._node.name,
                error=error,
                error_type=type_name(error),
                duration_ms=self._duration_ms,
            )
        )

    async def room(self) -> None:
        await self._watch.outlet.room()
