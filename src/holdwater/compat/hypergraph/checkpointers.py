"""Checkpointers with the original's names: each read method exists in an asynchronous and a synchronous form."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self

from holdwater.compat.hypergraph.unsupported import (
    PickleSerializer,
    Serializer,
    SqliteRunInspector,
    UnsupportedCheckpointerMethods,
    stub_by_prefix,
)
from holdwater.compat.stubs import stub_function
from holdwater.errors import ConfigError
from holdwater.runners.graphs.durable import checkpointers as ours
from holdwater.runners.graphs.durable.checkpointers import Checkpointer, RecordedStep, WorkflowRecord

_unsupported_retention = stub_function(
    "retention=", 'leave it at "full", and delete with checkpointer.prune(older_than_days=...)'
)
_unsupported_run_config = stub_function("Run.config", "use graph.structural_hash and graph.definition_hash")
_unsupported_run_counts = stub_function(
    "Run.node_count and error_count", "count the steps: await checkpointer.get_steps(run.id)"
)
_unsupported_step_cached = stub_function("StepRecord.cached", "NodeEndEvent.cached tells, while the run goes on")
_unsupported_step_decision = stub_function(
    "StepRecord.decision", "RouteDecisionEvent.decision tells, while the run goes on"
)
_unsupported_serializer = stub_function(
    "serializer=", "values are stored as JSON with tagged types, dataclasses and models too"
)


class StepStatus(StrEnum):
    """Status of a node; each member equals its value."""

    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    RUNNING = "running"


class WorkflowStatus(StrEnum):
    """Status of a run; each member equals its value.  No run is PARTIAL: maps are not recorded."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    PARTIAL = "partial"


_STATUS_TO_ORIGINAL: Final = {"running": WorkflowStatus.ACTIVE, "cancelled": WorkflowStatus.STOPPED}
"""Holdwater's status of a run -> the original's, where they differ"""
_STATUS_FROM_ORIGINAL: Final = {theirs.value: ours for ours, theirs in _STATUS_TO_ORIGINAL.items()}
_STEP_STATUS_TO_ORIGINAL: Final = {
    "completed": StepStatus.COMPLETED,
    "failed": StepStatus.FAILED,
    "waiting": StepStatus.PAUSED,
}


@dataclass(frozen=True, slots=True)
class Run(WorkflowRecord):
    """Holdwater's record of a run, with the original's status."""

    @classmethod
    def from_record(cls, record: WorkflowRecord) -> Self:
        """Convert one of Holdwater's records."""
        status = _STATUS_TO_ORIGINAL.get(record.status) or WorkflowStatus(record.status)
        return cls(**{**_field_values(record), "status": status})

    @property
    def node_count(self) -> Any:
        """Not supported.  Raises NotInThisVersion."""
        return _unsupported_run_counts()

    @property
    def error_count(self) -> Any:
        """Not supported.  Raises NotInThisVersion."""
        return _unsupported_run_counts()

    @property
    def parent_run_id(self) -> str | None:
        return self.parent_id

    @property
    def duration_ms(self) -> float | None:
        """Duration of the run, ms; None before it has ended."""
        return None if self.completed_at is None else (self.completed_at - self.created_at).total_seconds() * 1e3

    @property
    def config(self) -> Any:
        """Not supported.  Raises NotInThisVersion."""
        return _unsupported_run_config()

    fork_superstep = retry_of = retry_index = None


@dataclass(frozen=True, slots=True)
class StepRecord(RecordedStep):
    """Holdwater's record of a step, with its run, its index among the steps, and the original's status."""

    run_id: str
    index: int

    @property
    def superstep(self) -> int:
        """The index of the step: there are no supersteps."""
        return self.index

    @property
    def cached(self) -> Any:
        """Not supported.  Raises NotInThisVersion."""
        return _unsupported_step_cached()

    @property
    def decision(self) -> Any:
        """Not supported.  Raises NotInThisVersion."""
        return _unsupported_step_decision()

    @classmethod
    def from_step(cls, step: RecordedStep, run_id: str, index: int) -> Self:
        """Convert one of Holdwater's steps."""
        status = _STEP_STATUS_TO_ORIGINAL.get(step.status, StepStatus.RUNNING)
        return cls(**{**_field_values(step), "status": status, "run_id": run_id, "index": index})


def _field_values(record: WorkflowRecord | RecordedStep) -> dict[str, Any]:
    return {one.name: getattr(record, one.name) for one in fields(record)}


class AwaitableNone:
    """The return value of `close()`, which may be awaited and need not."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class JsonSerializer:
    """Holdwater's serialization."""


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """Durability and retention: Holdwater writes every step before the next one, and keeps everything."""

    durability: Literal["async", "sync", "exit"] = "async"
    retention: Literal["full", "latest", "windowed"] = "full"
    window: int | None = None
    ttl: object = None

    def __post_init__(self) -> None:
        """Check the options.  Raises ConfigError for an unknown durability, NotInThisVersion for limited retention."""
        if self.durability not in ("async", "sync", "exit"):
            raise ConfigError(f'durability is "async", "sync" or "exit", not {self.durability!r}')
        if self.retention != "full" or self.window is not None or self.ttl is not None:
            _unsupported_retention()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run: `values` by name, and its `steps`."""

    values: Mapping[str, Any]
    steps: list[StepRecord]
    source_run_id: str


class _OriginalReadMethods(Checkpointer, UnsupportedCheckpointerMethods):
    """The read methods by the original's names."""

    def state(self, workflow_id: str) -> dict[str, Any]:
        return super().get_state(workflow_id)

    def values(self, workflow_id: str, key: str | None = None) -> Any:
        """Return all values by name, or that of `key`.  Raises KeyError."""
        found = self.state(workflow_id)
        return found if key is None else found[key]

    def steps(self, workflow_id: str) -> list[StepRecord]:
        return [StepRecord.from_step(step, workflow_id, k) for k, step in enumerate(super().get_steps(workflow_id))]

    def get_run(self, workflow_id: str) -> Run | None:
        found = super().get_workflow(workflow_id)
        return None if found is None else Run.from_record(found)

    get_workflow = get_run

    def runs(self, *, status: str | None = None, graph_name: str | None = None, limit: int = 100) -> list[Run]:
        """List top-level runs, newest first.  `status`: the original's or Holdwater's."""
        plain = status.value if isinstance(status, Enum) else status
        ours = None if plain is None else _STATUS_FROM_ORIGINAL.get(plain, plain)
        found = super().list_workflows(status=ours, graph_name=graph_name, limit=limit)
        return [Run.from_record(record) for record in found]

    def checkpoint(self, workflow_id: str) -> Checkpoint:
        return Checkpoint(self.state(workflow_id), self.steps(workflow_id), workflow_id)

    async def get_state(self, workflow_id: str) -> dict[str, Any]:  # type: ignore[override]
        return await asyncio.to_thread(self.state, workflow_id)

    async def get_steps(self, workflow_id: str) -> list[StepRecord]:  # type: ignore[override]
        return await asyncio.to_thread(self.steps, workflow_id)

    get_history = get_steps  # type: ignore[assignment]

    async def get_checkpoint(self, workflow_id: str) -> Checkpoint:
        return await asyncio.to_thread(self.checkpoint, workflow_id)

    async def get_run_async(self, workflow_id: str) -> Run | None:
        return await asyncio.to_thread(self.get_run, workflow_id)

    async def list_runs(self, **which: Any) -> list[Run]:  # type: ignore[override]
        return await asyncio.to_thread(lambda: self.runs(**which))

    list_workflows = list_runs  # type: ignore[assignment]

    async def count_runs(self, **which: Any) -> int:
        return len(await self.list_runs(**{"limit": 1 << 31, **which}))

    async def initialize(self) -> None:
        """Do nothing: the store is opened by the first use."""

    close_sync = Checkpointer.close

    def close(self) -> AwaitableNone:  # type: ignore[override]
        """Close it at once; the return value may be awaited, as the original's is."""
        super().close()
        return AwaitableNone()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close_sync)


class SqliteCheckpointer(_OriginalReadMethods, ours.SqliteCheckpointer):
    """Holdwater's.  Raises NotInThisVersion for a pickle serializer, or a policy with limited retention."""

    def __init__(
        self,
        path: str | Path,
        *,
        serializer: JsonSerializer | None = None,
        policy: CheckpointPolicy | None = None,
        durability: Literal["async", "sync", "exit"] = "async",
        retention: Literal["full", "latest", "windowed"] = "full",
    ) -> None:
        if serializer is not None and not isinstance(serializer, JsonSerializer):
            _unsupported_serializer()
        CheckpointPolicy(durability, retention)
        ours.SqliteCheckpointer.__init__(self, path)


class MemoryCheckpointer(_OriginalReadMethods, ours.MemoryCheckpointer):
    """Holdwater's."""

    def __init__(self, *, policy: CheckpointPolicy | None = None) -> None:
        ours.MemoryCheckpointer.__init__(self)


def __getattr__(name: str) -> Any:
    return stub_by_prefix(__name__, name)


__all__ = [
    "Checkpoint",
    "CheckpointPolicy",
    "Checkpointer",
    "JsonSerializer",
    "MemoryCheckpointer",
    "PickleSerializer",
    "Run",
    "Serializer",
    "SqliteCheckpointer",
    "SqliteRunInspector",
    "StepRecord",
    "StepStatus",
    "WorkflowStatus",
]
