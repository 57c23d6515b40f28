"""Observing runs of graphs: events, processors that hear them, progress bars, run logs, traces.

Everything here is imported when it is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.events.dispatcher import EventDispatcher
    from holdwater.events.processors import AsyncEventProcessor, EventProcessor, TypedEventProcessor
    from holdwater.events.progress import ProgressBar, RichProgressProcessor
    from holdwater.events.run_log import MapLog, NodeRecord, NodeStats, RunLog
    from holdwater.events.run_log_processor import RunLogProcessor
    from holdwater.events.telemetry import OpenTelemetryProcessor
    from holdwater.events.types import (
        BaseEvent,
        CacheHitEvent,
        Event,
        InterruptEvent,
        NodeEndEvent,
        NodeErrorEvent,
        NodeStartEvent,
        RouteDecisionEvent,
        RunEndEvent,
        RunStartEvent,
        StreamingChunkEvent,
    )

__all__ = [
    "AsyncEventProcessor",
    "BaseEvent",
    "CacheHitEvent",
    "Event",
    "EventDispatcher",
    "EventProcessor",
    "InterruptEvent",
    "MapLog",
    "NodeEndEvent",
    "NodeErrorEvent",
    "NodeRecord",
    "NodeStartEvent",
    "NodeStats",
    "OpenTelemetryProcessor",
    "ProgressBar",
    "RichProgressProcessor",
    "RouteDecisionEvent",
    "RunEndEvent",
    "RunLog",
    "RunLogProcessor",
    "RunStartEvent",
    "StreamingChunkEvent",
    "TypedEventProcessor",
]

_HOMES = {
    "holdwater.events.dispatcher": ("EventDispatcher",),
    "holdwater.events.processors": (
        "AsyncEventProcessor",
        "EventProcessor",
        "TypedEventProcessor",
    ),
    "holdwater.events.progress": (
        "ProgressBar",
        "RichProgressProcessor",
    ),
    "holdwater.events.run_log": (
        "MapLog",
        "NodeRecord",
        "NodeStats",
        "RunLog",
    ),
    "holdwater.events.run_log_processor": ("RunLogProcessor",),
    "holdwater.events.telemetry": ("OpenTelemetryProcessor",),
    "holdwater.events.types": (
        "BaseEvent",
        "CacheHitEvent",
        "Event",
        "InterruptEvent",
        "NodeEndEvent",
        "NodeErrorEvent",
        "NodeStartEvent",
        "RouteDecisionEvent",
        "RunEndEvent",
        "RunStartEvent",
        "StreamingChunkEvent",
    ),
}

__getattr__, __dir__ = lazy_module(__name__, _HOMES)
