"""The SQLite store: schedules and their fires."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from penstock.model.records import News
from penstock.model.schedules import FireCounts, Fired, FireRow, Firing, ScheduleRow
from penstock.storage import schedule_rows as rows
from penstock.storage.changes import check
from penstock.storage.news import SCHEDULES, news_of_firings
from penstock.storage.sqlite import changes as batches
from penstock.storage.sqlite import statements as sql


class SQLiteSchedules:
    """A part of the store."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or change the row that has this id and version; False if somebody was first."""
        with self._transaction() as connection:
            if row.version:
                written = connection.execute(sql.UPDATE_SCHEDULE, rows.changed(row)).rowcount
            else:
                written = connection.execute(sql.INSERT_SCHEDULE, rows.new(row)).rowcount
        if written:
            self._say(SCHEDULES)
        return written > 0

    def schedule(self, schedule_id: str) -> ScheduleRow | None:
        for row in self._select(sql.GET_SCHEDULE, (schedule_id,)):
            return rows.read(row)
        return None

    def named_schedule(self, kind: str, name: str) -> ScheduleRow | None:
        for row in self._select(sql.FIND_SCHEDULE_BY_NAME, (kind, name)):
            return rows.read(row)
        return None

    def schedules(
        self, kind: str | None = None, *, enabled_only: bool = False, limit: int = 100, offset: int = 0
    ) -> list[ScheduleRow]:
        """The oldest first."""
        return [rows.read(row) for row in self._select(sql.LIST_SCHEDULES, (kind, int(enabled_only), limit, offset))]

    def delete_schedule(self, schedule_id: str) -> bool:
        """With its history; its runs stay.  False: there is none."""
        with self._transaction() as connection:
            connection.execute(sql.DELETE_FIRES, (schedule_id,))
            gone = connection.execute(sql.DELETE_SCHEDULE, (schedule_id,)).rowcount
        if gone:
            self._say(SCHEDULES)
        return gone > 0

    def due_schedules(self, kind: str, before: int, limit: int, names: Collection[str]) -> list[ScheduleRow]:
        """Enabled ones to look at by then, the most urgent first."""
        given = (kind, before, json.dumps([*names]), limit)
        return [rows.read(row) for row in self._select(sql.LIST_DUE_SCHEDULES, given)]

    def next_due(self, kind: str, names: Collection[str]) -> int | None:
        for (instant,) in self._select(sql.GET_NEXT_DUE, (kind, json.dumps([*names]))):
            return instant  # type: ignore[no-any-return]
        return None

    def fire(self, firings: Sequence[Firing]) -> list[bool]:
        """All in one transaction; False for a schedule whose version is another by now."""
        check([change for firing in firings for change in firing.births])
        with self._transaction() as connection:
            ids = json.dumps([firing.schedule.id for firing in firings])
            versions: dict[str, int] = dict(connection.execute(sql.LIST_SCHEDULE_VERSIONS, (ids,)).fetchall())
            verdicts = [versions.get(f.schedule.id) == f.schedule.version for f in firings]
            good = [firing for firing, is_good in zip(firings, verdicts) if is_good]
            connection.executemany(sql.ADVANCE_SCHEDULE, [rows.advanced(firing.schedule) for firing in good])
            batches.write(connection, [change for firing in good for change in firing.births])
            connection.executemany(sql.PUT_FIRE, [rows.fire(fire) for firing in good for fire in firing.fires])
        self._say(news_of_firings(good))
        return verdicts

    def fires(self, schedule_id: str, limit: int, offset: int = 0) -> list[Fired]:
        """What became of its instants, newest first."""
        return [rows.read_fired(row) for row in self._select(sql.LIST_FIRES, (schedule_id, limit, offset))]

    def unfinished_fires(self, schedule_ids: Collection[str]) -> list[tuple[str, str | None]]:
        """(schedule, context hash) of fires whose runs are unfinished, or wait in a queue."""
        return self._select(sql.LIST_UNFINISHED_FIRES, (json.dumps([*schedule_ids]),))

    def waiting_fires(
        self, names: Collection[str], limit: int, *, attempts: int, tried_before: int, oldest: int
    ) -> list[FireRow]:
        """Fires without a run that may have one now."""
        given = (json.dumps([*names]), attempts, tried_before, oldest, limit)
        return [FireRow(*row) for row in self._select(sql.LIST_WAITING_FIRES, given)]

    def has_waiting_fires(self) -> bool:
        return bool(self._select(sql.HAS_WAITING_FIRES))

    def tidy_fires(self, oldest: int, reason: str) -> None:
        """Close the books on fires whose runs have ended; what has waited since before `oldest` is skipped."""
        with self._transaction() as connection:
            connection.execute(sql.END_FIRES)
            connection.execute(sql.EXPIRE_FIRES, (reason, oldest))

    def count_fires(self, since: int, lost_before: int) -> FireCounts:
        return FireCounts(*self._select(sql.COUNT_FIRES, (lost_before, since))[0])

    def announce(self, workflows: Collection[str], now: int) -> None:
        if new := {*workflows} - {name for (name,) in self._select(sql.LIST_WORKFLOWS)}:
            with self._transaction() as connection:
                connection.executemany(sql.INSERT_WORKFLOW, [(name, now) for name in sorted(new)])

    def is_announced(self, workflow: str) -> bool:
        return bool(self._select(sql.HAS_WORKFLOW, (workflow,)))

    if TYPE_CHECKING:  # of the rest of the store

        def _select(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]: ...
        def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
        def _say(self, news: News | None) -> None: ...
