"""Checkpointers, which record runs of graphs so that they can resume after a pause or a crash.

They use the stores of all runners: every tool of the package sees the runs they record.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from holdwater.engine import Engine
from holdwater.errors import ConfigError
from holdwater.events.run_events import EventPosition
from holdwater.model.map_items import MapProgress, is_map
from holdwater.model.records import RunFilter
from holdwater.model.registry import Registry
from holdwater.model.time import add_seconds, to_datetime
from holdwater.operations.databases import Database
from holdwater.operations.map_items import map_progress
from holdwater.operations.pruning import prune_runs
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.nodes import NodeView
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView
from holdwater.runtime.config import DriverConfig
from holdwater.storage import StoreOptions

if TYPE_CHECKING:
    from holdwater.runners.graphs.durable.map_runs import DurableMapRuns
    from holdwater.runners.graphs.durable.runs import DurableGraphRuns

DRAIN_SECONDS: Final = 5.0
MAX_CONCURRENT_FUNCTIONS: Final = 1000
"""no limit in practice: `max_concurrency` limits each run"""
NO_TIMEOUT_SECONDS: Final = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One node of a recorded run, as far as it has come.  `values`: its outputs by name."""

    node_name: str
    status: str
    values: Mapping[str, Any]
    attempts: int
    duration_ms: float | None
    error: str | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkflowRecord:
    """The head of a recorded run.  `status`: running, paused, completed, failed or cancelled."""

    id: str
    graph_name: str
    status: str
    error: str | None
    created_at: datetime
    completed_at: datetime | None
    parent_id: str | None
    forked_from: str | None

    @classmethod
    def from_info(cls, run: RunInfo) -> Self:
        return cls(
            run.id,
            run.workflow,
            run.status,
            run.error,
            to_datetime(run.created_at),
            None if run.finished_at is None else to_datetime(run.finished_at),
            run.parent_id,
            run.forked_from,
        )


class Checkpointer:
    """Records runs of graphs in a database.

    `url`: as everywhere, `sqlite:///...` or `postgresql://...`.  Opened when it is first used; may be shared
    by runners and threads; a context manager, closed by itself when it is collected.  `capture_logs`: keep the log
    records of nodes in the database, for `holdwater runs logs`.
    """

    def __init__(self, url: str, *, options: StoreOptions | None = None, capture_logs: bool = False) -> None:
        self.url = url
        self._capture_logs = capture_logs
        self._options = options
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._durable_runs: DurableGraphRuns | None = None
        self._durable_maps: DurableMapRuns | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    @property
    def engine(self) -> Engine:
        """The engine of its runs, opened on first access.  Raises DatabaseURLError, StoreUnavailable."""
        with self._lock:
            if self._engine is None:
                limits = DriverConfig(
                    max_concurrent_tasks=MAX_CONCURRENT_FUNCTIONS,
                    prefetch_tasks=2 * MAX_CONCURRENT_FUNCTIONS,
                    task_timeout_seconds=NO_TIMEOUT_SECONDS,
                    recover=False,  # a run goes on when it is run again
                    capture_logs=self._capture_logs,
                )
                self._engine = Engine(self.url, limits, registry=Registry(), options=self._options)
                self._finalizer = weakref.finalize(self, self._engine.close, DRAIN_SECONDS, wait=False)
                self._finalizer.atexit = False
            return self._engine

    @property
    def durable_runs(self) -> DurableGraphRuns:
        """The runs of graphs on it."""
        engine = self.engine
        if self._durable_runs is None or self._durable_runs.engine is not engine:
            from holdwater.runners.graphs.durable.runs import DurableGraphRuns

            self._durable_runs = DurableGraphRuns(engine)
        return self._durable_runs

    @property
    def durable_maps(self) -> DurableMapRuns:
        """The maps over graphs on it."""
        engine = self.engine
        if self._durable_maps is None or self._durable_maps.engine is not engine:
            from holdwater.runners.graphs.durable.map_runs import DurableMapRuns

            self._durable_maps = DurableMapRuns(engine)
        return self._durable_maps

    def close(self) -> None:
        """Let running nodes end, leave unfinished runs to be resumed, release the database.  Idempotent."""
        with self._lock:
            engine, self._engine = self._engine, None
            if self._finalizer is not None:
                self._finalizer.detach()
        if engine is not None:
            engine.close(DRAIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is recorded

    def get_workflow(self, workflow_id: str) -> WorkflowRecord | None:
        """Find the record of a run by id."""
        run = self.engine.reader.find_info(workflow_id)
        return None if run is None else WorkflowRecord.from_info(run)

    get_run = get_workflow

    def list_workflows(
        self, *, status: str | None = None, graph_name: str | None = None, limit: int = 100
    ) -> list[WorkflowRecord]:
        """List top-level runs, newest first."""
        which = RunFilter(graph_name, status, limit, top_level=True)
        return [WorkflowRecord.from_info(run) for run in self.engine.reader.list_runs(which)]

    list_runs = list_workflows

    def get_state(self, workflow_id: str) -> dict[str, Any]:
        """Read the latest value of every input and output of a run, by name.  Raises RunNotFound, DecodingError."""
        run = self.engine.reader.view(workflow_id)
        return {name: stored.copy() for name, stored in {**run.inputs, **run.result}.items()}

    def get_steps(self, workflow_id: str) -> list[RecordedStep]:
        """Every node of a run that has begun, in the order of the graph.  Raises RunNotFound, DecodingError."""
        run = self.engine.reader.view(workflow_id)
        return [_to_recorded_step(run, node) for node in run.nodes if node.attempt_count or node.completions]

    get_history = get_steps

    def events(self, workflow_id: str, *, after: int | EventPosition = 0) -> RunFollower:
        """Iterate over the events of a run as they are recorded, until it has ended; for `for` and `async for`.

        `after`: the journal number (`seq`) or the `position` of an event that was seen before.  A pause is no end.
        Raises RunNotFound, InvalidArgument (a ValueError), StoreUnavailable.
        """
        return self.engine.follow(workflow_id, after)

    def get_progress(self, workflow_id: str) -> MapProgress | None:
        """Count the items of a durable map, also while it runs; None if there is no such map.  Raises DecodingError."""
        run = self.engine.reader.find(workflow_id)
        return None if run is None or not is_map(run.plan) else map_progress(self.engine.reader, run)

    def pauses(self, workflow_id: str) -> list[Pause]:
        """List the open questions of a run, those of nested graphs included.  Raises RunNotFound."""
        return list(self.engine.reader.pauses(workflow_id))

    def fork(
        self, workflow_id: str, from_node: str, values: Mapping[str, Any] | None = None, *, new_id: str | None = None
    ) -> str:
        """Create a run with the results of another one up to a node; returns its id.  It starts when it is run.

        `values`: inputs of that node, as it will see them.
        Raises RunNotFound, TaskNotFound, WorkflowError (a node in a loop), EncodingError.
        """
        fork = self.engine.fork(workflow_id, from_node, dict(values or {}), (), new_id=new_id, start_paused=True)
        return fork.info.id

    def prune(self, *, older_than_days: float, keep: Sequence[str] = ()) -> int:
        """Delete runs that ended longer ago, with the runs nested in them; returns how many.  `keep`: ids to leave."""
        if older_than_days < 0:
            raise ConfigError(f"older_than_days must not be negative, it is {older_than_days!r}")
        ended_before = add_seconds(self.engine.clock.now(), -86_400 * older_than_days)
        return prune_runs(Database.of(self.engine), ended_before, keep)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"


class MemoryCheckpointer(Checkpointer):
    """Records in the memory of this process: pauses survive the runner, and not the process."""

    def __init__(self) -> None:
        super().__init__("sqlite:///:memory:")


class SqliteCheckpointer(Checkpointer):
    """Records in an SQLite file.  `path`: of the file, or a `sqlite:` URL."""

    def __init__(self, path: str | Path, *, options: StoreOptions | None = None, capture_logs: bool = False) -> None:
        text = str(path)
        url = text if text.startswith("sqlite:") else f"sqlite:///{text}"
        super().__init__(url, options=options, capture_logs=capture_logs)


class PostgresCheckpointer(Checkpointer):
    """Records on PostgreSQL; runs go on in any process."""

    def __init__(self, url: str, *, options: StoreOptions | None = None, capture_logs: bool = False) -> None:
        if not url.startswith(("postgresql:", "postgres:")):
            raise ConfigError(f"a PostgresCheckpointer needs a postgresql:// URL, not {url!r}")
        super().__init__(url, options=options, capture_logs=capture_logs)


def _to_recorded_step(run: RunView, node: NodeView) -> RecordedStep:
    values = {name: stored.copy() for name, stored in run.outputs_of(node.name).items()}
    took = None if node.started_at is None or node.ended_at is None else (node.ended_at - node.started_at) / 1000
    at = None if node.ended_at is None else to_datetime(node.ended_at)
    return RecordedStep(node.name, node.state.value, values, node.attempt_count, took, node.error, at)
