"""Queries about schedules and their fires, common to all SQL databases."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from holdwater.model.schedules import FireCounts, FireRow, FireWithRun, ScheduleRow
from holdwater.model.time import Micros
from holdwater.storage.sql import queries
from holdwater.storage.sql import schedule_rows as rows


class ScheduleQueryStatements(queries.RunQueryStatements, Protocol):
    """The queries in a dialect's module of statements, those about schedules included."""

    COUNT_FIRES: str
    FIND_SCHEDULE_BY_NAME: str
    GET_NEXT_DUE: str
    GET_SCHEDULE: str
    HAS_WAITING_FIRES: str
    LIST_DUE_SCHEDULES: str
    LIST_FIRES: str
    LIST_QUEUED_FIRES: str
    LIST_SCHEDULES: str
    LIST_UNFINISHED_FIRES: str
    LIST_WAITING_FIRES: str


class ScheduleQueries(queries.RunQueries):
    """The part of a store that only reads, schedules and their fires included."""

    _sql: ScheduleQueryStatements

    def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        for row in self._select(self._sql.GET_SCHEDULE, (schedule_id,)):
            return rows.parse_schedule_row(row)
        return None

    def schedule_by_name(self, kind: str, name: str) -> ScheduleRow | None:
        for row in self._select(self._sql.FIND_SCHEDULE_BY_NAME, (kind, name)):
            return rows.parse_schedule_row(row)
        return None

    def list_schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        """List schedules, oldest first."""
        given = (kind, int(enabled_only), limit, offset)
        return [rows.parse_schedule_row(row) for row in self._select(self._sql.LIST_SCHEDULES, given)]

    def due_schedules(self, kind: str, before: Micros, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        """List enabled schedules whose next instant is at or before `before` (µs), the earliest first."""
        given = (kind, before, self._array_parameter(names), limit)
        return [rows.parse_schedule_row(row) for row in self._select(self._sql.LIST_DUE_SCHEDULES, given)]

    def next_due_at(self, kind: str, names: Collection[str]) -> Micros | None:
        for (instant,) in self._select(self._sql.GET_NEXT_DUE, (kind, self._array_parameter(names))):
            return instant  # type: ignore[no-any-return]
        return None

    def list_fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[FireWithRun]:
        """List the fires of a schedule with the status of their runs, newest first."""
        return [rows.parse_fired_row(row) for row in self._select(self._sql.LIST_FIRES, (schedule_id, limit, offset))]

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        """List (schedule, context hash) of fires whose runs are unfinished or queued."""
        return self._select(self._sql.LIST_UNFINISHED_FIRES, (self._array_parameter(schedule_ids),))

    def startable_fires(
        self, names: Collection[str], limit: int, *, max_attempts: int, tried_before: Micros, not_before: Micros
    ) -> list[FireRow]:
        """List the fires without a run whose run may be created now (see `Schedules.waiting_fires`)."""
        given = (self._array_parameter(names), max_attempts, tried_before, not_before, limit)
        return [FireRow(*row) for row in self._select(self._sql.LIST_WAITING_FIRES, given)]

    def queued_fires(self, schedule_id: str) -> list[FireRow]:
        """List the fires of a schedule that wait for an earlier run of it, oldest first."""
        return [FireRow(*row) for row in self._select(self._sql.LIST_QUEUED_FIRES, (schedule_id,))]

    def has_waiting_fires(self) -> bool:
        return bool(self._select(self._sql.HAS_WAITING_FIRES))

    def count_fires(self, since: Micros, lost_before: Micros) -> FireCounts:
        return FireCounts(*self._select(self._sql.COUNT_FIRES, (lost_before, since))[0])
