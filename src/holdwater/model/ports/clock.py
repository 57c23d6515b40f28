"""The clock of an engine: wall-clock and monotonic instants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from holdwater.model.time import ClockSample, Micros, MonotonicMicros


class Clock(Protocol):
    """Time.  Instants are integer microseconds since the epoch."""

    def now(self) -> Micros: ...

    def earliest_now(self) -> Micros:
        """`now`, or what the reference clock shows if that seems to have been set back."""
        ...

    def seconds_until(self, instant: Micros) -> float | None:
        """Real seconds to wait until then, None if only `on_jump` will tell."""
        ...

    def monotonic(self) -> MonotonicMicros:
        """Microseconds of the monotonic clock: the same whatever clocks are set."""
        ...

    def adjust(self, sample: ClockSample | None) -> int:
        """Take in a sample of the reference clock; None: of the machine's wall clock.

        Returns by how much `now` jumped, in microseconds.
        """
        ...

    def on_jump(self, callback: Callable[[], None]) -> None:
        """Call `wake` whenever time passes other than by waiting."""
        ...
