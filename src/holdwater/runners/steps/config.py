"""Options of WorkflowRunner."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from holdwater.errors import ConfigError
from holdwater.model import validation
from holdwater.model.policies import RetryPolicy
from holdwater.runtime.config import DriverConfig

CheckpointStorage = Literal["database", "file", "redis"]

DEFAULT_CHECKPOINT_PATH: Final = os.path.join(".holdwater", "checkpoints")
NO_LIMIT_SECONDS: Final = validation.MAX_SECONDS


@dataclass(frozen=True, kw_only=True)
class WorkflowRunnerConfig:
    """Options of a WorkflowRunner; times in seconds.  Raises ConfigError (a ValueError).

    `checkpoint_enabled`: False keeps no checkpoints of a run, and it cannot be resumed.  `checkpoint_every_step`: False
    keeps those of steps that ask for one (`checkpoint=True`), and that of the end.  `checkpoint_storage`: "database"
    is the runner's `db_engine`, or without one the memory of this process; "file" a directory, `checkpoint_path`, with
    one file per run; "redis" the server at `redis_url`.  `checkpoint_retention_days`: file and Redis storage forget a
    run so long after its last record.

    `default_step_timeout`: for each attempt of a step that has no time-out of its own.  `workflow_timeout`: for a run,
    in which waits do not count.  None: no limit.  `default_retry_policy`: for steps with ErrorPolicy.RETRY and no
    policy of their own.  `max_inline_wait_seconds`: a longer wait is not waited for; `execute` returns "stopped", and
    `resume` goes on.

    `emit_events`: record what `get_events` and `core_workflow_events` show.  `trace_enabled`: make OpenTelemetry
    spans, where that is installed.  `max_concurrent_steps`: steps that run at once, in all runs of the runner.
    `dry_run`: run without side effects.  `capture_logs`: keep the log records of steps in the database, for
    `holdwater runs logs`.
    """

    checkpoint_enabled: bool = True
    checkpoint_every_step: bool = True
    checkpoint_storage: CheckpointStorage = "database"
    checkpoint_path: str | os.PathLike[str] = DEFAULT_CHECKPOINT_PATH
    redis_url: str = "redis://localhost:6379/0"
    checkpoint_retention_days: int | None = None
    default_step_timeout: float | None = None
    workflow_timeout: float | None = None
    default_retry_policy: RetryPolicy | None = None
    max_inline_wait_seconds: float | None = None
    emit_events: bool = True
    trace_enabled: bool = True
    max_concurrent_steps: int = 10
    dry_run: bool = False
    capture_logs: bool = False

    def __post_init__(self) -> None:
        for name in (
            "checkpoint_enabled",
            "checkpoint_every_step",
            "emit_events",
            "trace_enabled",
            "dry_run",
            "capture_logs",
        ):
            if not isinstance(getattr(self, name), bool):
                raise _invalid_option_error(name, "True or False", getattr(self, name))
        if self.checkpoint_storage not in get_args(CheckpointStorage):
            known = ", ".join(map(repr, get_args(CheckpointStorage)))
            raise _invalid_option_error("checkpoint_storage", f"one of {known}", self.checkpoint_storage)
        if not isinstance(self.checkpoint_path, (str, os.PathLike)) or not os.fspath(self.checkpoint_path):
            raise _invalid_option_error("checkpoint_path", "a path", self.checkpoint_path)
        if not isinstance(self.redis_url, str) or not self.redis_url:
            raise _invalid_option_error("redis_url", "a URL like redis://localhost:6379/0", self.redis_url)
        for name in ("default_step_timeout", "workflow_timeout"):
            value = getattr(self, name)
            if value is not None:
                validation.check_seconds(name, value)
        wait = self.max_inline_wait_seconds
        if wait is not None:
            validation.check_seconds("max_inline_wait_seconds", wait, positive=False)
        if self.default_retry_policy is not None and not isinstance(self.default_retry_policy, RetryPolicy):
            raise _invalid_option_error("default_retry_policy", "a RetryPolicy or None", self.default_retry_policy)
        if not _is_integer(self.max_concurrent_steps) or not 1 <= self.max_concurrent_steps <= 100_000:
            raise _invalid_option_error("max_concurrent_steps", "an integer, 1 to 100000", self.max_concurrent_steps)
        days = self.checkpoint_retention_days
        if days is not None and (not _is_integer(days) or not 1 <= days <= 36_500):
            raise _invalid_option_error("checkpoint_retention_days", "an integer, 1 to 36500, or None", days)
        if days is not None and self.checkpoint_storage == "database":
            raise ConfigError(
                "checkpoint_retention_days is for file and redis storage; a database keeps its runs",
                hint='set checkpoint_storage="file" or "redis", or leave it out',
            )

    def with_overrides(self, **overrides: Any) -> WorkflowRunnerConfig:
        """Return a copy with the overrides that are not None."""
        return replace(self, **{name: value for name, value in overrides.items() if value is not None})

    def driver_config(self) -> DriverConfig:
        """Return the options of the driver, which executes only runs it started or resumed."""
        return DriverConfig(
            max_concurrent_tasks=self.max_concurrent_steps,
            max_concurrent_async_tasks=None,
            task_timeout_seconds=self.default_step_timeout or NO_LIMIT_SECONDS,
            prefetch_tasks=max(256, 2 * self.max_concurrent_steps),
            recover=False,
            capture_logs=self.capture_logs,
        )


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid_option_error(name: str, expected: str, value: object) -> ConfigError:
    return ConfigError(f"{name} must be {expected}, not {value!r}")
