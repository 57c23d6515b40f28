"""What ended long ago is forgotten: once an hour, and a little at a time, so that nothing else waits for it."""

from __future__ import annotations

from typing import Final

from holdwater.model.ports import Clock, Store
from holdwater.model.records import FIRST_CURSOR
from holdwater.model.time import Micros

SWEEP_INTERVAL_US: Final = 3_600_000_000
BATCH_SIZE_RUNS: Final = 50
"""with their children: some milliseconds' work"""
BATCH_PAUSE_US: Final = 20_000
"""between two looks at so many"""


class Retention:
    """The driver's memory for runs that have ended.  Only the driver's thread is in here."""

    def __init__(self, store: Store, clock: Clock, retention_seconds: float | None) -> None:
        self._store = store
        self._retention_us = None if retention_seconds is None else int(retention_seconds * 1e6)
        self._next_sweep_at = clock.now()
        self._cursor = FIRST_CURSOR

    @property
    def has_work(self) -> bool:
        """What it does has its instant."""
        return False

    def due_times(self, now: Micros) -> list[Micros]:
        """When there is something to do next."""
        if self._retention_us is None:
            return []
        return [min(self._next_sweep_at, Micros(now + SWEEP_INTERVAL_US))]

    def run_due(self, now: Micros) -> None:
        """Forget some.  Raises StoreUnavailable; then it is done later."""
        if self._retention_us is None or now < self._next_sweep_at <= now + SWEEP_INTERVAL_US:
            return
        rest = self._store.prune(Micros(now - self._retention_us), (), BATCH_SIZE_RUNS, self._cursor).next_cursor
        self._cursor = rest or FIRST_CURSOR
        self._next_sweep_at = Micros(now + (BATCH_PAUSE_US if rest else SWEEP_INTERVAL_US))
