"""Events and processors: Holdwater's.  Events without a counterpart never occur."""

from __future__ import annotations

from holdwater.compat.hypergraph.unsupported import (
    InnerCacheEvent,
    NodeAttemptEndEvent,
    NodeAttemptStartEvent,
    StopRequestedEvent,
    SuperstepStartEvent,
)
from holdwater.events import (
    AsyncEventProcessor,
    BaseEvent,
    CacheHitEvent,
    Event,
    EventDispatcher,
    EventProcessor,
    InterruptEvent,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    OpenTelemetryProcessor,
    RichProgressProcessor,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
    StreamingChunkEvent,
    TypedEventProcessor,
)

__all__ = [
    "AsyncEventProcessor",
    "BaseEvent",
    "CacheHitEvent",
    "Event",
    "EventDispatcher",
    "EventProcessor",
    "InnerCacheEvent",
    "InterruptEvent",
    "NodeAttemptEndEvent",
    "NodeAttemptStartEvent",
    "NodeEndEvent",
    "NodeErrorEvent",
    "NodeStartEvent",
    "OpenTelemetryProcessor",
    "RichProgressProcessor",
    "RouteDecisionEvent",
    "RunEndEvent",
    "RunStartEvent",
    "StopRequestedEvent",
    "StreamingChunkEvent",
    "SuperstepStartEvent",
    "TypedEventProcessor",
]
