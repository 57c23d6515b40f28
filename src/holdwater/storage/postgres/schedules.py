"""The PostgreSQL store: schedules and their fires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from holdwater.model.records import Notification
from holdwater.model.schedules import Firing, ScheduleRow
from holdwater.model.time import Micros
from holdwater.storage.notifications import SCHEDULES_CHANGED, notification_for_firings
from holdwater.storage.postgres import commits as batches
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall, execute_pipeline, rows_to_columns
from holdwater.storage.sql import schedule_rows as rows
from holdwater.storage.sql import text_escaping
from holdwater.storage.sql.commits import check_consistency
from holdwater.storage.sql.schedule_queries import ScheduleQueries

T = TypeVar("T")


class PostgresSchedules(ScheduleQueries):
    """The part of the store for schedules."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or update the row of this id and version; False if its version has changed."""
        if row.version:
            written = self._execute_update(sql.UPDATE_SCHEDULE, rows.schedule_update_row(row))
        else:
            written = self._execute_update(sql.INSERT_SCHEDULE, rows.schedule_insert_row(row))
        if written:
            self._execute_calls([self._notification_call(SCHEDULES_CHANGED)])
        return written > 0

    def delete_schedule(self, schedule_id: str) -> bool:
        """Delete a schedule and its fires, but not its runs; False if there is no such schedule."""
        gone = self._execute_update(sql.DELETE_SCHEDULE, (schedule_id,))
        self._execute_update(sql.DELETE_FIRES, (schedule_id,))  # after the schedule, so that no fire is added to them
        if gone:
            self._execute_calls([self._notification_call(SCHEDULES_CHANGED)])
        return gone > 0

    def commit_firings(self, firings: Sequence[Firing]) -> list[bool]:
        """Write the fires and their runs in one transaction; False for a schedule whose version has changed."""
        self._require_writable()
        check_consistency([change for firing in firings for change in firing.new_runs])
        try:
            return self._with_connection(lambda session: self._commit_firings(session, firings), retry=False)
        except (UnicodeEncodeError, psycopg.DataError):
            clean = [
                replace(f, new_runs=[text_escaping.escape_update(change, escape_nul=True) for change in f.new_runs])
                for f in firings
            ]
            return self._with_connection(lambda session: self._commit_firings(session, clean), retry=False)

    def _commit_firings(self, session: PostgresConnection, firings: Sequence[Firing]) -> list[bool]:
        try:
            with session.transaction():
                for text in self._preamble:
                    session.execute(text)
                ids = [firing.schedule.id for firing in firings]
                versions: dict[str, int] = dict(session.execute(sql.LOCK_SCHEDULES, (ids,)).fetchall())
                verdicts = [versions.get(f.schedule.id) == f.schedule.version for f in firings]
                good = [firing for firing, is_good in zip(firings, verdicts) if is_good]
                if good:
                    execute_pipeline(session, (), self._firing_calls(good))
            return verdicts
        except psycopg.Error:
            session.invalidate_prepared()  # a rollback makes the driver deallocate prepared statements
            raise

    def _firing_calls(self, accepted: Sequence[Firing]) -> list[StatementCall]:
        births = [change for firing in accepted for change in firing.new_runs]
        fires = sorted([rows.fire_row(fire) for firing in accepted for fire in firing.fires], key=lambda row: row[:2])
        told = notification_for_firings(accepted)
        calls: list[StatementCall] = [
            (
                sql.ADVANCE_SCHEDULES,
                rows_to_columns([rows.schedule_advance_row(firing.schedule) for firing in accepted]),
            )
        ]
        calls += batches.write_calls(births)
        if fires:
            calls.append((sql.UPSERT_FIRES, rows_to_columns(fires)))
        if told is not None:
            calls.append(self._notification_call(told))
        return calls

    def expire_fires(self, not_before: Micros, reason: str) -> None:
        """Close the fires whose runs have ended, and skip those that have waited since before `oldest` (µs)."""
        self._execute_update(sql.CLOSE_FINISHED_FIRES, ())
        self._execute_update(sql.EXPIRE_FIRES, (reason, not_before))

    if TYPE_CHECKING:  # methods of PostgresStore

        @property
        def _preamble(self) -> Sequence[str]: ...
        def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...
        def _execute_calls(self, calls: Sequence[StatementCall]) -> None: ...
        def _with_connection(self, function: Callable[[PostgresConnection], T], retry: bool) -> T: ...
        def _notification_call(self, notification: Notification) -> StatementCall: ...
        def _require_writable(self) -> None: ...
