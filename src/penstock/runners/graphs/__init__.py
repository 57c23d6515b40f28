"""Runners of graphs: what users call, and what they get.

Everything here is imported when it is first used (PEP 562): who runs plain functions needs no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.lazily import lazily

if TYPE_CHECKING:
    from penstock.direct.nesting import ExecutionStrategy, get_execution_strategy
    from penstock.direct.questions import PauseInfo, PauseReason
    from penstock.graphs.compatibility import validate_map_compatible, validate_runner_compatibility
    from penstock.model.errors import NotAsked
    from penstock.runners.graphs.asynchronous import AsyncRunner
    from penstock.runners.graphs.base import BaseRunner
    from penstock.runners.graphs.capabilities import RunnerCapabilities
    from penstock.runners.graphs.handle import RunHandle, RunNotOver
    from penstock.runners.graphs.results import MapResult, MissingOutputError, RunResult, RunStatus
    from penstock.runners.graphs.sync import SyncRunner

__all__ = [
    "AsyncRunner",
    "BaseRunner",
    "ExecutionStrategy",
    "MapResult",
    "MissingOutputError",
    "NotAsked",
    "PauseInfo",
    "PauseReason",
    "RunHandle",
    "RunNotOver",
    "RunResult",
    "RunStatus",
    "RunnerCapabilities",
    "SyncRunner",
    "get_execution_strategy",
    "validate_map_compatible",
    "validate_runner_compatibility",
]

_HOMES = {
    "penstock.direct.nesting": ("ExecutionStrategy", "get_execution_strategy"),
    "penstock.direct.questions": ("PauseInfo", "PauseReason"),
    "penstock.model.errors": ("NotAsked",),
    "penstock.graphs.compatibility": ("validate_map_compatible", "validate_runner_compatibility"),
    "penstock.runners.graphs.asynchronous": ("AsyncRunner",),
    "penstock.runners.graphs.base": ("BaseRunner",),
    "penstock.runners.graphs.capabilities": ("RunnerCapabilities",),
    "penstock.runners.graphs.handle": ("RunHandle", "RunNotOver"),
    "penstock.runners.graphs.results": ("MapResult", "MissingOutputError", "RunResult", "RunStatus"),
    "penstock.runners.graphs.sync": ("SyncRunner",),
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
