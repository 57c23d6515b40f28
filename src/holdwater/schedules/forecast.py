"""The coming fires of a schedule, and what clocks that are set forward or back do to them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple

from holdwater.schedules import zones
from holdwater.schedules.calendar import Calendar, calendar
from holdwater.schedules.cron import SECOND, Cron
from holdwater.schedules.zones import occurrences, reached, stretch

_NAMED: Final = 4
_COUNTED: Final = 3600


class Fire(NamedTuple):
    """One coming fire."""

    instant_us: int
    utc: datetime
    local: datetime
    """The same instant on the clocks of the schedule's zone, with the offset they have then."""
    note: str
    """What a change of the clocks does to it, in words; mostly empty."""


def coming(cron: Cron, after_us: int, count: int) -> tuple[Fire, ...]:
    """The next `count` fires strictly after an instant; fewer if there are no more."""
    wanted = calendar(cron.expression)
    fires, before = [], after_us
    for instant in cron.between(after_us, zones.LATEST * SECOND, count):
        utc = zones.EPOCH + timedelta(microseconds=instant)
        if wanted.floats:
            note = _floating(wanted, cron.timezone, before // SECOND, instant // SECOND)
        else:
            note = _fixed(wanted, cron.timezone, instant // SECOND)
        offset = timedelta(seconds=stretch(cron.timezone, instant // SECOND)[2])
        fires.append(Fire(instant, utc, utc.astimezone(timezone(offset)), note))
        before = instant
    return tuple(fires)


def _fixed(wanted: Calendar, zone: str, at: int) -> str:
    """A fixed time fires when the clocks first reach it: a fire answers for all they have just passed."""
    wall, passed = at + stretch(zone, at)[2], reached(zone, at - 1)
    if skipped := _walls(wanted, passed + 1, wall - 1):
        merged = len(skipped) + len(_walls(wanted, wall, wall))
        what = f"{merged} fires become one" if merged > 1 else "fires right after"
        return f"{_list(skipped)} skipped: {_leap(passed + 1, wall)}; {what}"
    if len(occurrences(zone, wall)) > 1:
        return f"{_clock(wall)} comes twice: the clocks go back; fires at the first only"
    return ""


def _floating(wanted: Calendar, zone: str, before: int, at: int) -> str:
    """What the clocks leap over since the fire before does not fire at all; what they show twice fires twice."""
    notes: list[str] = []  # of many changes between two fires, the last one
    _, change, offset = stretch(zone, before)
    while change <= at:
        _, following, now = stretch(zone, change)
        if skipped := _walls(wanted, change + offset, change + now - 1):
            notes = [f"before it {_list(skipped)} skipped and not fired: {_leap(change + offset, change + now)}"]
        change, offset = following, now
    wall = at + offset
    if len(both := occurrences(zone, wall)) > 1:
        notes.append(
            f"{_clock(wall)} comes twice: the clocks go back; this is the {'first' if at == both[0] else 'second'}"
        )
    return "; ".join(notes)


def _walls(wanted: Calendar, start: int, end: int) -> list[int]:
    """The matching wall times from start to end, both included; the first hour of seconds of them."""
    found: list[int] = []
    wall = wanted.at_or_after(start)
    while wall is not None and wall <= end and len(found) < _COUNTED:
        found.append(wall)
        wall = wanted.at_or_after(wall + 1)
    return found


def _leap(wall: int, other: int) -> str:
    days = other // zones.DAY - wall // zones.DAY
    return f"the clocks go from {_clock(wall)} to {_clock(other)}" + (" of the next day" if days else "")


def _clock(wall: int) -> str:
    minutes, second = divmod(wall % zones.DAY, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{second:02}" if second else "")


def _list(walls: list[int]) -> str:
    named = [_clock(w) for w in walls[:_NAMED]]
    if len(walls) > _NAMED:
        return f"{', '.join(named)} and {len(walls) - _NAMED} more are"
    return f"{named[0]} is" if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]} are"
