"""Instants: readings of the machine's clocks, samples of a reference clock, and RFC 3339 text.

An instant has a type of its own, so that it cannot stand where a duration, a count or an instant of the other clock is
meant.  The difference of two is a plain number of microseconds: durations are seconds (`..._seconds`) where people or
the operating system see them, and integers of microseconds (`..._us`) where they are added to instants, which stay
exact and cost no rounding.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NewType

Micros = NewType("Micros", int)
"""An instant: microseconds since 1970-01-01 UTC, by the clock of the store or of the machine."""
MonotonicMicros = NewType("MonotonicMicros", int)
"""An instant by the monotonic clock of this machine: microseconds since an origin that only this boot knows."""

UNSET: Final = Micros(0)
"""an instant that is not known, or not in force: false, and before all that a clock shows"""
MONOTONIC_UNSET: Final = MonotonicMicros(0)
"""the same by the monotonic clock"""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

if sys.platform == "win32":  # pragma: no cover

    def monotonic_now() -> MonotonicMicros:
        """Microseconds of the monotonic clock."""
        return MonotonicMicros(time.monotonic_ns() // 1000)
else:
    # one that counts the time a suspended machine sleeps, where there is one: leases and timers run out meanwhile
    _MONOTONIC_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic_now() -> MonotonicMicros:
        """Microseconds of the monotonic clock."""
        return MonotonicMicros(time.clock_gettime_ns(_MONOTONIC_CLOCK) // 1000)


def wall_now() -> Micros:
    """The wall clock of the machine."""
    return Micros(time.time_ns() // 1000)


def add_seconds(at: Micros, seconds: float) -> Micros:
    """The instant so many seconds later, to the nearest microsecond."""
    return Micros(at + round(seconds * 1e6))


def seconds_between(start: Micros, end: Micros) -> float:
    """Seconds from `start` to `end`: negative where `end` comes first."""
    return (end - start) / 1e6


def to_datetime(at: Micros) -> datetime:
    """An instant in UTC, exact.  Raises OverflowError beyond the year 9999."""
    return EPOCH + at * _MICROSECOND


def from_datetime(moment: datetime) -> Micros:
    """The instant of a datetime; without a zone: local time.  Raises ValueError, OverflowError, OSError."""
    return Micros((moment.astimezone(UTC) - EPOCH) // _MICROSECOND)


def to_rfc3339(at: Micros) -> str:
    """`2026-11-21T05:00:00.000000Z`: an instant in the one form in which Holdwater writes them, of 27 characters.

    Texts in this form sort as their instants do.
    """
    return to_datetime(at).isoformat(timespec="microseconds")[:-6] + "Z"


def to_rfc3339_or_none(at: Micros | None) -> str | None:
    """The instant as `to_rfc3339` writes it, if there is one."""
    return None if at is None else to_rfc3339(at)


def from_rfc3339(text: str) -> Micros:
    """The instant of a text in RFC 3339 or ISO 8601; without a zone: local time.

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
    def from_readings(cls, before: MonotonicMicros, reference: Micros, after: MonotonicMicros) -> ClockSample:
        """A sample from what the monotonic clock showed before and after the reference was read."""
        return cls(reference - (before + after) // 2, after - before)
