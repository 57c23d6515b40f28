"""The next fires of a schedule, and the effect of daylight saving time on each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final, NamedTuple

from holdwater.model.time import Micros, to_datetime
from holdwater.schedules import zones
from holdwater.schedules.calendar import Calendar, parse_calendar
from holdwater.schedules.cron import MICROS_PER_SECOND, Cron
from holdwater.schedules.zones import instants_at, latest_wall_time, offset_interval

_MAX_LISTED_TIMES: Final = 4
_MAX_COUNTED_TIMES: Final = 3600


class UpcomingFire(NamedTuple):
    """One fire to come."""

    at: Micros
    utc: datetime
    local: datetime
    """The same instant in the schedule's time zone, with the offset in force then."""
    note: str
    """The effect of a change of offset on it, in words; mostly empty."""


def upcoming_fires(cron: Cron, after: Micros, count: int) -> tuple[UpcomingFire, ...]:
    """List the next `count` fires strictly after an instant; fewer if there are no more."""
    wanted = parse_calendar(cron.expression)
    fires, before = [], after
    for instant in cron.between(after, Micros(zones.LATEST_SECOND * MICROS_PER_SECOND), count):
        utc = to_datetime(instant)
        if wanted.is_wildcard:
            note = _wildcard_note(wanted, cron.timezone, before // MICROS_PER_SECOND, instant // MICROS_PER_SECOND)
        else:
            note = _fixed_time_note(wanted, cron.timezone, instant // MICROS_PER_SECOND)
        offset = timedelta(seconds=offset_interval(cron.timezone, instant // MICROS_PER_SECOND)[2])
        fires.append(UpcomingFire(instant, utc, utc.astimezone(timezone(offset)), note))
        before = instant
    return tuple(fires)


def _fixed_time_note(calendar: Calendar, zone: str, second: int) -> str:
    """Describe the fire of a fixed time, which also stands for the times skipped by a gap right before it."""
    wall, passed = second + offset_interval(zone, second)[2], latest_wall_time(zone, second - 1)
    if skipped := _wall_times(calendar, passed + 1, wall - 1):
        merged = len(skipped) + len(_wall_times(calendar, wall, wall))
        what = f"{merged} fires become one" if merged > 1 else "fires right after"
        return f"{_format_times(skipped)} skipped: {_describe_clock_change(passed + 1, wall)}; {what}"
    if len(instants_at(zone, wall)) > 1:
        return f"{_format_time(wall)} comes twice: the clocks go back; fires at the first only"
    return ""


def _wildcard_note(calendar: Calendar, zone: str, before: int, second: int) -> str:
    """Describe wildcard fires since the one before: times in a gap do not fire, times in a doubled hour fire twice."""
    notes: list[str] = []  # of the last change, if there are several between two fires
    _, change, offset = offset_interval(zone, before)
    while change <= second:
        _, following, now = offset_interval(zone, change)
        if skipped := _wall_times(calendar, change + offset, change + now - 1):
            notes = [
                f"before it {_format_times(skipped)} skipped and not fired: "
                f"{_describe_clock_change(change + offset, change + now)}"
            ]
        change, offset = following, now
    wall = second + offset
    if len(both := instants_at(zone, wall)) > 1:
        notes.append(
            f"{_format_time(wall)} comes twice: the clocks go back; this is the "
            f"{'first' if second == both[0] else 'second'}"
        )
    return "; ".join(notes)


def _wall_times(calendar: Calendar, start: int, end: int) -> list[int]:
    """List the matching wall times from start to end, both included; at most 3,600 of them."""
    found: list[int] = []
    wall = calendar.at_or_after(start)
    while wall is not None and wall <= end and len(found) < _MAX_COUNTED_TIMES:
        found.append(wall)
        wall = calendar.at_or_after(wall + 1)
    return found


def _describe_clock_change(wall: int, other: int) -> str:
    days = other // zones.SECONDS_PER_DAY - wall // zones.SECONDS_PER_DAY
    return f"the clocks go from {_format_time(wall)} to {_format_time(other)}" + (" of the next day" if days else "")


def _format_time(wall: int) -> str:
    minutes, second = divmod(wall % zones.SECONDS_PER_DAY, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{second:02}" if second else "")


def _format_times(walls: list[int]) -> str:
    named = [_format_time(w) for w in walls[:_MAX_LISTED_TIMES]]
    if len(walls) > _MAX_LISTED_TIMES:
        return f"{', '.join(named)} and {len(walls) - _MAX_LISTED_TIMES} more are"
    return f"{named[0]} is" if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]} are"
