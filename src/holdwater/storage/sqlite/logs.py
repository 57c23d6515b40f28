"""The SQLite store: logs."""

from __future__ import annotations

import json
import sqlite3
from abc import abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from holdwater.model.logs import LogRow, number_lines
from holdwater.model.records import Notification
from holdwater.storage.notifications import notification_for_logs
from holdwater.storage.sql.logs import LogQueries, log_row, parse_log_sizes
from holdwater.storage.sqlite import statements as sql


class SQLiteLogs(LogQueries):
    """The part of the store for logs."""

    def append_logs(self, rows: Sequence[LogRow], followed_runs: Collection[str] = ()) -> None:
        """Write lines behind those that their runs have, in one transaction.  Raises StoreUnavailable, StoreError."""
        with self._transaction() as connection:
            ids = (json.dumps(sorted({row.run_id for row in rows})),)
            connection.execute(sql.CREATE_LOG_SIZES, ids)
            found = connection.execute(sql.LIST_LOG_SIZES, ids).fetchall()
            kept, sizes = number_lines(rows, parse_log_sizes(found))
            connection.executemany(sql.INSERT_LOGS, [log_row(row) for row in kept])
            connection.executemany(
                sql.UPDATE_LOG_SIZE, [(size.lines, size.size_bytes, run_id) for run_id, size in sizes.items()]
            )
        self._notify(notification_for_logs(followed_runs))

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _notify(self, notification: Notification | None) -> None: ...
