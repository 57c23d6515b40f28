"""The SQLite store: schedules and their fires."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from holdwater.model.records import Notification
from holdwater.model.schedules import Firing, ScheduleRow
from holdwater.model.time import Micros
from holdwater.storage.notifications import SCHEDULES_CHANGED, notification_for_firings
from holdwater.storage.sql import schedule_rows as rows
from holdwater.storage.sql.commits import check_consistency
from holdwater.storage.sql.schedule_queries import ScheduleQueries
from holdwater.storage.sqlite import commits as batches
from holdwater.storage.sqlite import statements as sql


class SQLiteSchedules(ScheduleQueries):
    """The part of the store for schedules."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or update the row of this id and version; False if its version has changed."""
        with self._transaction() as connection:
            if row.version:
                written = connection.execute(sql.UPDATE_SCHEDULE, rows.schedule_update_row(row)).rowcount
            else:
                written = connection.execute(sql.INSERT_SCHEDULE, rows.schedule_insert_row(row)).rowcount
        if written:
            self._notify(SCHEDULES_CHANGED)
        return written > 0

    def delete_schedule(self, schedule_id: str) -> bool:
        """Delete a schedule and its fires, but not its runs; False if there is no such schedule."""
        with self._transaction() as connection:
            connection.execute(sql.DELETE_FIRES, (schedule_id,))
            gone = connection.execute(sql.DELETE_SCHEDULE, (schedule_id,)).rowcount
        if gone:
            self._notify(SCHEDULES_CHANGED)
        return gone > 0

    def commit_firings(self, firings: Sequence[Firing]) -> list[bool]:
        """Write the fires and their runs in one transaction; False for a schedule whose version has changed."""
        check_consistency([change for firing in firings for change in firing.new_runs])
        with self._transaction() as connection:
            ids = json.dumps([firing.schedule.id for firing in firings])
            versions: dict[str, int] = dict(connection.execute(sql.LIST_SCHEDULE_VERSIONS, (ids,)).fetchall())
            verdicts = [versions.get(f.schedule.id) == f.schedule.version for f in firings]
            good = [firing for firing, is_good in zip(firings, verdicts) if is_good]
            connection.executemany(
                sql.ADVANCE_SCHEDULE, [rows.schedule_advance_row(firing.schedule) for firing in good]
            )
            batches.write_updates(connection, [change for firing in good for change in firing.new_runs])
            connection.executemany(sql.UPSERT_FIRE, [rows.fire_row(fire) for firing in good for fire in firing.fires])
        self._notify(notification_for_firings(good))
        return verdicts

    def expire_fires(self, not_before: Micros, reason: str) -> None:
        """Close the fires whose runs have ended, and skip those that have waited since before `oldest` (µs)."""
        with self._transaction() as connection:
            connection.execute(sql.CLOSE_FINISHED_FIRES)
            connection.execute(sql.EXPIRE_FIRES, (reason, not_before))

    if TYPE_CHECKING:  # methods of SQLiteStore

        def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
        def _notify(self, notification: Notification | None) -> None: ...
