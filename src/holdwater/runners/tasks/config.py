"""Options of DefaultRunner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, Self, TypeVar, overload

from holdwater.errors import ConfigError
from holdwater.model import validation
from holdwater.model.suggestions import did_you_mean
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from holdwater.runtime.executors.base import DEFAULT_EXECUTOR, ExecutorConfig
from holdwater.runtime.executors.routing import Router
from holdwater.storage import StoreOptions
from holdwater.storage.urls import mask_password

T = TypeVar("T")


class _ConfigOption(Generic[T]):
    """One option, checked whenever it is set.  `minimum` and `maximum` are inclusive."""

    def __init__(
        self, default: T, *, minimum: float | None = None, exclusive_minimum: float | None = None,
        maximum: float | None = None,
        optional: bool = False, alias_of: str = "", value_type: type[Any] | None = None,
    ) -> None:  # fmt: skip
        self.default, self.minimum, self.exclusive_minimum = default, minimum, exclusive_minimum
        self.maximum = validation.MAX_SECONDS if maximum is None else maximum  # no count needs to be larger
        self.optional, self.alias_of = optional, alias_of
        self.value_type: type[Any] = type(default) if value_type is None else value_type

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.canonical_name = self.alias_of or name

    @overload
    def __get__(self, config: None, owner: type) -> _ConfigOption[T]: ...
    @overload
    def __get__(self, config: DefaultRunnerConfig, owner: type) -> T: ...
    def __get__(self, config: DefaultRunnerConfig | None, owner: type) -> T | _ConfigOption[T]:
        if config is None:
            return self
        value: T = config._values[self.canonical_name]
        return value

    def __set__(self, config: DefaultRunnerConfig, value: T) -> None:
        config._values[self.canonical_name] = self._validate(value)
        config._explicitly_set.add(self.canonical_name)

    def _validate(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        number = self.value_type in (int, float)
        allowed: tuple[type, ...] = (int, float) if self.value_type is float else (self.value_type,)
        if not isinstance(value, allowed) or (number and isinstance(value, bool)):
            raise ConfigError(f"{self.name} must be {self._describe_expected()}, not {validation.shorten_repr(value)}")
        if isinstance(value, str):
            return validation.check_text(
                self.name, value, max_bytes=validation.MAX_REASON_BYTES, allow_empty=True, error_class=ConfigError
            )
        if isinstance(value, (int, float)) and (
            (self.minimum is not None and value < self.minimum)
            or (self.exclusive_minimum is not None and value <= self.exclusive_minimum)
            or value > self.maximum
            or value != value
        ):
            raise ConfigError(
                f"{self.name} must be {self._describe_expected()}, it is {validation.shorten_repr(value)}"
            )
        return value

    def _describe_expected(self) -> str:
        kind = {int: "an integer", float: "a number", bool: "True or False", str: "a string"}[self.value_type]
        bounds = [
            f"above {self.exclusive_minimum:g}" if self.exclusive_minimum is not None else "",
            f"{self.minimum:g} or more" if self.minimum is not None else "",
            f"at most {self.maximum:,.10g}" if self.value_type in (int, float) else "",
        ]
        text = " and ".join(b for b in bounds if b)
        return f"{kind}{' ' + text if text else ''}{' or None' if self.optional else ''}"


class _ExecutorsOption(_ConfigOption[dict[str, ExecutorConfig]]):
    """Executors by name; every read returns a copy of the dictionary."""

    def __get__(self, config: Any, owner: type) -> Any:
        found = super().__get__(config, owner)
        return found if config is None else dict(found)

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ConfigError(f"executors is a mapping of names to executors, not {value!r}")
        for name, kind in value.items():
            validation.check_text(
                "executors: a name", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError
            )
            if isinstance(kind, type) or not hasattr(kind, "open") or not hasattr(kind, "max_concurrent"):
                raise ConfigError(
                    f"executors[{name!r}] must be a ProcessExecutor or another kind of executor, not {kind!r}",
                    hint="see docs/guides/custom-executors.md for what it takes",
                )
        return dict(value)


class _RoutingOption(_ConfigOption[Router | None]):
    """A Router or None."""

    def _validate(self, value: Any) -> Any:
        if value is not None and not isinstance(value, Router):
            raise ConfigError(f"routing must be a Router or None, not {value!r}")
        return value


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
    - Recovery.  `lease_seconds`: time without a heartbeat after which work is taken over; heartbeats are sent every
      third of it.  `max_crashes_per_task`: a task whose process died so often while it ran fails; its last three
      attempts, and at least one, run alone.  `shutdown_timeout_seconds`: longest wait of a shutdown for running
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
    - Logs of runs.  `capture_logs`: keep the log records that task functions make in threads of this process;
      `capture_output`: what they print, too.  Of worker processes both are kept, unless their executor says otherwise.
    - `runner_name`: name of the runner in its logs and repr.
    """

    max_concurrent_tasks = _ConfigOption(4, minimum=1, maximum=100_000)
    max_concurrent_async_tasks = _ConfigOption(1000, minimum=1, maximum=100_000)
    scheduler_poll_interval_ms = _ConfigOption(100, minimum=10)
    task_timeout_seconds = _ConfigOption(300.0, exclusive_minimum=0)
    workflow_timeout_seconds = _ConfigOption(3600.0, exclusive_minimum=0, optional=True)
    pipeline_timeout_seconds = _ConfigOption(
        3600.0, exclusive_minimum=0, optional=True, alias_of="workflow_timeout_seconds"
    )
    db_pool_size = _ConfigOption(10, minimum=1, maximum=1000)
    prepare_statements = _ConfigOption(True)
    listen_url = _ConfigOption("")
    enable_recovery = _ConfigOption(True)
    own_runs_only = _ConfigOption(False)
    runner_name = _ConfigOption("")
    capture_logs = _ConfigOption(False)
    capture_output = _ConfigOption(False)
    lease_seconds = _ConfigOption(30.0, minimum=1)
    recovery_interval_seconds = _ConfigOption(30.0, minimum=1)
    prefetch_tasks = _ConfigOption(256, minimum=1)
    max_crashes_per_task = _ConfigOption(10, minimum=1)
    cancel_grace_seconds = _ConfigOption(5.0, minimum=0)
    shutdown_timeout_seconds = _ConfigOption(5.0, minimum=0)
    run_retention_days = _ConfigOption[float | None](
        None, value_type=float, exclusive_minimum=0, maximum=36_500, optional=True
    )
    executors = _ExecutorsOption({})
    routing = _RoutingOption(None)
    enable_cron_scheduling = _ConfigOption(True)
    cron_poll_interval_seconds = _ConfigOption(30, minimum=1)
    cron_max_catchup_executions = _ConfigOption(100, minimum=1, maximum=100_000)
    cron_enable_recovery = _ConfigOption(True)
    cron_recovery_interval_seconds = _ConfigOption(300, minimum=1)
    cron_lost_threshold_minutes = _ConfigOption(10, minimum=1)
    cron_max_recovery_age_seconds = _ConfigOption(86_400, minimum=1)
    cron_max_recovery_attempts = _ConfigOption(3, minimum=1)
    enable_trigger_scheduling = _ConfigOption(True)
    trigger_base_poll_interval = _ConfigOption(1.0, exclusive_minimum=0)
    trigger_poll_timeout = _ConfigOption(30.0, exclusive_minimum=0)

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
        """Return the options of the driver.  Raises ExecutorNotFound for a routing to an unknown executor."""
        executors = self.executors
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
            scan_interval_seconds=self.recovery_interval_seconds,
            prefetch_tasks=max(self.prefetch_tasks, 2 * slots),
            max_crashes_per_task=self.max_crashes_per_task,
            cancel_grace_seconds=self.cancel_grace_seconds,
            recover=self.enable_recovery,
            name=self.runner_name,
            own_runs_only=self.own_runs_only,
            listed=True,
            capture_logs=self.capture_logs,
            capture_output=self.capture_output,
            retention_seconds=None if self.run_retention_days is None else self.run_retention_days * 86_400,
            executors=executors,
            router=self.routing,
            scheduling=self.schedule_config(),
        )

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


OPTIONS: Final[dict[str, _ConfigOption[Any]]] = {
    name: option for name, option in vars(DefaultRunnerConfig).items() if isinstance(option, _ConfigOption)
}
