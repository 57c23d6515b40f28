"""Instants: readings of the machine's clocks, samples of a reference clock, and RFC 3339 text."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

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


def to_datetime(us: int) -> datetime:
    """An instant in UTC, exact.  `us`: microseconds since the epoch.  Raises OverflowError beyond the year 9999."""
    return EPOCH + us * _MICROSECOND


def from_datetime(moment: datetime) -> int:
    """Microseconds since the epoch; without a zone: local time.  Raises ValueError, OverflowError, OSError."""
    return (moment.astimezone(UTC) - EPOCH) // _MICROSECOND


def to_rfc3339(us: int) -> str:
    """`2026-11-21T05:00:00.000000Z`: an instant in the one form in which Holdwater writes them, of 27 characters.

    `us`: microseconds since the epoch.  Texts in this form sort as their instants do.
    """
    return to_datetime(us).isoformat(timespec="microseconds")[:-6] + "Z"


def from_rfc3339(text: str) -> int:
    """Microseconds since the epoch, from an instant in RFC 3339 or ISO 8601; without a zone: local time.

    Raises ValueError, OverflowError and OSError.
    """
    return from_datetime(datetime.fromisoformat(text))


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
