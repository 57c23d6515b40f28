"""The PostgreSQL store: schedules and their fires."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from holdwater.model.records import News
from holdwater.model.schedules import Firing, ScheduleRow
from holdwater.storage.notifications import SCHEDULES, news_of_firings
from holdwater.storage.postgres import commits as batches
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import Call, Session, columns, exchange
from holdwater.storage.sql import schedule_rows as rows
from holdwater.storage.sql import text_escaping
from holdwater.storage.sql.commits import check
from holdwater.storage.sql.schedule_queries import ScheduleReading

T = TypeVar("T")


class PostgresSchedules(ScheduleReading):
    """A part of the store."""

    def put_schedule(self, row: ScheduleRow) -> bool:
        """Insert a row of version 0, or change the row that has this id and version; False if somebody was first."""
        if row.version:
            written = self._change(sql.UPDATE_SCHEDULE, rows.changed(row))
        else:
            written = self._change(sql.INSERT_SCHEDULE, rows.new(row))
        if written:
            self._run([self._say(SCHEDULES)])
        return written > 0

    def delete_schedule(self, schedule_id: str) -> bool:
        """With its history; its runs stay.  False: there is none."""
        gone = self._change(sql.DELETE_SCHEDULE, (schedule_id,))
        self._change(sql.DELETE_FIRES, (schedule_id,))  # nothing is fired any more that would add to them
        if gone:
            self._run([self._say(SCHEDULES)])
        return gone > 0

    def fire(self, firings: Sequence[Firing]) -> list[bool]:
        """All in one transaction; False for a schedule whose version is another by now, or about to be."""
        self._writable()
        check([change for firing in firings for change in firing.births])
        try:
            return self._with_connection(lambda session: self._fire(session, firings), again=False)
        except (UnicodeEncodeError, psycopg.DataError):
            clean = [
                replace(f, births=[text_escaping.escape_change(change, nul=True) for change in f.births])
                for f in firings
            ]
            return self._with_connection(lambda session: self._fire(session, clean), again=False)

    def _fire(self, session: Session, firings: Sequence[Firing]) -> list[bool]:
        try:
            with session.transaction():
                for text in self._first:
                    session.execute(text)
                ids = [firing.schedule.id for firing in firings]
                versions: dict[str, int] = dict(session.execute(sql.LOCK_SCHEDULES, (ids,)).fetchall())
                verdicts = [versions.get(f.schedule.id) == f.schedule.version for f in firings]
                good = [firing for firing, is_good in zip(firings, verdicts) if is_good]
                if good:
                    exchange(session, (), self._calls(good))
            return verdicts
        except psycopg.Error:
            session.forget()  # a rollback makes the driver drop what is prepared
            raise

    def _calls(self, good: Sequence[Firing]) -> list[Call]:
        births = [change for firing in good for change in firing.births]
        fires = sorted([rows.fire(fire) for firing in good for fire in firing.fires], key=lambda row: row[:2])
        told = news_of_firings(good)
        calls: list[Call] = [(sql.ADVANCE_SCHEDULES, columns([rows.advanced(firing.schedule) for firing in good]))]
        calls += batches.writes(births)
        if fires:
            calls.append((sql.PUT_FIRES, columns(fires)))
        if told is not None:
            calls.append(self._say(told))
        return calls

    def tidy_fires(self, oldest: int, reason: str) -> None:
        """Close the books on fires whose runs have ended; what has waited since before `oldest` is skipped."""
        self._change(sql.END_FIRES, ())
        self._change(sql.EXPIRE_FIRES, (reason, oldest))

    def announce(self, workflows: Collection[str], now: int) -> None:
        for name in sorted({*workflows} - {name for (name,) in self._select(sql.LIST_WORKFLOWS)}):
            self._change(sql.INSERT_WORKFLOW, (name, now))

    if TYPE_CHECKING:  # of the rest of the store

        @property
        def _first(self) -> Sequence[str]: ...
        def _change(self, statement: str, parameters: tuple[Any, ...]) -> int: ...
        def _run(self, calls: Sequence[Call]) -> None: ...
        def _with_connection(self, act: Callable[[Session], T], again: bool) -> T: ...
        def _say(self, news: News) -> Call: ...
        def _writable(self) -> None: ...
