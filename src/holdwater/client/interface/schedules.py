"""Schedules and triggers, wherever they are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from holdwater.operations.schedule_views import FireInfo, ScheduleInfo


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
    def set_enabled(self, schedule: ScheduleInfo, enabled: bool) -> ScheduleInfo:
        """Pause a schedule or a trigger, or let it go on."""

    @abstractmethod
    def delete_schedule(self, schedule: ScheduleInfo) -> None:
        """Delete a schedule with its history; its runs stay."""

    @abstractmethod
    def request_run_now(self, schedule: ScheduleInfo) -> None:
        """Have a run started at once by a runner that has the workflow."""
