"""Options of a driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdwater.runtime.executors.base import ExecutorConfig
from holdwater.runtime.executors.budget import SlotShare
from holdwater.runtime.executors.routing import Router


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """Options of schedules and triggers.  Times in seconds.

    `catch_up_by_default`: schedules without an option of their own make up for all missed fire times, up to
    `max_catchup`; otherwise they skip them.  `poll_seconds`, `trigger_poll_seconds`: the intervals at which schedules
    and triggers are read where the store sends no notifications.
    """

    cron: bool = False
    triggers: bool = False
    poll_seconds: float = 30.0
    trigger_poll_seconds: float = 1.0
    max_catchup: int = 100
    catch_up_by_default: bool = False
    recover: bool = True
    recovery_interval_seconds: float = 300.0
    recovery_age_seconds: float = 86_400.0
    recovery_attempts: int = 3
    poll_timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """Options of a driver and its executors.  Times in seconds.

    `name`: of the runner, for its logs; `runner_id`: a part of its name in leases.
    `heartbeat_seconds`: the pause between renewals of its leases; None: a third of a lease.
    `own_runs_only`: of the work that other runners left, only that of `Driver.include_run` and its children is claimed.
    `max_concurrent_async_tasks`: `async def` task functions on the default executor; None: they count like all others.
    `listed`: itself and its workflows are in the catalog of the database.
    `retention_seconds`: age at which ended runs are deleted; None: never.
    `capture_logs`, `capture_output`: log records, and what is printed, by task functions in this process are kept in
    the database; of those in worker processes it always is.
    `slot_share`: of a budget that the runners of a process have together: task functions wait for their turn in it.
    """

    max_concurrent_tasks: int = 4
    max_concurrent_async_tasks: int | None = 1000
    task_timeout_seconds: float = 300.0
    lease_seconds: float = 30.0
    heartbeat_seconds: float | None = None
    scan_interval_seconds: float = 30.0
    prefetch_tasks: int = 256
    max_crashes_per_task: int = 10
    cancel_grace_seconds: float = 5.0
    recover: bool = True
    name: str = ""
    runner_id: str = ""
    own_runs_only: bool = False
    listed: bool = False
    retention_seconds: float | None = None
    capture_logs: bool = False
    capture_output: bool = False
    executors: Mapping[str, ExecutorConfig] = field(default_factory=dict)
    router: Router | None = None
    slot_share: SlotShare | None = None
    scheduling: ScheduleConfig = field(default_factory=ScheduleConfig)

    @property
    def lease_us(self) -> int:
        """The length of a lease, in microseconds."""
        return int(self.lease_seconds * 1e6)

    @property
    def heartbeat_us(self) -> int:
        """The pause between renewals of leases, in microseconds."""
        return self.lease_us // 3 if self.heartbeat_seconds is None else int(self.heartbeat_seconds * 1e6)
