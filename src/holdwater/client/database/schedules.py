"""Schedules and triggers of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Unpack

from holdwater import operations
from holdwater.client.interface.schedules import Schedules
from holdwater.engine import Engine
from holdwater.operations import Database, FireInfo, ScheduleInfo
from holdwater.operations.edited_values import values_from_json
from holdwater.operations.fires import PICKUP_SECONDS, ManualFire, event_trees, fire_schedule, fire_with_event
from holdwater.operations.schedules import CronChanges, change_options
from holdwater.tasks import Context

NO_LIMIT: Final = 1 << 31


class DatabaseSchedules(Schedules):
    """Schedules and triggers of a database.  Without an engine none is fired with an event."""

    def __init__(self, database: Database, engine: Engine | None = None) -> None:
        self._database, self._engine = database, engine

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

    def change_cron(self, schedule: ScheduleInfo, **changes: Unpack[CronChanges]) -> ScheduleInfo:
        change_options(self._database, schedule, **changes)
        return operations.get_schedule(self._database, schedule.id)

    def fire(
        self, schedule: ScheduleInfo, event: Mapping[str, Any] | None = None, *, pickup_seconds: float = PICKUP_SECONDS
    ) -> ManualFire:
        if not event:
            return fire_schedule(self._database, schedule.id, pickup_seconds=pickup_seconds)
        assert self._engine is not None, "it takes an engine to start runs"
        trees = {name: value.tree for name, value in Context(event).stored_values().items()}
        return fire_with_event(self._engine, schedule, values_from_json(event_trees(schedule, trees)))
