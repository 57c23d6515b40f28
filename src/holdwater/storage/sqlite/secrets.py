"""The SQLite store: secrets."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from contextlib import AbstractContextManager

from holdwater.storage.sql.rows import Row
from holdwater.storage.sql.secrets import SQLSecrets
from holdwater.storage.sqlite import statements as sql


class SQLiteSecrets(SQLSecrets):
    """The part of the store for secrets."""

    def _change_row(self, statement: str, row: Row) -> int:
        with self._transaction() as connection:
            return connection.execute(statement, sql.bind(statement, row)).rowcount

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
