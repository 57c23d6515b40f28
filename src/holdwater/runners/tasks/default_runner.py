"""DefaultRunner: register workflows, run them, look at them."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from holdwater.engine import Engine
from holdwater.errors import ConfigError, DatabaseURLError
from holdwater.events.processors import EventProcessor, check_processors
from holdwater.events.run_events import EventPosition
from holdwater.model import validation
from holdwater.model.provenance import Provenance
from holdwater.model.records import RunFilter
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import Micros, add_seconds, from_datetime
from holdwater.operations.databases import Database
from holdwater.operations.pruning import prune_runs
from holdwater.operations.runs import find_run
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.results import PipelineResult, RunSummary
from holdwater.runners.tasks.schedule_methods import ScheduleMethods
from holdwater.runners.tasks.workflow_handle import ContextInput, WorkflowHandle
from holdwater.runners.workflow_names import WorkflowRef, resolve_workflow_name
from holdwater.runs.activity import Activity
from holdwater.runs.follow import RunFollower
from holdwater.runs.open_pauses import Pause
from holdwater.runtime.executors.base import DEFAULT_EXECUTOR, ExecutorMetrics
from holdwater.runtime.internal_errors import InternalErrorRecord
from holdwater.tasks import Context


class DefaultRunner(ScheduleMethods):
    """Executes registered workflows durably on one database.

    May be shared by threads.  A context manager; shut down by itself when it is collected and at interpreter exit.
    Runs that a crash has interrupted go on by themselves as soon as their workflow is registered here.
    After a fork it belongs to the parent: the child gets RunnerClosed and makes its own.

    `event_processors`: hear of every run it executes: progress bars, run logs, OpenTelemetry spans, and your own.
    A function starts when they have heard that it does; what they raise is in `internal_errors()`.

    Raises DatabaseURLError (a ValueError) for a URL that cannot be used, StoreUnavailable for a database that cannot,
    ExecutorNotFound (a ValueError) for a routing to an executor that is not there.
    """

    def __init__(
        self,
        database_url: str,
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        event_processors: Sequence[EventProcessor] = (),
    ) -> None:
        self._config = DefaultRunnerConfig() if config is None else config.copy()
        if not isinstance(database_url, str):
            raise DatabaseURLError(f"a database URL is a string, not {database_url!r}")
        self.database_url = database_url
        self._engine = Engine(
            database_url,
            self._config.driver_config(),
            run_timeout_seconds=self._config.workflow_timeout_seconds,
            poll_seconds=self._config.scheduler_poll_interval_ms / 1000,
            options=self._config.store_options(schema),
            to_result=PipelineResult,
            event_processors=check_processors(event_processors),
        )
        engine = self._engine
        self._database = Database.of(engine)
        self._schedule_config = self._config.schedule_config()
        self._lost_after_us = self._config.cron_lost_threshold_minutes * 60_000_000
        drain_seconds = self._config.shutdown_timeout_seconds
        # Closes the engine when the runner is collected; holds the engine, never the runner.
        self._finalizer = weakref.finalize(self, self._engine.close, drain_seconds, wait=False)
        self._finalizer.atexit = False  # at exit the engine is waited for

    @classmethod
    def with_config(cls, database_url: str, config: DefaultRunnerConfig) -> DefaultRunner:
        """Create a runner with these options.  Raises ConfigError."""
        if not isinstance(config, DefaultRunnerConfig):
            raise ConfigError(f"config must be a DefaultRunnerConfig, not {type(config).__name__}")
        return cls(database_url, config=config)

    @classmethod
    def with_schema(cls, database_url: str, schema: str) -> DefaultRunner:
        """Create a runner of a tenant, in a PostgreSQL schema of its own.  Raises DatabaseURLError (a ValueError)."""
        return cls(database_url, schema=schema)

    @property
    def config(self) -> DefaultRunnerConfig:
        """A copy of the options it runs with."""
        return self._config.copy()

    # -- running

    def submit(
        self,
        workflow: WorkflowRef,
        context: ContextInput = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        started_by: str = "",
    ) -> WorkflowHandle:
        """Start a run and return at once; it is on disk when this returns.

        `workflow`: its registered name, or a workflow of tasks or steps, or a graph with a name; that is registered.
        With an `idempotency_key` that a run of this workflow has already, that run is returned and nothing is started.
        `labels`: texts by key to find the run by, `{"env": "prod"}`; its child runs and forks have them, too.
        `started_by`: the author to record, `api:KEY` or `cli:USER` for a program that starts runs for others.
        Raises WorkflowNotFound (a ValueError), EncodingError, InvalidArgument, IdempotencyConflict, StoreUnavailable,
        RunnerClosed.
        """
        provenance = Provenance.of_caller(started_by, labels)
        name = resolve_workflow_name(workflow, self._engine.registry)
        started = self._engine.submit(name, context, idempotency_key=idempotency_key, provenance=provenance)
        return WorkflowHandle.of(self, self._engine, started)

    def execute(
        self,
        workflow: WorkflowRef,
        context: ContextInput = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> PipelineResult:
        """Run a workflow and wait until it has ended or paused.

        A failed run is a result with status "Failed", not an exception.  `labels`: as in `submit`.
        Raises WorkflowNotFound (a ValueError), EncodingError, InvalidArgument, IdempotencyConflict, StoreUnavailable,
        RunnerClosed.
        """
        if idempotency_key is not None:
            return self.submit(workflow, context, idempotency_key=idempotency_key, labels=labels).result()
        name = resolve_workflow_name(workflow, self._engine.registry)
        return PipelineResult(self._engine.execute(name, context, provenance=Provenance.of_caller(labels=labels)))

    async def execute_async(
        self,
        workflow: WorkflowRef,
        context: ContextInput = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> PipelineResult:
        """`execute` for coroutines: the event loop goes on meanwhile."""
        import asyncio

        handle = await asyncio.to_thread(self.submit, workflow, context, idempotency_key=idempotency_key, labels=labels)
        return await handle

    # -- looking and steering

    def get_run(self, run_id: str) -> PipelineResult:
        """Read a run with its tasks, as recorded so far.  Raises RunNotFound."""
        return PipelineResult(self._engine.reader.view(run_id))

    def list_runs(
        self,
        *,
        workflow_name: str | None = None,
        status: str | None = None,
        limit: int = 100,
        before: str | None = None,
        parent_run_id: str | None = None,
        top_level: bool = False,
        since: datetime | None = None,
        offset: int = 0,
    ) -> list[RunSummary]:
        """List runs, newest first.  `status`: as in results.  `before`: run id for the next page.  `limit`: 1 to 1,000.

        `parent_run_id`: only children of this run; `top_level`: only runs without a parent; `since`: only runs created
        at this instant or later (an aware datetime); `offset`: so many are left out first.
        Raises ConfigError, RunNotFound if there is no run `before`.
        """
        validation.check_count("offset", offset)
        validation.check_count("limit", limit, minimum=1, maximum=1000)
        for what, sought in (("workflow_name", workflow_name), ("before", before), ("parent_run_id", parent_run_id)):
            if sought is not None:
                validation.check_search_text(what, sought)
        words = {face.lower(): word for word, face in STATUS_LABELS.items()}
        if status is not None and (not isinstance(status, str) or status.lower() not in words):
            raise ConfigError(f"there is no status {status!r}", hint=f"one of {', '.join(STATUS_LABELS.values())}")
        word = words[status.lower()] if status else None
        created_since = None if since is None else _parse_aware(since)
        which = RunFilter(workflow_name, word, limit, before, parent_run_id, top_level, created_since, offset)
        return [RunSummary.from_info(run) for run in self._engine.reader.list_runs(which)]

    def find_run(self, reference: str) -> RunSummary:
        """Find a run by its id, by the beginning or the end of its id, or by `@last`, the newest top-level run.

        Raises RunNotFound, AmbiguousRun.
        """
        return RunSummary.from_info(find_run(self._engine.reader, reference))

    def activity(self, run_id: str) -> Activity:
        """Read the activity of a run: queued, running (host and process), waiting (until), orphaned; or its status.

        Raises RunNotFound, StoreUnavailable.
        """
        return self._engine.reader.activity(run_id)

    def events(self, run_id: str, *, after: int | EventPosition = 0) -> RunFollower:
        """Iterate over the events of a run as they are recorded, until it has ended; for `for` and `async for`.

        `after`: the journal number (`seq`) or the `position` of an event that was seen before; what comes behind it is
        given exactly once, also from another process.  A pause is no end.  Raises RunNotFound, InvalidArgument (a
        ValueError), StoreUnavailable; the iteration raises RunnerClosed if the runner is shut down meanwhile.
        """
        return self._engine.follow(run_id, after)

    def handle(self, run_id: str) -> WorkflowHandle:
        """Return a handle on an existing run.  Raises RunNotFound."""
        row = self._engine.reader.row(run_id)
        self._engine.driver.include_run(run_id)
        return WorkflowHandle(self, self._engine, row.workflow, self._engine.future(run_id))

    def cancel(self, run_id: str, reason: str = "") -> None:
        """End a run: nothing more starts, running bodies are told (`handle.cancelled`).  Raises InvalidTransition."""
        self._engine.control.cancel(run_id, reason)

    def pause(self, run_id: str, reason: str = "") -> None:
        """Start nothing more of a run for now; what runs ends as usual.  Raises InvalidTransition."""
        self._engine.control.pause(run_id, reason)

    def resume(self, run_id: str) -> None:
        """Let a paused run go on.  Raises InvalidTransition."""
        self._engine.control.resume(run_id)

    def pauses(self, run_id: str) -> list[Pause]:
        """List the open questions of a run and its children, in the order of the workflow.  Raises RunNotFound."""
        return list(self._engine.reader.pauses(run_id))

    def answer(self, run_id: str, pause_id: str | None, value: Any) -> None:
        """Answer an open question; the run goes on with it.

        `pause_id`: which one, or the name of its answer where only one goes by it; None: the only one.  Questions are
        answered in any order, and nothing that has finished runs again.

        Raises PauseNotFound (a ValueError), EncodingError, RunNotFound, RunnerClosed, and what the question's own check
        of answers raises.
        """
        self._engine.control.answer(run_id, pause_id, value)

    def retry(self, run_id: str, reason: str = "") -> None:
        """Try again what failed or was cancelled in a run that has ended; what succeeded is kept and never runs again.

        Failed tasks get all their attempts again, and the run its full time limit.  Tasks that ran or were skipped
        because of a failure are decided again.  Changed functions are used.  If this process does not have the
        workflow, a runner that has it executes the run.

        Raises InvalidTransition for a run that is running, paused or completed, StructureChanged if tasks, dependencies
        or rules are not those it was recorded under, RunNotFound, RunnerClosed.
        """
        self._engine.control.retry(run_id, reason)

    def fork(
        self,
        run_id: str,
        from_task: str,
        *,
        context: ContextInput = None,
        remove: Collection[str] = (),
        idempotency_key: str | None = None,
    ) -> WorkflowHandle:
        """Start a run with the results of another one, and execute `from_task` and all its descendants.

        The other run may be in any state, and stays as it is.  `context`: values as `from_task` will see them, added or
        overwritten, None being a value like any other; `remove`: keys it will not see.  What failed in the other run
        runs again, too, wherever it stands.

        With an `idempotency_key` that a run of this workflow has already, that run is returned and nothing is started.
        Raises TaskNotFound, StructureChanged, EncodingError, ConfigError (a key both set and removed), RunNotFound,
        IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        removed = (remove,) if isinstance(remove, str) else tuple(remove)
        fork = self._engine.fork(run_id, from_task, Context(context), removed, idempotency_key=idempotency_key)
        return WorkflowHandle.of(self, self._engine, fork)

    def prune(self, *, older_than_days: float, keep: Collection[str] = ()) -> int:
        """Delete runs that ended longer ago, with their children; returns how many.  `keep`: ids of runs to leave.

        A run that has not ended stays, and so does one with a child that has not.  Forks of what is gone stay whole.
        Raises ConfigError, StoreUnavailable, RunnerClosed.
        """
        validation.check_seconds("older_than_days", older_than_days, positive=False, maximum=36_500, unit="days")
        kept = (keep,) if isinstance(keep, str) else tuple(keep)
        for run_id in kept:
            validation.check_search_text("keep: the id of a run", run_id)
        self._engine.driver.raise_if_closed()
        return prune_runs(self._database, add_seconds(self._engine.clock.now(), -86_400 * older_than_days), kept)

    # -- schedules

    def _knows_workflow(self, name: str) -> bool:
        return self._engine.registry.find(name) is not None

    def _on_schedules_changed(self) -> None:
        self._engine.driver.check_for_work()

    # -- executors

    def executor_metrics(self) -> dict[str, ExecutorMetrics]:
        """Return the metrics of each executor of this runner, by name."""
        return self._engine.driver.dispatcher.metrics()

    def has_capacity(self, executor: str = DEFAULT_EXECUTOR) -> bool:
        """Return True if an executor has a free slot.  Raises ExecutorNotFound."""
        return self._engine.driver.dispatcher.get_executor(executor).has_capacity()

    def internal_errors(self) -> tuple[InternalErrorRecord, ...]:
        """Return the latest errors of the engine and of user code other than tasks, oldest first.

        A run they concern is parked or refused; what was due is tried again.  All are logged to `holdwater.runner`.
        """
        return self._engine.driver.error_log.latest

    # -- lifetime

    def shutdown(self) -> None:
        """Let running tasks end (`shutdown_timeout_seconds`), leave the rest to the next runner.  Idempotent."""
        self._finalizer.detach()
        self._engine.close(self._config.shutdown_timeout_seconds)

    def __enter__(self) -> DefaultRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> DefaultRunner:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        # in a thread: the caller's event loop, which a running task may need for its end, goes on meanwhile
        await asyncio.shield(asyncio.to_thread(self.shutdown))

    def __repr__(self) -> str:
        name = f", runner_name={self._config.runner_name!r}" if self._config.runner_name else ""
        return f"DefaultRunner({self._engine.store.url!r}{name}{'' if self._finalizer.alive else ', shut down'})"


def _parse_aware(instant: datetime) -> Micros:
    """Microseconds since the epoch.  Raises ConfigError for a datetime without a zone."""
    if not isinstance(instant, datetime) or instant.tzinfo is None:
        raise ConfigError(
            f"since must be a datetime with a time zone, it is {instant!r}", hint="datetime.now(UTC) - ..."
        )
    return from_datetime(instant)
