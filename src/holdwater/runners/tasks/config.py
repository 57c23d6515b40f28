"""Options of DefaultRunner."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Self

from holdwater.errors import ConfigError
from holdwater.model.suggestions import did_you_mean
from holdwater.runners.tasks.config_options import (
    ChoiceOption,
    ExecutorsOption,
    PathOption,
    RoutingOption,
    RunnerIdOption,
    RunnerOption,
)
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from holdwater.runtime.executors.base import DEFAULT_EXECUTOR
from holdwater.storage import StoreOptions
from holdwater.storage.urls import mask_password

HEARTBEATS_PER_LEASE: Final = 3
"""so many heartbeats fit into a lease, so that one that is late takes no work away"""
_BACKENDS: Final = {
    "filesystem": "filesystem", "database": "database", "sqlite": "database", "postgres": "database",
    "postgresql": "database",
}  # fmt: skip


class DefaultRunnerConfig:
    """Options of a DefaultRunner: keyword arguments and attributes, checked when they are set.

    Times carry their unit in the name.

    - Execution.  `executors`: executors by name; "default" has `max_concurrent_tasks` threads unless it is given.
      `routing`: a Router that assigns tasks to executors; None: "default", unless the task names another one.
      `max_concurrent_async_tasks`: maximum of concurrent `async def` functions on the default executor, which need no
      thread.  `prefetch_tasks`: maximum of work leased ahead of a free slot; less if tasks take longer than some
      milliseconds.  `workflow_timeout_seconds`, or `pipeline_timeout_seconds`: time limit of a run; None: no limit.
      `own_runs_only`: execute only runs that are submitted here or have a handle here, with their children, and fire
      no schedules; for a process that lives as long as its runs.
    - Recovery.  `enable_recovery`, or `enable_claiming`: claim work that other runners queued or left, and sweep the
      stale claims of dead ones every `recovery_interval_seconds` (`stale_claim_sweep_interval`, seconds) or sooner.
      `lease_seconds`, or `stale_claim_threshold`: time without a heartbeat after which work is taken over.
      `heartbeat_interval` (seconds): the pause between the heartbeats of claims, which must fit three times into it;
      None: a third of it.  `max_crashes_per_task`: a task whose process died so often while it ran fails; its last
      three attempts, and at least one, run alone.  `shutdown_timeout_seconds`: longest wait of a shutdown for running
      functions.  `run_retention_days`: runs that ended longer ago are pruned, with their children; None: never.
    - Database.  `db_pool_size`: maximum of connections to PostgreSQL; one more listens.  `prepare_statements`: False
      keeps no state in a session, for proxies that pool transactions.  `listen_url`: the URL to LISTEN at, if not the
      database's.  `scheduler_poll_interval_ms`: used only where no notification channel works.
    - Schedules.  `enable_cron_scheduling`, `enable_trigger_scheduling`: fire schedules, poll triggers.
      `cron_max_catchup_executions`: maximum of missed instants that are caught up, and of queued ones; if it is set,
      schedules without a policy catch up.  `cron_poll_interval_seconds`, `trigger_base_poll_interval` (seconds):
      intervals of reading schedules and triggers where no notification channel works.  `cron_enable_recovery`: retry
      fires without a run every `cron_recovery_interval_seconds`, up to `cron_max_recovery_attempts` attempts and an age
      of `cron_max_recovery_age_seconds`.  `cron_lost_threshold_minutes`: age at which statistics count them as lost.
      `trigger_poll_timeout`: time limit of a poll, seconds.
    - Packages.  `registry_storage_path`: a folder; the packages in it are executed, each release in processes of its
      own, and releases are unpacked below its `.holdwater`.  It is looked at every `registry_reconcile_interval`
      seconds.  `registry_storage_backend`: "filesystem", or "database" (also "sqlite", "postgres"): the packages are
      those in the database, and the folder is for unpacked ones alone.  `enable_registry_reconciler`: False: none.
    - Logs of runs.  `capture_logs`: keep the log records that task functions make in threads of this process;
      `capture_output`: what they print, too.  Of worker processes both are kept, unless their executor says otherwise.
    - `runner_name`: name of the runner in its logs, its repr and the list of runners.  `runner_id`: a part of what it
      is called in leases, 1 to 64 letters, digits, `_` and `-`, to find it again there; each start adds a part of its
      own, so that a runner never takes the claims of an earlier one for its own.
    """

    max_concurrent_tasks = RunnerOption(4, minimum=1, maximum=100_000)
    max_concurrent_async_tasks = RunnerOption(1000, minimum=1, maximum=100_000)
    scheduler_poll_interval_ms = RunnerOption(100, minimum=10)
    task_timeout_seconds = RunnerOption(300.0, exclusive_minimum=0)
    workflow_timeout_seconds = RunnerOption(3600.0, exclusive_minimum=0, optional=True)
    pipeline_timeout_seconds = RunnerOption(
        3600.0, exclusive_minimum=0, optional=True, alias_of="workflow_timeout_seconds"
    )
    db_pool_size = RunnerOption(10, minimum=1, maximum=1000)
    prepare_statements = RunnerOption(True)
    listen_url = RunnerOption("")
    enable_recovery = RunnerOption(True)
    enable_claiming = RunnerOption(True, alias_of="enable_recovery")
    own_runs_only = RunnerOption(False)
    runner_name = RunnerOption("")
    runner_id = RunnerIdOption(None, value_type=str, optional=True)
    capture_logs = RunnerOption(False)
    capture_output = RunnerOption(False)
    lease_seconds = RunnerOption(30.0, minimum=1)
    stale_claim_threshold = RunnerOption(30.0, minimum=1, alias_of="lease_seconds")
    heartbeat_interval = RunnerOption[float | None](None, value_type=float, exclusive_minimum=0, optional=True)
    recovery_interval_seconds = RunnerOption(30.0, minimum=1)
    stale_claim_sweep_interval = RunnerOption(30.0, minimum=1, alias_of="recovery_interval_seconds")
    prefetch_tasks = RunnerOption(256, minimum=1)
    max_crashes_per_task = RunnerOption(10, minimum=1)
    cancel_grace_seconds = RunnerOption(5.0, minimum=0)
    shutdown_timeout_seconds = RunnerOption(5.0, minimum=0)
    run_retention_days = RunnerOption[float | None](
        None, value_type=float, exclusive_minimum=0, maximum=36_500, optional=True
    )
    executors = ExecutorsOption({})
    routing = RoutingOption(None)
    enable_cron_scheduling = RunnerOption(True)
    cron_poll_interval_seconds = RunnerOption(30, minimum=1)
    cron_max_catchup_executions = RunnerOption(100, minimum=1, maximum=100_000)
    cron_enable_recovery = RunnerOption(True)
    cron_recovery_interval_seconds = RunnerOption(300, minimum=1)
    cron_lost_threshold_minutes = RunnerOption(10, minimum=1)
    cron_max_recovery_age_seconds = RunnerOption(86_400, minimum=1)
    cron_max_recovery_attempts = RunnerOption(3, minimum=1)
    enable_trigger_scheduling = RunnerOption(True)
    trigger_base_poll_interval = RunnerOption(1.0, exclusive_minimum=0)
    trigger_poll_timeout = RunnerOption(30.0, exclusive_minimum=0)
    enable_registry_reconciler = RunnerOption(True)
    registry_reconcile_interval = RunnerOption(60.0, minimum=0.1)
    registry_storage_path = PathOption(None, value_type=str, optional=True)
    registry_storage_backend = ChoiceOption("filesystem", _BACKENDS)

    def __init__(self, **options: Any) -> None:
        object.__setattr__(self, "_values", {o.canonical_name: o.default for o in OPTIONS.values()})
        object.__setattr__(self, "_explicitly_set", set())
        for name, value in options.items():
            setattr(self, name, value)

    _values: dict[str, Any]
    _explicitly_set: set[str]
    """options that were set, to whatever value"""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in OPTIONS:
            raise ConfigError(
                f"there is no option {name!r}",
                hint=did_you_mean(name, OPTIONS) or f"the options are {', '.join(sorted(OPTIONS))}",
            )
        super().__setattr__(name, value)

    @classmethod
    def default(cls) -> DefaultRunnerConfig:
        """All options at their default."""
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """Every option by name."""
        return {name: self._values[option.canonical_name] for name, option in OPTIONS.items()}

    def copy(self) -> Self:
        """Return an independent copy."""
        made = type(self)()
        made._values.update(self._values)
        made._explicitly_set.update(self._explicitly_set)
        return made

    def with_defaults(self, **options: Any) -> Self:
        """Return a copy with these values for options that were never set.  Raises ConfigError."""
        made = self.copy()
        for name, value in options.items():
            if name not in made._explicitly_set:
                setattr(made, name, value)
        return made

    def schedule_config(self) -> ScheduleConfig:
        """Return the options of schedules and triggers."""
        return ScheduleConfig(
            cron=self.enable_cron_scheduling and not self.own_runs_only,
            triggers=self.enable_trigger_scheduling and not self.own_runs_only,
            poll_seconds=self.cron_poll_interval_seconds,
            trigger_poll_seconds=self.trigger_base_poll_interval,
            max_catchup=self.cron_max_catchup_executions,
            catch_up_by_default="cron_max_catchup_executions" in self._explicitly_set,
            recover=self.cron_enable_recovery,
            recovery_interval_seconds=self.cron_recovery_interval_seconds,
            recovery_age_seconds=self.cron_max_recovery_age_seconds,
            recovery_attempts=self.cron_max_recovery_attempts,
            poll_timeout_seconds=self.trigger_poll_timeout,
        )

    def driver_config(self) -> DriverConfig:
        """Return the options of the driver.

        Raises ExecutorNotFound for a routing to an unknown executor, ConfigError for a lease below three heartbeats.
        """
        executors = self.executors
        self._check_heartbeat()
        if self.routing is not None:
            self.routing.check_executors({DEFAULT_EXECUTOR, *executors})
        default = (
            executors[DEFAULT_EXECUTOR].max_concurrent if DEFAULT_EXECUTOR in executors else self.max_concurrent_tasks
        )
        slots = default + sum([kind.max_concurrent for name, kind in executors.items() if name != DEFAULT_EXECUTOR])
        return DriverConfig(
            max_concurrent_tasks=self.max_concurrent_tasks,
            max_concurrent_async_tasks=self.max_concurrent_async_tasks,
            task_timeout_seconds=self.task_timeout_seconds,
            lease_seconds=self.lease_seconds,
            heartbeat_seconds=self.heartbeat_interval,
            scan_interval_seconds=self.recovery_interval_seconds,
            prefetch_tasks=max(self.prefetch_tasks, 2 * slots),
            max_crashes_per_task=self.max_crashes_per_task,
            cancel_grace_seconds=self.cancel_grace_seconds,
            recover=self.enable_recovery,
            name=self.runner_name,
            runner_id=self.runner_id or "",
            own_runs_only=self.own_runs_only,
            listed=True,
            capture_logs=self.capture_logs,
            capture_output=self.capture_output,
            retention_seconds=None if self.run_retention_days is None else self.run_retention_days * 86_400,
            executors=executors,
            router=self.routing,
            scheduling=self.schedule_config(),
        )

    def _check_heartbeat(self) -> None:
        """Raise ConfigError if a claim could go stale because one heartbeat or two are late."""
        pause = self.heartbeat_interval
        if pause is not None and self.lease_seconds < HEARTBEATS_PER_LEASE * pause:
            raise ConfigError(
                f"heartbeat_interval is {pause:g} s, and work is taken over after {self.lease_seconds:g} s "
                "(lease_seconds, stale_claim_threshold): that is less than three heartbeats",
                hint=f"heartbeat_interval={self.lease_seconds / HEARTBEATS_PER_LEASE:g} or less, or a lease of "
                f"{HEARTBEATS_PER_LEASE * pause:g} s or more",
            )

    def packages_folder(self) -> Path | None:
        """Return the folder of packages; None if none are loaded.  Raises ConfigError if only a part of it is set."""
        if not self.enable_registry_reconciler:
            return None
        asked = {"enable_registry_reconciler", "registry_reconcile_interval", "registry_storage_backend"}
        if self.registry_storage_path is None:
            if asked & self._explicitly_set:
                raise ConfigError(
                    "packages are to be loaded, and registry_storage_path is None",
                    hint="name the folder they are in, or are unpacked below",
                )
            return None
        return Path(self.registry_storage_path)

    def store_options(self, schema: str | None = None) -> StoreOptions:
        """Return the options of the store."""
        return StoreOptions(
            pool_size=self.db_pool_size,
            prepare_statements=self.prepare_statements,
            listen_url=self.listen_url or None,
            schema=schema,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultRunnerConfig) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        options = {**self.to_dict(), "listen_url": mask_password(self.listen_url)}
        set_ = [f"{k}={v!r}" for k, v in options.items() if v != OPTIONS[k].default or k == "max_concurrent_tasks"]
        return f"DefaultRunnerConfig({', '.join(set_)})"


OPTIONS: Final[dict[str, RunnerOption[Any]]] = {
    name: option for name, option in vars(DefaultRunnerConfig).items() if isinstance(option, RunnerOption)
}
