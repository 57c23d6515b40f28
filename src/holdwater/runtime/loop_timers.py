"""Callbacks by instant."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final

from holdwater.model.time import Micros
from holdwater.runtime.internal_errors import InternalErrors

MIN_RETRY_DELAY_US: Final = 250_000
MAX_RETRY_DELAY_US: Final = 60_000_000


class Timers:
    """A heap of callbacks; instants in microseconds since the epoch.  One thread's."""

    def __init__(self, error_log: InternalErrors) -> None:
        self._heap: list[tuple[Micros, int, Callable[[], None]]] = []
        self._count = 0
        self._error_log = error_log

    def call_at(self, due_at: Micros, callback: Callable[[], None]) -> None:
        """Call `callback` at this instant; callbacks of one instant in the order they came."""
        self._count += 1
        heapq.heappush(self._heap, (due_at, self._count, callback))

    def pop_due(self, now: Micros) -> Iterator[Callable[[], None]]:
        """Remove and yield the callbacks that are due."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]

    def run_due(self, now: Micros) -> None:
        """Call the callbacks that are due; one that raises is reported, and called again later."""
        for callback in self.pop_due(now):
            self.call_with_retry(callback, now)

    def call_with_retry(
        self, callback: Callable[[], None], now: Micros, retry_delay_us: int = MIN_RETRY_DELAY_US
    ) -> None:
        """Call it now, and again after longer and longer pauses as long as it raises.  Raises nothing."""
        try:
            callback()
        except BaseException as error:  # noqa: BLE001 - other callbacks are called all the same
            self._error_log.add("something due at an instant, tried again later", error)
            retry_at, longer = Micros(now + retry_delay_us), min(2 * retry_delay_us, MAX_RETRY_DELAY_US)
            self.call_at(retry_at, lambda: self.call_with_retry(callback, retry_at, longer))

    @property
    def next_due_at(self) -> Micros | None:
        """The instant of the next callback."""
        return self._heap[0][0] if self._heap else None
