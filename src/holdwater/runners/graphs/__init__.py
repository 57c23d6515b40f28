"""Runners of graphs, and their results.

Everything here is imported on first use (PEP 562): running plain functions does not import asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.lazy_imports import lazy_module

if TYPE_CHECKING:
    from holdwater.model.map_items import MapProgress
    from holdwater.model.statuses import RunStatus
    from holdwater.runners.graphs.async_runner import AsyncRunner
    from holdwater.runners.graphs.base import BaseRunner
    from holdwater.runners.graphs.capabilities import RunnerCapabilities
    from holdwater.runners.graphs.daft.stateful import stateful
    from holdwater.runners.graphs.daft_runner import DaftRunner
    from holdwater.runners.graphs.durable.map_results import DurableMapResult
    from holdwater.runners.graphs.event_stream import RunHandle
    from holdwater.runners.graphs.local.nesting import ExecutionStrategy, get_execution_strategy
    from holdwater.runners.graphs.local.pending_inputs import PauseInfo, PauseReason
    from holdwater.runners.graphs.results import MapResult, RunResult
    from holdwater.runners.graphs.sync_runner import SyncRunner

__all__ = [
    "AsyncRunner",
    "BaseRunner",
    "DaftRunner",
    "DurableMapResult",
    "ExecutionStrategy",
    "MapProgress",
    "MapResult",
    "PauseInfo",
    "PauseReason",
    "RunHandle",
    "RunResult",
    "RunStatus",
    "RunnerCapabilities",
    "SyncRunner",
    "get_execution_strategy",
    "stateful",
]

_EXPORTS = {
    "holdwater.model.map_items": ("MapProgress",),
    "holdwater.model.statuses": ("RunStatus",),
    "holdwater.runners.graphs.async_runner": ("AsyncRunner",),
    "holdwater.runners.graphs.base": ("BaseRunner",),
    "holdwater.runners.graphs.capabilities": ("RunnerCapabilities",),
    "holdwater.runners.graphs.daft.stateful": ("stateful",),
    "holdwater.runners.graphs.daft_runner": ("DaftRunner",),
    "holdwater.runners.graphs.durable.map_results": ("DurableMapResult",),
    "holdwater.runners.graphs.event_stream": ("RunHandle",),
    "holdwater.runners.graphs.local.nesting": (
        "ExecutionStrategy",
        "get_execution_strategy",
    ),
    "holdwater.runners.graphs.local.pending_inputs": (
        "PauseInfo",
        "PauseReason",
    ),
    "holdwater.runners.graphs.results": (
        "MapResult",
        "RunResult",
    ),
    "holdwater.runners.graphs.sync_runner": ("SyncRunner",),
}

__getattr__, __dir__ = lazy_module(__name__, _EXPORTS)
