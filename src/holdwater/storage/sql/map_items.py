"""Items of maps on every SQL database: reading, and the shape of rows."""

from __future__ import annotations

from typing import Any, Protocol

from holdwater.model.map_items import MAX_ITEM_PAGE_ROWS, ItemCounts, ItemHead, MapItemRow
from holdwater.storage.sql import queries
from holdwater.storage.sql.rows import Row


class MapItemStatements(queries.RunQueryStatements, Protocol):
    """The statements of items in a dialect's module of statements."""

    READ_MAP_ITEMS: str
    LIST_ITEM_HEADS: str
    LIST_FAILED_ITEMS: str
    COUNT_MAP_ITEMS: str
    COUNT_FAILED_ITEMS: str


class MapItemQueries(queries.RunQueries):
    """The part of a store that reads items of maps."""

    _sql: MapItemStatements

    def read_map_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read rows in order, from an index on, 1,000 at most."""
        return [MapItemRow(*row) for row in self._item_page(self._sql.READ_MAP_ITEMS, run_id, first_index, limit)]

    def list_item_heads(self, run_id: str, first_index: int, limit: int) -> list[ItemHead]:
        """List the heads of rows in order, from an index on, 1,000 at most."""
        return [ItemHead(*row) for row in self._item_page(self._sql.LIST_ITEM_HEADS, run_id, first_index, limit)]

    def list_failed_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read the rows of failed items in order, from an index on, 1,000 at most."""
        return [MapItemRow(*row) for row in self._item_page(self._sql.LIST_FAILED_ITEMS, run_id, first_index, limit)]

    def count_map_items(self, run_id: str) -> ItemCounts:
        """Count the rows of a map."""
        ((failed,),) = self._select(self._sql.COUNT_FAILED_ITEMS, (run_id,))
        ((ended,),) = self._select(self._sql.COUNT_MAP_ITEMS, (run_id,))
        return ItemCounts(int(ended) - int(failed), int(failed))

    def _item_page(self, statement: str, run_id: str, first_index: int, limit: int) -> list[Any]:
        return self._select(statement, (run_id, first_index, page_rows(limit)))


def page_rows(limit: int) -> int:
    """Return the number of rows of a page for this limit."""
    return max(0, min(limit, MAX_ITEM_PAGE_ROWS))


def item_row(row: MapItemRow) -> Row:
    return (
        row.run_id, row.index, row.digest, row.status, row.ended_at, row.outputs, row.error, row.traceback, row.inputs
    )  # fmt: skip
