"""The SQLite store: items of maps."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from holdwater.model.map_items import MapItemRow
from holdwater.storage.sql.map_items import MapItemQueries, item_row
from holdwater.storage.sql.text_escaping import escape_parameters
from holdwater.storage.sqlite import statements as sql


class SQLiteMapItems(MapItemQueries):
    """The part of the store for items of maps."""

    def write_map_items(self, rows: Sequence[MapItemRow]) -> None:
        """Write items that have ended, in one transaction; a completed item stays."""
        values = [item_row(row) for row in rows]
        try:
            with self._transaction() as connection:
                connection.executemany(sql.WRITE_MAP_ITEMS, values)
        except UnicodeEncodeError:
            with self._transaction() as connection:
                connection.executemany(sql.WRITE_MAP_ITEMS, [escape_parameters(value) for value in values])

    def delete_map_items(self, run_id: str, first_index: int) -> None:
        """Delete the rows from an index on."""
        with self._transaction() as connection:
            connection.execute(sql.DELETE_MAP_ITEMS, (run_id, first_index))

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
