"""The runner's clock: the monotonic clock of the machine, set by samples of a reference clock.

The reference is the clock of the database server or, for a database without one, the wall clock of the machine.
Between two samples time passes as the monotonic clock says (one that counts suspension, where there is one), so a
wall clock that is set while a runner works changes nothing at once.  See docs/decisions/0016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.time import (
    MONOTONIC_UNSET,
    ClockSample,
    Micros,
    MonotonicMicros,
    monotonic_now,
    seconds_between,
    wall_now,
)

MAX_ROUND_TRIP_US: Final = 1_000_000
"""samples that took longer are dropped: they leave more than half a second of doubt"""
STEP_THRESHOLD_US: Final = 1_000_000
"""a difference up to this is made up for slowly; a larger one means that the reference was set"""
STEP_CONFIRMATION_US: Final = 60_000_000
"""a reference that was set is followed when it has stood so long"""
SLEW_RATIO: Final = 16
"""a difference is made up for within so many times its length: the clock runs 6 % fast or slow meanwhile"""
INITIAL_SAMPLES: Final = 3
"""at the start, so many are taken until one has a short round trip"""


class SystemClock:
    """The clock of the machine, or of a database server it follows.  Instants are microseconds since the epoch.

    `now` never goes back, unless the server's clock was set back.
    """

    def __init__(
        self, wall: Callable[[], Micros] = wall_now, monotonic: Callable[[], MonotonicMicros] = monotonic_now
    ) -> None:
        self._read_wall, self._read_monotonic = wall, monotonic
        self._offset_us = self._wall_sample().offset_us
        self._slew_until = MONOTONIC_UNSET
        """the monotonic instant at which a difference is made up for; `_slew_sign` is its sign"""
        self._slew_sign = 0
        self._is_synchronised = False
        """a sample was taken in"""
        self._pending_step: tuple[int, MonotonicMicros] | None = None
        """offset of a reference that seems to have been set, and the monotonic instant when that was first seen"""

    def monotonic(self) -> MonotonicMicros:
        return self._read_monotonic()

    def now(self) -> Micros:
        monotonic = self._read_monotonic()
        left = self._slew_until - monotonic
        if left > 0:
            return Micros(monotonic + self._offset_us - self._slew_sign * (left // SLEW_RATIO))
        return Micros(monotonic + self._offset_us)

    def earliest_now(self) -> Micros:
        if self._pending_step is None:
            return self.now()
        return min(self.now(), Micros(self._read_monotonic() + self._pending_step[0]))

    def seconds_until(self, instant: Micros) -> float | None:
        return max(0.0, seconds_between(self.now(), instant))

    def on_jump(self, callback: Callable[[], None]) -> None:
        """Do nothing: the system sends no signal, and waits are short enough to notice."""

    def adjust(self, sample: ClockSample | None) -> int:
        """Take in a sample of the reference, None: of the machine's wall clock.

        Returns by how much `now` jumped, in microseconds: 0 unless a reference that was set is followed.
        """
        sample = sample or self._wall_sample()
        if sample.round_trip_us > MAX_ROUND_TRIP_US and self._is_synchronised:
            return 0
        monotonic = self._read_monotonic()
        shown = self.now() - monotonic
        doubt = sample.round_trip_us // 2
        wanted = min(max(shown, sample.offset_us - doubt), sample.offset_us + doubt)  # the least that agrees with it
        if not self._is_synchronised:
            self._is_synchronised, self._offset_us = True, wanted
            return 0
        if abs(wanted - shown) > STEP_THRESHOLD_US:
            return self._confirm_step(wanted, shown, monotonic)
        self._pending_step = None
        self._offset_us = wanted
        self._slew_until = MonotonicMicros(monotonic + abs(wanted - shown) * SLEW_RATIO)
        self._slew_sign = 1 if wanted > shown else -1
        return 0

    def _confirm_step(self, target_offset_us: int, current_offset_us: int, monotonic: MonotonicMicros) -> int:
        if self._pending_step is None or abs(target_offset_us - self._pending_step[0]) > STEP_THRESHOLD_US:
            self._pending_step = target_offset_us, monotonic
        if monotonic - self._pending_step[1] < STEP_CONFIRMATION_US:
            return 0
        self._offset_us, self._slew_until, self._pending_step = target_offset_us, MONOTONIC_UNSET, None
        return target_offset_us - current_offset_us

    def _wall_sample(self) -> ClockSample:
        before = self._read_monotonic()
        wall = self._read_wall()
        after = self._read_monotonic()
        return ClockSample.from_readings(before, wall, after)


def synchronise(clock: Clock, store: Store) -> None:
    """Set a new clock by the reference of a store: by the best of a few samples.  Raises StoreUnavailable."""
    best = store.sample_clock()
    for _ in range(INITIAL_SAMPLES - 1):
        if best is None or best.round_trip_us <= MAX_ROUND_TRIP_US:
            break
        again = store.sample_clock()
        best = min(best, again or best, key=lambda sample: sample.round_trip_us)
    clock.adjust(best)
