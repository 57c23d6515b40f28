"""The SQLite store: releases of packages."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from contextlib import AbstractContextManager

from holdwater.model.records import Notification
from holdwater.storage.notifications import RELEASES_CHANGED
from holdwater.storage.sql.releases import SQLReleases
from holdwater.storage.sql.rows import Row
from holdwater.storage.sqlite import statements as sql


class SQLiteReleases(SQLReleases):
    """The part of the store for releases."""

    def _write_release(self, first: tuple[str, Row], *rest: tuple[str, Row]) -> bool:
        with self._transaction() as connection:
            statement, row = first
            if not connection.execute(statement, sql.bind(statement, row)).rowcount:
                return False
            for statement, row in rest:
                connection.execute(statement, sql.bind(statement, row))
        self._notify(RELEASES_CHANGED)
        return True

    def _write_rows(self, *statements: tuple[str, Row]) -> int:
        count = 0
        with self._transaction() as connection:
            for statement, row in statements:
                count = connection.execute(statement, sql.bind(statement, row)).rowcount
        return count

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _notify(self, notification: Notification | None) -> None: ...
