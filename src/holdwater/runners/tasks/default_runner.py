"""DefaultRunner: register workflows, run them, look at them."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType

from holdwater.engine import Engine
from holdwater.errors import ConfigError, DatabaseURLError
from holdwater.events.processors import EventProcessor, check_processors
from holdwater.model import validation
from holdwater.model.provenance import Provenance
from holdwater.model.registry import Registry
from holdwater.model.registry import registry as known
from holdwater.model.time import add_seconds
from holdwater.operations.databases import Database
from holdwater.operations.pruning import prune_runs
from holdwater.operations.starting import check_batch
from holdwater.runners.tasks.components import ComponentInfo, inspect_components
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.health import RunnerHealth, check_health
from holdwater.runners.tasks.package_loading import (
    closed_on_error,
    open_packages,
    packages_of,
    start_packages,
    with_packages,
)
from holdwater.runners.tasks.results import PipelineResult
from holdwater.runners.tasks.run_access import EngineRuns
from holdwater.runners.tasks.run_methods import RunMethods
from holdwater.runners.tasks.schedule_methods import ScheduleMethods
from holdwater.runners.tasks.workflow_handle import ContextInput, WorkflowHandle
from holdwater.runners.workflow_names import WorkflowRef, resolve_workflow_name
from holdwater.runtime.executors.base import DEFAULT_EXECUTOR, ExecutorMetrics
from holdwater.runtime.internal_errors import InternalErrorRecord


class DefaultRunner(RunMethods, ScheduleMethods):
    """Executes registered workflows durably on one database.

    May be shared by threads.  A context manager; shut down by itself when it is collected and at interpreter exit.
    Runs that a crash has interrupted go on by themselves as soon as their workflow is registered here.
    After a fork it belongs to the parent: the child gets RunnerClosed and makes its own.

    `registry`: workflows and triggers it knows; by default all that modules of this process have defined.
    With `registry_storage_path` it executes packages, too; those that are there can be started when it is made.
    `event_processors`: hear of every run it executes: progress bars, run logs, OpenTelemetry spans, and your own.
    A function starts when they have heard that it does; what they raise is in `internal_errors()`.

    Raises DatabaseURLError (a ValueError) for a URL that cannot be used, StoreUnavailable for a database that cannot,
    ExecutorNotFound (a ValueError) for a routing to an executor that is not there, ConfigError for options that
    contradict each other, OSError for a folder of packages that cannot be written.
    """

    def __init__(
        self,
        database_url: str,
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        event_processors: Sequence[EventProcessor] = (),
        registry: Registry = known,
    ) -> None:
        self._config = DefaultRunnerConfig() if config is None else config.copy()
        if not isinstance(database_url, str):
            raise DatabaseURLError(f"a database URL is a string, not {database_url!r}")
        self.database_url = database_url
        self._packages = open_packages(self._config)
        with closed_on_error(self._packages):
            self._engine = Engine(
                database_url,
                with_packages(self._config.driver_config(), self._packages),
                run_timeout_seconds=self._config.workflow_timeout_seconds,
                poll_seconds=self._config.scheduler_poll_interval_ms / 1000,
                options=self._config.store_options(schema),
                registry=registry,
                to_result=PipelineResult,
                event_processors=check_processors(event_processors),
            )
        engine = self._engine
        self._runs = EngineRuns(engine)
        self._database = Database.of(engine)
        self._schedule_config = self._config.schedule_config()
        self._lost_after_us = self._config.cron_lost_threshold_minutes * 60_000_000
        drain_seconds = self._config.shutdown_timeout_seconds
        # Closes the engine when the runner is collected; holds the engine, never the runner.
        self._finalizer = weakref.finalize(self, self._engine.close, drain_seconds, wait=False)
        self._finalizer.atexit = False  # at exit the engine is waited for
        if self._packages is not None:
            start_packages(self._packages, engine, self._config)

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
        return WorkflowHandle.of(self, self._runs, started)

    def submit_many(
        self,
        workflow: WorkflowRef,
        contexts: Iterable[ContextInput],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[WorkflowHandle]:
        """Start a run for each of these contexts, 10,000 at most, with one transaction per 500; all are on disk then.

        All contexts are checked before the first run is written.  If the database fails in the middle, the runs written
        until then stay; with `idempotency_keys`, one for each, the same call again starts the others only.
        Raises InvalidArgument for too many contexts or another number of keys, and the errors of `submit`.
        """
        given, keys = check_batch(contexts, idempotency_keys)
        name = resolve_workflow_name(workflow, self._engine.registry)
        provenance = Provenance.of_caller(labels=labels)
        started = self._engine.batches.submit(name, given, idempotency_keys=keys, provenance=provenance)
        return [WorkflowHandle.of(self, self._runs, one) for one in started]

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

    # -- pruning

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

    def health(self) -> RunnerHealth:
        """Look whether the runner is alive and ready for work, for a health check; takes a second at most."""
        return check_health(self._engine)

    def components(self) -> tuple[ComponentInfo, ...]:
        """Look at the components of this runner: which class each is, whether it is at work, and why."""
        return inspect_components(self._engine, self, packages_of(self._config, self._packages))

    def announce(self, timeout: float = 10.0) -> list[str]:
        """Announce this runner and its workflows in the catalog of the database now, not only after a second.

        Returns the names of the workflows it executes.  Raises StoreUnavailable if it cannot be done in time,
        RunnerClosed.
        """
        return self._engine.driver.announce(timeout)

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
