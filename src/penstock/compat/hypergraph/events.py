"""Events and who hears them: Penstock's.  What has no counterpart never occurs."""

from __future__ import annotations

from penstock.compat.hypergraph.absent import (
    InnerCacheEvent,
    NodeAttemptEndEvent,
    NodeAttemptStartEvent,
    StopRequestedEvent,
    SuperstepStartEvent,
)
from penstock.observe import (
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
