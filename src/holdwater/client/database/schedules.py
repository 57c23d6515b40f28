"""Schedules and triggers of a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from holdwater import operations
from holdwater.client.interface.schedules import Schedules
from holdwater.operations import Database, FireInfo, ScheduleInfo

NO_LIMIT: Final = 1 << 31


class DatabaseSchedules(Schedules):
    """Schedules and triggers of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_schedules(self, *, enabled_only: bool = False) -> Sequence[ScheduleInfo]:
        return operations.list_schedules(self._database, enabled_only=enabled_only, limit=NO_LIMIT)

    def find_schedule(self, reference: str) -> ScheduleInfo:
        return operations.find_schedule(self._database, reference)

    def list_fires(self, schedule: ScheduleInfo, *, limit: int = 100) -> Sequence[FireInfo]:
        return operations.list_fires(self._database, schedule.id, limit=limit)

    def register_cron(self, workflow: str, expression: str, timezone: str = "UTC", **options: Any) -> ScheduleInfo:
        schedule_id = operations.register_cron(self._database, workflow, expression, timezone, **options)
        return operations.get_schedule(self._database, schedule_id)

    def set_enabled(self, schedule: ScheduleInfo, enabled: bool) -> ScheduleInfo:
        if schedule.kind == "cron":
            operations.set_schedule_enabled(self._database, schedule.id, enabled)
        else:
            operations.set_trigger_enabled(self._database, schedule.name or "", enabled)
        return operations.get_schedule(self._database, schedule.id)

    def delete_schedule(self, schedule: ScheduleInfo) -> None:
        operations.delete_schedule(self._database, schedule.id)

    def request_run_now(self, schedule: ScheduleInfo) -> None:
        operations.request_run_now(self._database, schedule.id)
