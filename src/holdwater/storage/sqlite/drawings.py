"""The SQLite store: layouts of drawings."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from contextlib import AbstractContextManager

from holdwater.model.ports.drawings import MAX_LAYOUTS_BYTES
from holdwater.model.time import Micros
from holdwater.storage.sql.drawings import DrawingQueries, layout_row
from holdwater.storage.sqlite import statements as sql


class SQLiteDrawings(DrawingQueries):
    """The part of the store for layouts."""

    def put_layout(self, digest: str, layout_format: int, text: str, now: Micros) -> None:
        """Keep a layout in place of one in another format, and delete the oldest beyond the limit."""
        row = layout_row(digest, layout_format, text, now)
        with self._transaction() as connection:
            connection.execute(sql.PUT_LAYOUT, row)
            connection.execute(sql.DELETE_LAYOUTS, (MAX_LAYOUTS_BYTES,))

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
