"""Events of a run, delivered while it is active.

Spans form the tree of a run.  A node's events carry its span; `RunStartEvent` and `RunEndEvent` of one run share one.
`parent_span_id` is the span of what encloses: None for the outermost run and its nodes alike, the graph node's span
for a nested graph and its nodes, the map's span for the items of a map.  So all the events of one run have the same
`run_id`, `parent_span_id` and `item_index`, which is how an observer tells runs apart (`BaseEvent.scope`).

The classes are plain slots dataclasses, immutable by convention: `frozen=True` would triple the cost of creating one.
Fields are passed by keyword.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, TypeAlias


def new_span_id() -> str:
    """16 hex digits.  Not from `random`: a body that seeds it must not make ids collide."""
    return os.urandom(8).hex()


@dataclass(slots=True, kw_only=True)
class BaseEvent:
    """Base of all events, also of those users define.  `timestamp` is in seconds since the epoch."""

    run_id: str
    span_id: str = field(default_factory=new_span_id)
    parent_span_id: str | None = None
    timestamp: float = field(default_factory=time.time)
    workflow_id: str | None = None
    item_index: int | None = None
    graph_name: str | None = None

    @property
    def scope(self) -> tuple[str, str | None, int | None]:
        """Equal for all events of one run, different for those of its nested runs and items."""
        return (self.run_id, self.parent_span_id, self.item_index)


@dataclass(slots=True, kw_only=True)
class RunStartEvent(BaseEvent):
    """A run begins: of a whole graph, of a nested one, of a map (`is_map`) or of an item of one.

    `map_size` and `node_count` (nodes that may run, before any branch is chosen) are None where not known.
    `is_resume`: the run was recorded by an earlier call, and goes on.
    """

    session_id: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    is_map: bool = False
    map_size: int | None = None
    node_count: int | None = None
    is_resume: bool = False


@dataclass(slots=True, kw_only=True)
class NodeStartEvent(BaseEvent):
    """A node is about to be called with these inputs, by their names in the graph."""

    node_name: str
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class NodeEndEvent(BaseEvent):
    """A node is done.  `cached`: its outputs were not computed now."""

    node_name: str
    outputs: Any = None
    duration_ms: float = 0.0
    cached: bool = False


@dataclass(slots=True, kw_only=True)
class StreamingChunkEvent(BaseEvent):
    """A node yielded or streamed a piece of its value; `chunk_index` counts from 0 within one execution."""

    node_name: str
    chunk: Any
    chunk_index: int


@dataclass(slots=True, kw_only=True)
class CacheHitEvent(BaseEvent):
    """A node's outputs were found in the cache."""

    node_name: str
    cache_key: str | None = None


@dataclass(slots=True, kw_only=True)
class RouteDecisionEvent(BaseEvent):
    """A gate decided: the name of its target, "END", or a list of them where several may be chosen."""

    gate_name: str
    decision: str | list[str]
    node_span_id: str | None = None
    """the gate's span, which is also `span_id`"""

    @property
    def node_name(self) -> str:
        return self.gate_name


@dataclass(slots=True, kw_only=True)
class NodeErrorEvent(BaseEvent):
    """A node raised `error`; no `NodeEndEvent` follows.

    Of a recorded run this is one attempt.  `will_retry`: the node is tried again, and starts once more.
    """

    node_name: str
    error: BaseException
    error_type: str
    duration_ms: float | None = None
    will_retry: bool = False


@dataclass(slots=True, kw_only=True)
class InterruptEvent(BaseEvent):
    """The run waits for an answer to `value`; it is expected under the name `response_param`."""

    interrupt_name: str
    value: Any = None
    response_param: str

    @property
    def node_name(self) -> str:
        return self.interrupt_name


@dataclass(slots=True, kw_only=True)
class RunEndEvent(BaseEvent):
    """A run is over.  `iterations` counts the supersteps of its loops; `status` is the value of the run's status."""

    outputs: dict[str, Any] = field(default_factory=dict)
    duration_ms: float = 0.0
    iterations: int = 0
    status: str = "completed"
    error: BaseException | None = None


Event: TypeAlias = BaseEvent
"""Any event, user-defined ones included."""
