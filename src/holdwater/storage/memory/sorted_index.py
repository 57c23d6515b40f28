"""A sorted list for memory stores, fast where additions are mostly at its end and removals at its start."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from holdwater.model.records import Cursor


class SortedIndex:
    """A sorted set of positions.  Removal only marks an entry; the list is compacted when half of it is marked."""

    def __init__(self) -> None:
        self._entries: list[Cursor] = []
        self._first = 0
        """index of the first entry that was not removed"""
        self._removed: set[Cursor] = set()
        """removed entries that are still in the list, behind the first one"""

    def __len__(self) -> int:
        return len(self._entries) - self._first - len(self._removed)

    def add(self, entry: Cursor) -> None:
        """Add an entry that is not in the set."""
        if entry in self._removed:
            self._removed.discard(entry)
        else:
            insort(self._entries, entry, self._first)

    def remove(self, entry: Cursor) -> None:
        """Remove an entry that is in the set."""
        self._removed.add(entry)
        while self._first < len(self._entries) and self._entries[self._first] in self._removed:
            self._removed.discard(self._entries[self._first])
            self._first += 1
        if 2 * len(self) < len(self._entries):
            self._entries = [kept for kept in self._entries[self._first :] if kept not in self._removed]
            self._first, self._removed = 0, set()

    def after(self, entry: Cursor) -> Iterator[Cursor]:
        """Iterate over the entries greater than a position, ascending."""
        return self._present(range(bisect_right(self._entries, entry, self._first), len(self._entries)))

    def before(self, entry: Cursor) -> Iterator[Cursor]:
        """Iterate over the entries less than a position, descending."""
        return self._present(range(bisect_left(self._entries, entry, self._first) - 1, self._first - 1, -1))

    def _present(self, indexes: range) -> Iterator[Cursor]:
        return (self._entries[i] for i in indexes if self._entries[i] not in self._removed)
