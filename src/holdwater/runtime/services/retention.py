"""What ended long ago is forgotten: once an hour, and a little at a time, so that nothing else waits for it."""

from __future__ import annotations

from typing import Final

from holdwater.model.ports import Clock, Store
from holdwater.model.records import FIRST

EVERY_US: Final = 3_600_000_000
RUNS_AT_ONCE: Final = 50
"""with their children: some milliseconds' work"""
PAUSE_US: Final = 20_000
"""between two looks at so many"""


class Retention:
    """The driver's memory for runs that have ended.  Only the driver's thread is in here."""

    def __init__(self, store: Store, clock: Clock, retention_seconds: float | None) -> None:
        self._store = store
        self._kept_us = None if retention_seconds is None else int(retention_seconds * 1e6)
        self._look_at = clock.now()
        self._after = FIRST

    @property
    def pending(self) -> bool:
        """What it does has its instant."""
        return False

    def instants(self, now: int) -> list[int]:
        """When there is something to do next."""
        if self._kept_us is None:
            return []
        return [min(self._look_at, now + EVERY_US)]

    def look(self, now: int) -> None:
        """Forget some.  Raises StoreUnavailable; then it is done later."""
        if self._kept_us is None or now < self._look_at <= now + EVERY_US:
            return
        rest = self._store.prune(now - self._kept_us, (), RUNS_AT_ONCE, self._after).rest
        self._after = rest or FIRST
        self._look_at = now + (PAUSE_US if rest else EVERY_US)
