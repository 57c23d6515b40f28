"""Storage of the items of recorded maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holdwater.model.map_items import ItemCounts, ItemHead, MapItemRow


class MapItemStore(Protocol):
    """The part of a store for items of maps.  They are deleted with the runs of their maps."""

    def write_map_items(self, rows: Sequence[MapItemRow]) -> None:
        """Write items that have ended, in one transaction, each in place of an earlier row of its index.

        A completed item stays when the same item, by its digest, is written as failed: it was executed twice.
        Raises StoreUnavailable, StoreError; then nothing was written.
        """
        ...

    def read_map_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read rows in order, from an index on, 1,000 at most."""
        ...

    def list_item_heads(self, run_id: str, first_index: int, limit: int) -> list[ItemHead]:
        """List the heads of rows in order, from an index on, 1,000 at most."""
        ...

    def list_failed_items(self, run_id: str, first_index: int, limit: int) -> list[MapItemRow]:
        """Read the rows of failed items in order, from an index on, 1,000 at most."""
        ...

    def count_map_items(self, run_id: str) -> ItemCounts:
        """Count the rows of a map."""
        ...

    def delete_map_items(self, run_id: str, first_index: int) -> None:
        """Delete the rows from an index on: the map has fewer items than before.  Raises StoreUnavailable."""
        ...
