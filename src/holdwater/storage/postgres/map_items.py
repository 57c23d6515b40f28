"""The PostgreSQL store: items of maps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from holdwater.model.map_items import MapItemRow
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import PostgresConnection, execute_pipeline, rows_to_columns
from holdwater.storage.sql.map_items import MapItemQueries, item_row
from holdwater.storage.sql.text_escaping import escape_parameters

T = TypeVar("T")


class PostgresMapItems(MapItemQueries):
    """The part of the store for items of maps."""

    _preamble: Sequence[str]

    def write_map_items(self, rows: Sequence[MapItemRow]) -> None:
        """Write items that have ended, in one transaction; a completed item stays."""
        self._require_writable()
        if not rows:
            return
        values = [item_row(row) for row in rows]

        def act(session: PostgresConnection) -> None:
            try:
                execute_pipeline(session, self._preamble, [(sql.WRITE_MAP_ITEMS, rows_to_columns(values))])
            except (UnicodeEncodeError, psycopg.DataError):
                clean = [escape_parameters(value, escape_nul=True) for value in values]
                execute_pipeline(session, self._preamble, [(sql.WRITE_MAP_ITEMS, rows_to_columns(clean))])

        self._with_connection(act, retry=True)

    def delete_map_items(self, run_id: str, first_index: int) -> None:
        """Delete the rows from an index on."""
        self._execute_update(sql.DELETE_MAP_ITEMS, (run_id, first_index))

    @abstractmethod
    def _require_writable(self) -> None: ...

    @abstractmethod
    def _with_connection(self, function: Callable[[PostgresConnection], T], retry: bool) -> T: ...

    @abstractmethod
    def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...
