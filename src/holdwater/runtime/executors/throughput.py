"""The pace at which slots of an executor come free, measured: it decides how much work is leased ahead of them.

Work that is leased waits for this runner alone.  So no more of it is leased than the slots are expected to begin within
a horizon that is long beside a transaction and short beside a person's patience; while nothing is known, or tasks are
slow, that is nothing, and the work stays in the queue, where an idle runner finds it.
"""

from __future__ import annotations

from typing import Final

from holdwater.model.time import UNSET, Micros

PREFETCH_HORIZON_US: Final = 100_000
"""work is leased ahead for so long"""
STALLED_US: Final = 100_000
"""without a free slot for so long the next one cannot be foreseen; up to twice that where tasks take that long"""
SURPLUS_CHECK_US: Final = 50_000
"""interval at which attempts without a slot are reviewed"""
_MOVING_AVERAGE_WEIGHT: Final = 1 / 8
"""of the last task in the moving average"""


class SlotThroughput:
    """A moving average over the attempts of one executor.  `limit`: its slots.  Times in microseconds."""

    __slots__ = ("_limit", "_mean_us", "_moved_at")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._mean_us: float | None = None
        self._moved_at = UNSET

    def ended(self, at: Micros, took_us: int) -> None:
        """Count an attempt that had its slot for so long and gave it back."""
        self._moved_at = at
        took = float(max(took_us, 1))  # a clock may be set back
        mean = self._mean_us
        self._mean_us = took if mean is None else mean + (took - mean) * _MOVING_AVERAGE_WEIGHT

    def moved(self, at: Micros) -> None:
        """Note a slot that came free although its task function goes on."""
        self._moved_at = at

    def expected(self, now: Micros, *, full: bool) -> int:
        """The number of attempts without a slot that will begin within the horizon.  `full`: no slot is free now."""
        if self._mean_us is None:
            return 0
        stalled_us = min(max(STALLED_US, 2 * self._mean_us), 2 * STALLED_US)
        if full and now - self._moved_at > stalled_us:
            return 0
        return int(self._limit * PREFETCH_HORIZON_US / self._mean_us)


class EndedAttempts:
    """Counts of the attempts of one executor that are over, those that were given up too."""

    __slots__ = ("_total_us", "count", "failed_count")

    def __init__(self) -> None:
        self.count = self.failed_count = self._total_us = 0

    def add(self, took_us: int, *, failed: bool) -> None:
        """Count an attempt."""
        self.count += 1
        self.failed_count += failed
        self._total_us += took_us

    @property
    def mean_ms(self) -> float:
        """The mean duration in milliseconds; 0 if none has ended."""
        return self._total_us / self.count / 1000 if self.count else 0.0
