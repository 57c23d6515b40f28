"""What is to be done at an instant."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from holdwater.model.time import Micros


class Timers:
    """Acts by instant (microseconds since the epoch), in order.  One thread's."""

    def __init__(self) -> None:
        self._heap: list[tuple[Micros, int, Callable[[], None]]] = []
        self._count = 0

    def call_at(self, due_at: Micros, callback: Callable[[], None]) -> None:
        """Have `act` come up at this instant."""
        self._count += 1  # acts of one instant come up in the order they were put in
        heapq.heappush(self._heap, (due_at, self._count, callback))

    def pop_due(self, now: Micros) -> Iterator[Callable[[], None]]:
        """Take out what has come up."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    @property
    def next_due_at(self) -> Micros | None:
        """The next instant something comes up."""
        return self._heap[0][0] if self._heap else None
