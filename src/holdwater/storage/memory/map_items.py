"""The memory store: items of maps."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from holdwater.errors import StoreError
from holdwater.model.map_items import ItemCounts, ItemHead, MapItemRow
from holdwater.storage.sql.map_items import page_rows


class _ItemsOfMap:
    """The items of one map.  `indexes`: those that have ended; `failed`: those of them that failed; both sorted."""

    def __init__(self) -> None:
        self.rows: dict[int, MapItemRow] = {}
        self.indexes: list[int] = []
        self.failed: list[int] = []

    def put(self, row: MapItemRow) -> None:
        known = self.rows.get(row.index)
        if known is None:
            insort(self.indexes, row.index)
        elif known.status == "failed":
            del self.failed[bisect_left(self.failed, row.index)]
        elif row.status == "failed" and known.digest == row.digest:
            return
        self.rows[row.index] = row
        if row.status == "failed":
            insort(self.failed, row.index)

    def page(self, indexes: Sequence[int], first_index: int, limit: int) -> list[MapItemRow]:
        first = bisect_left(indexes, first_index)
        return [self.rows[index] for index in indexes[first : first + page_rows(limit)]]

    def delete(self, first_index: int) -> None:
        for index in self.indexes[bisect_left(self.indexes, first_index) :]:
            del self.rows[index]
        for indexes in (self.indexes, self.failed):
            del indexes[bisect_left(indexes, first_index) :]


class MemoryMapItems:
    """The items of maps of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]], runs: Mapping[str, Any]) -> None:
        """Begin without any item.  `runs`: those that exist."""
        self._locked_for_items, self._mapped_runs = locked, runs
        self._map_items: Final[dict[str, _ItemsOfMap]] = {}

    def write_map_items(self, rows: Sequence[MapItemRow]) -> None:
        """Write items that have ended; a completed item stays.  Raises StoreError for a run that does not exist."""
        with self._locked_for_items():
            for row in rows:
                if row.run_id not in self._mapped_runs:
                    raise StoreError(f"there is no run {row.run_id!r} for an item of a map")
            for row in rows:
                self._map_items.setdefault(row.run_id, _ItemsOfMap()).put(row)

    def read_map_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read rows in order, from an index on, 1,000 at most."""
        with self._locked_for_items():
            items = self._map_items.get(run_id)
            return [] if items is None else items.page(items.indexes, first_index, limit)

    def list_item_heads(self, run_id: str, first_index: int, limit: int) -> list[ItemHead]:
        """List the heads of rows in order, from an index on, 1,000 at most."""
        return [ItemHead(row.index, row.digest, row.status) for row in self.read_map_items(run_id, first_index, limit)]

    def list_failed_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read the rows of failed items in order, from an index on, 1,000 at most."""
        with self._locked_for_items():
            items = self._map_items.get(run_id)
            return [] if items is None else items.page(items.failed, first_index, limit)

    def count_map_items(self, run_id: str) -> ItemCounts:
        """Count the rows of a map."""
        with self._locked_for_items():
            items = self._map_items.get(run_id, _ItemsOfMap())
            return ItemCounts(len(items.indexes) - len(items.failed), len(items.failed))

    def delete_map_items(self, run_id: str, first_index: int) -> None:
        """Delete the rows from an index on."""
        with self._locked_for_items():
            if run_id in self._map_items:
                self._map_items[run_id].delete(first_index)

    def _measure_map_items(self, run_id: str) -> int:
        """Count the bytes of the items of a run, under the lock."""
        found = self._map_items.get(run_id)
        return 0 if found is None else sum([row.size_bytes for row in found.rows.values()])
