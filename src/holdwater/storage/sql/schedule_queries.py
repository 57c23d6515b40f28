"""What every SQL database is asked about schedules in the same words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from holdwater.model.schedules import FireCounts, Fired, FireRow, ScheduleRow
from holdwater.storage.sql import queries
from holdwater.storage.sql import schedule_rows as rows


class Statements(queries.Statements, Protocol):
    """A dialect's module of statements, as far as reading goes, schedules included."""

    COUNT_FIRES: str
    FIND_SCHEDULE_BY_NAME: str
    GET_NEXT_DUE: str
    GET_SCHEDULE: str
    HAS_WAITING_FIRES: str
    HAS_WORKFLOW: str
    LIST_DUE_SCHEDULES: str
    LIST_FIRES: str
    LIST_QUEUED_FIRES: str
    LIST_SCHEDULES: str
    LIST_UNFINISHED_FIRES: str
    LIST_WAITING_FIRES: str


class ScheduleReading(queries.Reading):
    """The part of a store that only looks, schedules and their fires included."""

    _sql: Statements

    def schedule(self, schedule_id: str) -> ScheduleRow | None:
        for row in self._select(self._sql.GET_SCHEDULE, (schedule_id,)):
            return rows.read(row)
        return None

    def named_schedule(self, kind: str, name: str) -> ScheduleRow | None:
        for row in self._select(self._sql.FIND_SCHEDULE_BY_NAME, (kind, name)):
            return rows.read(row)
        return None

    def schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        """The oldest first."""
        given = (kind, int(enabled_only), limit, offset)
        return [rows.read(row) for row in self._select(self._sql.LIST_SCHEDULES, given)]

    def due_schedules(self, kind: str, before: int, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        """Enabled ones to look at by then, the most urgent first."""
        given = (kind, before, self._several(names), limit)
        return [rows.read(row) for row in self._select(self._sql.LIST_DUE_SCHEDULES, given)]

    def next_due(self, kind: str, names: Collection[str]) -> int | None:
        for (instant,) in self._select(self._sql.GET_NEXT_DUE, (kind, self._several(names))):
            return instant  # type: ignore[no-any-return]
        return None

    def fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[Fired]:
        """What became of its instants, newest first."""
        return [rows.read_fired(row) for row in self._select(self._sql.LIST_FIRES, (schedule_id, limit, offset))]

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        """(schedule, context hash) of fires whose runs are unfinished, or wait in a queue."""
        return self._select(self._sql.LIST_UNFINISHED_FIRES, (self._several(schedule_ids),))

    def waiting_fires(
        self, names: Collection[str], limit: int, *, attempts: int, tried_before: int, oldest: int
    ) -> list[FireRow]:
        """Fires without a run that may have one now."""
        given = (self._several(names), attempts, tried_before, oldest, limit)
        return [FireRow(*row) for row in self._select(self._sql.LIST_WAITING_FIRES, given)]

    def queued_fires(self, schedule_id: str) -> list[FireRow]:
        """Fires of a schedule that wait for an earlier run of it, the oldest first."""
        return [FireRow(*row) for row in self._select(self._sql.LIST_QUEUED_FIRES, (schedule_id,))]

    def has_waiting_fires(self) -> bool:
        return bool(self._select(self._sql.HAS_WAITING_FIRES))

    def count_fires(self, since: int, lost_before: int) -> FireCounts:
        return FireCounts(*self._select(self._sql.COUNT_FIRES, (lost_before, since))[0])

    def is_announced(self, workflow: str) -> bool:
        return bool(self._select(self._sql.HAS_WORKFLOW, (workflow,)))
