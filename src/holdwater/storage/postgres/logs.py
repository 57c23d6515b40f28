"""The PostgreSQL store: logs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from psycopg import errors

from holdwater.model.logs import LogRow, number_lines
from holdwater.model.records import Notification
from holdwater.storage.notifications import notification_for_logs
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall, execute_pipeline, rows_to_columns
from holdwater.storage.sql.logs import LogQueries, log_row, parse_log_sizes

T = TypeVar("T")


class PostgresLogs(LogQueries):
    """The part of the store for logs."""

    _preamble: Sequence[str]

    def append_logs(self, rows: Sequence[LogRow], followed_runs: Collection[str] = ()) -> None:
        """Write lines behind those that their runs have, in one transaction.  Raises StoreUnavailable, StoreError.

        The sizes of their logs are locked meanwhile, so that the numbers of lines follow each other.
        """
        self._require_writable()
        told = notification_for_logs(followed_runs)
        after = [] if told is None else [self._notification_call(told)]
        self._with_connection(lambda session: self._append(session, rows, after), retry=False)

    def _append(self, session: PostgresConnection, rows: Sequence[LogRow], after: Sequence[StatementCall]) -> None:
        try:
            self._append_once(session, rows, after)
        except errors.ForeignKeyViolation:  # a run was deleted meanwhile: its lines are left out now
            session.invalidate_prepared()
            self._append_once(session, rows, after)

    def _append_once(self, session: PostgresConnection, rows: Sequence[LogRow], after: Sequence[StatementCall]) -> None:
        ids = sorted({row.run_id for row in rows})
        with session.transaction():
            for text in self._preamble:
                session.execute(text)
            found = session.execute(sql.LOCK_LOG_SIZES, (ids,)).fetchall()
            kept, sizes = number_lines(rows, parse_log_sizes(found))
            if kept:
                totals = [(run_id, size.lines, size.size_bytes) for run_id, size in sizes.items()]
                calls = [
                    (sql.INSERT_LOGS, rows_to_columns([log_row(row) for row in kept])),
                    (sql.UPDATE_LOG_SIZES, rows_to_columns(totals)),
                    *after,
                ]
                execute_pipeline(session, (), calls)

    @abstractmethod
    def _require_writable(self) -> None: ...

    @abstractmethod
    def _notification_call(self, notification: Notification) -> StatementCall: ...

    @abstractmethod
    def _with_connection(self, function: Callable[[PostgresConnection], T], retry: bool) -> T: ...
