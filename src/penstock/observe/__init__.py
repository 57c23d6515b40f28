"""Observing runs of graphs: events, processors that hear them, progress bars, run logs, traces.

Everything here is imported when it is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.lazily import lazily

if TYPE_CHECKING:
    from penstock.observe.dispatcher import EventDispatcher
    from penstock.observe.events import (
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
    from penstock.observe.processors import AsyncEventProcessor, EventProcessor, TypedEventProcessor
    from penstock.observe.progress import ProgressBar, RichProgressProcessor
    from penstock.observe.recording import RunLogProcessor
    from penstock.observe.runlog import MapLog, NodeRecord, NodeStats, RunLog
    from penstock.observe.telemetry import OpenTelemetryProcessor

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
    ".dispatcher": ("EventDispatcher",),
    ".events": (
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
    ".processors": (
        "AsyncEventProcessor",
        "EventProcessor",
        "TypedEventProcessor",
    ),
    ".progress": (
        "ProgressBar",
        "RichProgressProcessor",
    ),
    ".recording": ("RunLogProcessor",),
    ".runlog": (
        "MapLog",
        "NodeRecord",
        "NodeStats",
        "RunLog",
    ),
    ".telemetry": ("OpenTelemetryProcessor",),
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
