"""Schedules and triggers, wherever they are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack

from holdwater.model.time import from_datetime, wall_now
from holdwater.operations.fires import PICKUP_SECONDS, ManualFire
from holdwater.operations.schedule_forecast import CronForecast, forecast_schedule
from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.operations.schedules import CronChanges


class Schedules(ABC):
    """Schedules and triggers.  `reference`: a name, or the beginning of an id.

    The methods raise ScheduleNotFound, ScheduleError.
    """

    @abstractmethod
    def list_schedules(self, *, enabled_only: bool = False) -> Sequence[ScheduleInfo]:
        """List schedules and triggers, the oldest first."""

    @abstractmethod
    def find_schedule(self, reference: str) -> ScheduleInfo:
        """Find a schedule or trigger."""

    @abstractmethod
    def list_fires(self, schedule: ScheduleInfo, *, limit: int = 100) -> Sequence[FireInfo]:
        """List the fires of a schedule, newest first."""

    @abstractmethod
    def register_cron(
        self,
        workflow: str,
        expression: str,
        timezone: str = "UTC",
        *,
        name: str | None = None,
        context: Mapping[str, Any] | None = None,
        catchup_policy: str | None = None,
        misfire_grace_seconds: float = 3600.0,
        overlap: str = "allow",
        jitter_seconds: float = 0.0,
        start: datetime | None = None,
        end: datetime | None = None,
        is_known: bool = False,
    ) -> ScheduleInfo:
        """Add a cron schedule, or change the one of this name.

        `is_known`: no runner need have announced the workflow.  Raises WorkflowNotFound, too.
        """

    @abstractmethod
    def change_cron(self, schedule: ScheduleInfo, **changes: Unpack[CronChanges]) -> ScheduleInfo:
        """Change what is given of a cron schedule; the rest stays.

        Other fire times are in force from now on; missed ones are not made up for.
        """

    def pause(self, schedule: ScheduleInfo) -> ScheduleInfo:
        """Fire a schedule, or ask a trigger, no more until it is resumed; runs that were started go on."""
        return self.set_enabled(schedule, False)

    def resume(self, schedule: ScheduleInfo) -> ScheduleInfo:
        """Let a paused schedule or trigger go on, from now on."""
        return self.set_enabled(schedule, True)

    def forecast(self, schedule: ScheduleInfo, *, after: datetime | None = None, count: int = 10) -> CronForecast:
        """Forecast the next fires of a cron schedule, as if it were enabled.

        `after`: without a zone: local time; None: from now on.
        """
        return forecast_schedule(schedule, wall_now() if after is None else from_datetime(after), count=count)

    @abstractmethod
    def set_enabled(self, schedule: ScheduleInfo, enabled: bool) -> ScheduleInfo:
        """Pause a schedule or a trigger, or let it go on."""

    @abstractmethod
    def delete_schedule(self, schedule: ScheduleInfo) -> None:
        """Delete a schedule with its history; its runs stay."""

    @abstractmethod
    def fire(
        self, schedule: ScheduleInfo, event: Mapping[str, Any] | None = None, *, pickup_seconds: float = PICKUP_SECONDS
    ) -> ManualFire:
        """Have a run started at once, whatever the fire times, overlap or state.

        A runner that has the workflow starts it.  This waits up to `pickup_seconds` for the id of the run (a server: up
        to 10 s), and up to a second if no living runner is known to have the workflow.

        `event`: values for the run, in place of those of the schedule that have the same names; such a run is no part
        of the history.
        """
