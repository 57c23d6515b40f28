"""Checkpointers, in the original's words: what is read is awaited under one name, and not under another."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self

from holdwater.compat.hypergraph.unsupported import (
    CheckpointerMethods,
    PickleSerializer,
    Serializer,
    SqliteRunInspector,
    of_family,
)
from holdwater.compat.stubs import function
from holdwater.errors import ConfigError
from holdwater.runners.graphs.durable import checkpointers as ours
from holdwater.runners.graphs.durable.checkpointers import Checkpointer, Step, WorkflowRecord

_keep_all = function("retention=", 'leave it at "full", and delete with checkpointer.forget(older_than_days=...)')
_no_hashes = function("Run.config", "use graph.structural_hash and graph.definition_hash")
_no_counts = function("Run.node_count and error_count", "count the steps: await checkpointer.get_steps(run.id)")
_no_caching = function("StepRecord.cached", "NodeEndEvent.cached tells, while the run goes on")
_no_decision = function("StepRecord.decision", "RouteDecisionEvent.decision tells, while the run goes on")
_no_serializer = function("serializer=", "values are stored as JSON with tagged types, dataclasses and models too")


class StepStatus(StrEnum):
    """How a node of a run is doing; each equals its value.  A node that is under way is neither of the first two."""

    COMPLETED = "completed"
    FAILED = "failed"
    PAUSED = "paused"
    RUNNING = "running"


class WorkflowStatus(StrEnum):
    """How a run is doing; each equals its value.  No run is PARTIAL: maps are not recorded."""

    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    PARTIAL = "partial"


_STATUS: Final = {"running": WorkflowStatus.ACTIVE, "cancelled": WorkflowStatus.STOPPED}
"""Holdwater's word for the status of a run -> the original's, where they differ"""
_OURS: Final = {theirs.value: ours for ours, theirs in _STATUS.items()}
_STEP_STATUS: Final = {"completed": StepStatus.COMPLETED, "failed": StepStatus.FAILED, "waiting": StepStatus.PAUSED}


@dataclass(frozen=True, slots=True)
class Run(WorkflowRecord):
    """Holdwater's head of a run, with the status in the original's words."""

    @classmethod
    def like(cls, record: WorkflowRecord) -> Self:
        """One of Holdwater's in the original's words."""
        status = _STATUS.get(record.status) or WorkflowStatus(record.status)
        return cls(**{**_fields(record), "status": status})

    @property
    def node_count(self) -> Any:
        """Raises NotInThisVersion."""
        return _no_counts()

    @property
    def error_count(self) -> Any:
        """Raises NotInThisVersion."""
        return _no_counts()

    @property
    def parent_run_id(self) -> str | None:
        return self.parent_id

    @property
    def duration_ms(self) -> float | None:
        """From its beginning to its end; None before that."""
        return None if self.completed_at is None else (self.completed_at - self.created_at).total_seconds() * 1e3

    @property
    def config(self) -> Any:
        """Raises NotInThisVersion."""
        return _no_hashes()

    fork_superstep = retry_of = retry_index = None


@dataclass(frozen=True, slots=True)
class StepRecord(Step):
    """Holdwater's step, with its run, its place among the steps, and the status in the original's words."""

    run_id: str
    index: int

    @property
    def superstep(self) -> int:
        """The index: nodes wait for no superstep."""
        return self.index

    @property
    def cached(self) -> Any:
        """Raises NotInThisVersion."""
        return _no_caching()

    @property
    def decision(self) -> Any:
        """Raises NotInThisVersion."""
        return _no_decision()

    @classmethod
    def like(cls, step: Step, run_id: str, index: int) -> Self:
        """One of Holdwater's in the original's words."""
        status = _STEP_STATUS.get(step.status, StepStatus.RUNNING)
        return cls(**{**_fields(step), "status": status, "run_id": run_id, "index": index})


def _fields(of: WorkflowRecord | Step) -> dict[str, Any]:
    return {one.name: getattr(of, one.name) for one in fields(of)}


class Closed:
    """What `close()` gives: the checkpointer is closed, awaited or not."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class JsonSerializer:
    """What Holdwater does anyway."""


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """When is written, and how much is kept: in Holdwater every step before the next one, and everything."""

    durability: Literal["async", "sync", "exit"] = "async"
    retention: Literal["full", "latest", "windowed"] = "full"
    window: int | None = None
    ttl: object = None

    def __post_init__(self) -> None:
        """Raises ConfigError for an unknown durability, NotInThisVersion for another retention than "full"."""
        if self.durability not in ("async", "sync", "exit"):
            raise ConfigError(f'durability is "async", "sync" or "exit", not {self.durability!r}')
        if self.retention != "full" or self.window is not None or self.ttl is not None:
            _keep_all()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a run has: `values` by name, and its `steps`."""

    values: Mapping[str, Any]
    steps: list[StepRecord]
    source_run_id: str


class _Reading(Checkpointer, CheckpointerMethods):
    """The original's names for what can be read."""

    def state(self, workflow_id: str) -> dict[str, Any]:
        return super().get_state(workflow_id)

    def values(self, workflow_id: str, key: str | None = None) -> Any:
        """All values, or one.  Raises KeyError."""
        found = self.state(workflow_id)
        return found if key is None else found[key]

    def steps(self, workflow_id: str) -> list[StepRecord]:
        return [StepRecord.like(step, workflow_id, k) for k, step in enumerate(super().get_steps(workflow_id))]

    def get_run(self, workflow_id: str) -> Run | None:
        found = super().get_workflow(workflow_id)
        return None if found is None else Run.like(found)

    get_workflow = get_run

    def runs(self, *, status: str | None = None, graph_name: str | None = None, limit: int = 100) -> list[Run]:
        """Runs that were not started from another run, newest first.  `status`: in the words of either."""
        plain = status.value if isinstance(status, Enum) else status
        ours = None if plain is None else _OURS.get(plain, plain)
        found = super().list_workflows(status=ours, graph_name=graph_name, limit=limit)
        return [Run.like(record) for record in found]

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
        """Nothing: it is opened when it is first used."""

    close_sync = Checkpointer.close

    def close(self) -> Closed:  # type: ignore[override]
        """Close it now; what is returned may be awaited, as the original's is, and need not."""
        super().close()
        return Closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close_sync)


class SqliteCheckpointer(_Reading, ours.SqliteCheckpointer):
    """Holdwater's.  Raises NotInThisVersion for a serializer of pickles, or a policy that forgets."""

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
            _no_serializer()
        CheckpointPolicy(durability, retention)
        ours.SqliteCheckpointer.__init__(self, path)


class MemoryCheckpointer(_Reading, ours.MemoryCheckpointer):
    """Holdwater's."""

    def __init__(self, *, policy: CheckpointPolicy | None = None) -> None:
        ours.MemoryCheckpointer.__init__(self)


def __getattr__(name: str) -> Any:
    return of_family(__name__, name)


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
