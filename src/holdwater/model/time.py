"""Reading clocks: the machine's monotonic and wall clocks, and samples of a reference clock."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Final

if sys.platform == "win32":  # pragma: no cover

    def steady_us() -> int:
        """Microseconds of the monotonic clock."""
        return time.monotonic_ns() // 1000
else:
    # one that counts the time a suspended machine sleeps, where there is one: leases and timers run out meanwhile
    _STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def steady_us() -> int:
        """Microseconds of the monotonic clock."""
        return time.clock_gettime_ns(_STEADY) // 1000


def wall_us() -> int:
    """Microseconds since the epoch by the wall clock of the machine."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class ClockSample:
    """A reading of a reference clock, in microseconds.

    `offset_us`: how far the reference is ahead of the monotonic clock.  `round_trip_us`: how long the reading took;
    the offset is off by no more than half of it.
    """

    offset_us: int
    round_trip_us: int

    @classmethod
    def between(cls, before_us: int, reference_us: int, after_us: int) -> ClockSample:
        """A sample from what the monotonic clock showed before and after the reference was read."""
        return cls(reference_us - (before_us + after_us) // 2, after_us - before_us)
