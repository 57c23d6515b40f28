"""The names of the library "hypergraph", on Holdwater.

Most are Holdwater's own.  Translated here: options of runners, the log of every result, asynchronous methods of
checkpointers, `RetryPolicy`, the directory of `DiskCache`.  Names in `unsupported` raise NotInThisVersion at their
first use.  Behaviour is Holdwater's: docs/migrating/hypergraph.md lists the differences.
"""

from __future__ import annotations

from typing import Any

from holdwater.compat.hypergraph.cache import Cache, CacheBackend, DiskCache, InMemoryCache, MemoryCache
from holdwater.compat.hypergraph.checkpointers import (
    Checkpointer,
    CheckpointPolicy,
    MemoryCheckpointer,
    SqliteCheckpointer,
)
from holdwater.compat.hypergraph.events import *  # noqa: F403 - all of them
from holdwater.compat.hypergraph.events import __all__ as _events
from holdwater.compat.hypergraph.exceptions import *  # noqa: F403 - all of them
from holdwater.compat.hypergraph.exceptions import __all__ as _exceptions
from holdwater.compat.hypergraph.graph import Graph, InputSpec, validate_map_compatible, validate_runner_compatibility
from holdwater.compat.hypergraph.nodes import (
    END,
    FunctionNode,
    GateNode,
    GraphNode,
    GraphNodeMapExecutionConfig,
    HyperNode,
    IfElseNode,
    InterruptNode,
    NodeContext,
    RouteNode,
    TypeRouteNode,
    branch,
    ifelse,
    interrupt,
    node,
    route,
)
from holdwater.compat.hypergraph.results import MapResult, RunResult, RunStatus
from holdwater.compat.hypergraph.retries import RetryPolicy
from holdwater.compat.hypergraph.runners import (
    AsyncRunner,
    BaseRunner,
    DaftRunner,
    ErrorHandling,
    ExecutionStrategy,
    PauseInfo,
    RunnerCapabilities,
    SyncRunner,
    get_execution_strategy,
)
from holdwater.compat.hypergraph.unsupported import (
    AsyncHandle,
    FailureEvidence,
    InspectionDisplay,
    NodeSpanRef,
    NotInThisVersion,
    ProcessLocalLimiter,
    RetryAfterError,
    SyncHandle,
    current_node_span,
    get_display_mode,
    get_failure_evidence,
    set_display_mode,
    stub_by_prefix,
)
from holdwater.events import MapLog, NodeRecord, NodeStats, RunLog
from holdwater.runners.graphs import PauseReason, RunHandle

__all__ = [
    *_events,
    *_exceptions,
    "END",
    "AsyncHandle",
    "AsyncRunner",
    "BaseRunner",
    "Cache",
    "CacheBackend",
    "CheckpointPolicy",
    "Checkpointer",
    "DaftRunner",
    "DiskCache",
    "ErrorHandling",
    "ExecutionStrategy",
    "FailureEvidence",
    "FunctionNode",
    "GateNode",
    "Graph",
    "GraphNode",
    "GraphNodeMapExecutionConfig",
    "HyperNode",
    "IfElseNode",
    "InMemoryCache",
    "InputSpec",
    "InspectionDisplay",
    "InterruptNode",
    "MapLog",
    "MapResult",
    "MemoryCache",
    "MemoryCheckpointer",
    "NodeContext",
    "NodeRecord",
    "NodeSpanRef",
    "NodeStats",
    "NotInThisVersion",
    "PauseInfo",
    "PauseReason",
    "ProcessLocalLimiter",
    "RetryAfterError",
    "RetryPolicy",
    "RouteNode",
    "RunHandle",
    "RunLog",
    "RunResult",
    "RunStatus",
    "RunnerCapabilities",
    "SqliteCheckpointer",
    "SyncHandle",
    "SyncRunner",
    "TypeRouteNode",
    "branch",
    "current_node_span",
    "get_display_mode",
    "get_execution_strategy",
    "get_failure_evidence",
    "ifelse",
    "interrupt",
    "node",
    "route",
    "set_display_mode",
    "validate_map_compatible",
    "validate_runner_compatibility",
]


def __getattr__(name: str) -> Any:
    """Return stubs for the original's host of durable runs, its diagnostics and attempts.  Raises AttributeError."""
    return stub_by_prefix(__name__, name)
