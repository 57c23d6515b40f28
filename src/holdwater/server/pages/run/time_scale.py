"""The axis of a timeline: instants as percentages of its width, with long idle stretches compressed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.model.time import Micros

MAX_IDLE_SHARE: Final = 1.5
"""idle time that is drawn to scale, as a multiple of busy time"""
COMPRESSED_PERCENT: Final = 9.0
MAX_COMPRESSED_PERCENT: Final = 45.0
"""width of all compressed stretches together"""
MIN_COMPRESSED_US: Final = 500_000
"""a shorter idle stretch is drawn to scale"""
MIN_TICK_PERCENT: Final = 9.0
MIN_LABEL_PERCENT: Final = 5.0
"""a narrower compressed stretch has no label"""
_STEPS_US: Final[tuple[int, ...]] = tuple(
    [n * power for power in (10, 100, 1000, 10_000, 100_000) for n in (1, 2, 5)]
    + [1_000_000 * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)]
)
_DAY_US: Final = 86_400_000_000

Interval = tuple[Micros, Micros]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the axis with one scale.  `left`, `right`: percentages.  `is_compressed`: nothing happens in it."""

    start: Micros
    end: Micros
    left: float
    right: float
    is_compressed: bool = False

    @property
    def width(self) -> float:
        """Width in percent."""
        return self.right - self.left

    @property
    def has_label(self) -> bool:
        """There is room to say how long it was."""
        return self.is_compressed and self.width >= MIN_LABEL_PERCENT


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis.  `offset_us`: microseconds since the beginning."""

    at: Micros
    offset_us: int
    left: float

    @property
    def label(self) -> str:
        """`0`, `500 ms`, `1.5 s`, `2 min`, `1 h 30 min`."""
        if abs(self.offset_us) < 1_000_000:
            return f"{self.offset_us / 1000:g} ms" if self.offset_us else "0"
        seconds = self.offset_us / 1e6
        if abs(seconds) < 60:
            return f"{seconds:g} s"
        sign, whole = ("-", -round(seconds)) if seconds < 0 else ("", round(seconds))
        parts = zip(
            (whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60), ("d", "h", "min", "s"), strict=True
        )
        return sign + " ".join([f"{number} {unit}" for number, unit in parts if number])


class TimeScale:
    """Instants between a start and an end, as percentages."""

    def __init__(self, stretches: Sequence[Stretch]) -> None:
        """Create it from the parts of the axis, in order and without gaps; at least one."""
        self.stretches = tuple(stretches)
        self._starts = [one.start for one in stretches]

    @property
    def start(self) -> Micros:
        return self.stretches[0].start

    @property
    def end(self) -> Micros:
        return self.stretches[-1].end

    def percent(self, at: Micros) -> float:
        """Return the place of an instant; one outside is at the edge."""
        stretch = self.stretches[max(0, bisect_right(self._starts, at) - 1)]
        span = stretch.end - stretch.start
        part = (min(max(at, stretch.start), stretch.end) - stretch.start) / span if span else 0.0
        return stretch.left + part * stretch.width

    def ticks(self, origin: Micros) -> tuple[Tick, ...]:
        """Return marks at round offsets from `origin`, far enough from each other for their labels."""
        found: list[Tick] = []
        for stretch in self.stretches:
            if stretch.is_compressed or stretch.end == stretch.start:
                continue
            per_us = stretch.width / (stretch.end - stretch.start)
            step = _step_us(MIN_TICK_PERCENT / per_us)
            offset = -((origin - stretch.start) // step) * step
            while origin + offset <= stretch.end:
                at = Micros(origin + offset)
                left = self.percent(at)
                fits = at >= stretch.start and left + MIN_TICK_PERCENT / 2 <= stretch.right
                if fits and (not found or left - found[-1].left >= MIN_TICK_PERCENT * 0.99):
                    found.append(Tick(at, offset, left))
                offset += step
        return tuple(found)


def _step_us(at_least: float) -> int:
    """Return the smallest round number of microseconds that is no less than this."""
    for step in _STEPS_US:
        if step >= at_least:
            return step
    return _DAY_US * (int(at_least) // _DAY_US + 1)


def build_scale(start: Micros, end: Micros, busy: Iterable[Interval]) -> TimeScale:
    """Build the scale of the time from `start` to `end`.  `busy`: when something happened, in any order.

    Idle stretches are compressed, the longest first, until what is left of them is short beside what is busy.
    """
    end = Micros(max(end, start + 1))
    gaps = _gaps(start, end, busy)
    idle_us = sum([b - a for a, b in gaps])
    busy_us = end - start - idle_us
    compressed: list[Interval] = []
    for gap in sorted(gaps, key=lambda gap: gap[0] - gap[1]):
        if busy_us == 0 or idle_us <= MAX_IDLE_SHARE * busy_us or gap[1] - gap[0] < MIN_COMPRESSED_US:
            break
        compressed.append(gap)
        idle_us -= gap[1] - gap[0]
    return TimeScale(_stretches(start, end, sorted(compressed)))


def _gaps(start: Micros, end: Micros, busy: Iterable[Interval]) -> list[Interval]:
    """List the stretches in which nothing happens."""
    gaps: list[Interval] = []
    reached = start
    for a, b in sorted(busy):
        if a > reached:
            gaps.append((reached, Micros(min(a, end))))
        reached = Micros(max(reached, b))
        if reached >= end:
            return gaps
    gaps.append((reached, end))
    return gaps


def _stretches(start: Micros, end: Micros, compressed: Sequence[Interval]) -> list[Stretch]:
    each = min(COMPRESSED_PERCENT, MAX_COMPRESSED_PERCENT / len(compressed)) if compressed else 0.0
    shown_us = end - start - sum([b - a for a, b in compressed])
    per_us = (100.0 - each * len(compressed)) / shown_us if shown_us else 0.0
    made: list[Stretch] = []
    at, left = start, 0.0
    for a, b in compressed:
        if a > at:
            right = left + (a - at) * per_us
            made.append(Stretch(at, a, left, right))
            left = right
        made.append(Stretch(a, b, left, left + each, is_compressed=True))
        at, left = b, left + each
    if end > at or not made:
        made.append(Stretch(at, end, left, 100.0))
    return made
