"""A list in order, for stores in memory: what comes mostly goes to its end, what goes mostly stands at its start."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from holdwater.model.records import Position


class Positions:
    """A sorted set.  What is dropped is swept out later, so that dropping costs next to nothing."""

    def __init__(self) -> None:
        self._all: list[Position] = []
        self._start = 0
        """everything ahead of it was dropped"""
        self._dropped: set[Position] = set()
        """what was dropped behind it"""

    def __len__(self) -> int:
        return len(self._all) - self._start - len(self._dropped)

    def add(self, position: Position) -> None:
        """It must not be there."""
        if position in self._dropped:
            self._dropped.discard(position)
        else:
            insort(self._all, position, self._start)

    def drop(self, position: Position) -> None:
        """It must be there."""
        self._dropped.add(position)
        while self._start < len(self._all) and self._all[self._start] in self._dropped:
            self._dropped.discard(self._all[self._start])
            self._start += 1
        if 2 * len(self) < len(self._all):
            self._all = [kept for kept in self._all[self._start :] if kept not in self._dropped]
            self._start, self._dropped = 0, set()

    def after(self, position: Position) -> Iterator[Position]:
        """What stands behind a position, in order."""
        return self._kept(range(bisect_right(self._all, position, self._start), len(self._all)))

    def before(self, position: Position) -> Iterator[Position]:
        """What stands ahead of a position, from there backwards."""
        return self._kept(range(bisect_left(self._all, position, self._start) - 1, self._start - 1, -1))

    def _kept(self, places: range) -> Iterator[Position]:
        return (self._all[i] for i in places if self._all[i] not in self._dropped)
