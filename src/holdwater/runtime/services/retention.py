"""Retention: old ended runs are deleted, once an hour and a few at a time, so that nothing else waits for it."""

from __future__ import annotations

from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import FIRST_CURSOR
from holdwater.model.time import Micros

SWEEP_INTERVAL_US: Final = 3_600_000_000
BATCH_SIZE_RUNS: Final = 50
"""with their children; some milliseconds' work"""
BATCH_PAUSE_US: Final = 20_000
"""between two batches"""


class Retention:
    """A service of the loop.  `retention_seconds` None: it deletes nothing."""

    def __init__(self, store: Store, clock: Clock, retention_seconds: float | None) -> None:
        self._store = store
        self._retention_us = None if retention_seconds is None else int(retention_seconds * 1e6)
        self._next_sweep_at = clock.now()
        self._cursor = FIRST_CURSOR

    def due_at(self, now: Micros) -> Micros | None:
        return None if self._retention_us is None else min(self._next_sweep_at, Micros(now + SWEEP_INTERVAL_US))

    def run(self, now: Micros) -> None:
        """Delete a batch, if it is time to.  Raises StoreUnavailable; it is due again then."""
        if self._retention_us is None or now < self._next_sweep_at <= now + SWEEP_INTERVAL_US:
            return
        rest = self._store.prune(Micros(now - self._retention_us), (), BATCH_SIZE_RUNS, self._cursor).next_cursor
        self._cursor = rest or FIRST_CURSOR
        self._next_sweep_at = Micros(now + (BATCH_PAUSE_US if rest else SWEEP_INTERVAL_US))
