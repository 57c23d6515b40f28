"""Cron expressions in a time zone: their instants, searched forwards and backwards.

**Fields.**  Five (minute, hour, day of month, month, day of week), or six with leading seconds; lists, ranges, steps,
names (MON, JAN), `L`, `LW`, `5L`, `MON#2`, `?`, and aliases such as `@daily`.  Sunday is 0 and 7.  A day matches when
day of month *or* day of week does, if both are restricted; if either starts with `*`, both must match, as in Debian.

**Clocks that are set forward or back.**  An expression whose minute or hour field starts with `*` fires at every real
instant whose wall time matches: twice in a doubled hour, never in a skipped one.  Any other names fixed times and fires
once for each, when the clocks first show that time or one after it: at the first instant after a gap where they skip
it (several skipped times are one fire), and in the first of two equal hours.  The seconds field does not matter here.

**Bounds.**  The search ends with the year 9999, and after 100 years if every match is in a gap (as `* 2 * 3 SUN#2` in
New York).  Fires are whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from holdwater.errors import ScheduleError
from holdwater.model.time import Micros
from holdwater.schedules import zones
from holdwater.schedules.calendar import Calendar, parse_calendar
from holdwater.schedules.zones import MAX_SHIFT_SECONDS, latest_wall_time, offset_interval

MICROS_PER_SECOND: Final = 1_000_000
_MAX_SEARCH_SECONDS: Final = 36_525 * zones.SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in an IANA time zone.  Equal and hashed by the two texts.

    Instants are integers, microseconds since 1970-01-01 UTC.  Raises ScheduleError if either text is malformed, or if
    no day of the calendar can match.
    """

    expression: str
    timezone: str = "UTC"
    _calendar: Calendar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("expression", "timezone"):
            if not isinstance(value := getattr(self, name), str):
                raise ScheduleError(f"the {name} of a schedule is text, not {type(value).__name__}")
        zones.load_zone(self.timezone)
        object.__setattr__(self, "_calendar", parse_calendar(self.expression))

    def __reduce__(self) -> tuple[type[Cron], tuple[str, str]]:
        return Cron, (self.expression, self.timezone)

    def next_after(self, instant: Micros) -> Micros | None:
        """Return the first fire strictly after an instant; None if there is none within the bounds."""
        second = max(instant // MICROS_PER_SECOND, zones.EARLIEST_SECOND)
        if second >= zones.LATEST_SECOND:
            return None
        found = self._wildcard_after(second) if self._calendar.is_wildcard else self._fixed_time_after(second)
        return None if found is None or found > zones.LATEST_SECOND else Micros(found * MICROS_PER_SECOND)

    def at_or_before(self, instant: Micros) -> Micros | None:
        """Return the last fire up to and including an instant; None if there is none within the bounds."""
        second = min(instant // MICROS_PER_SECOND, zones.LATEST_SECOND)
        if second < zones.EARLIEST_SECOND:
            return None
        if self._calendar.is_wildcard:
            found = self._wildcard_before(second)
        else:  # a fixed time has fired if the clocks have shown it or a later one
            wall = self._calendar.at_or_before(latest_wall_time(self.timezone, second))
            found = None if wall is None else zones.first_instant_at(self.timezone, wall)
        return None if found is None or found <= zones.EARLIEST_SECOND else Micros(found * MICROS_PER_SECOND)

    def previous_before(self, instant: Micros) -> Micros | None:
        """Return the last fire strictly before an instant; None if there is none within the bounds."""
        return self.at_or_before(Micros(instant - 1))

    def between(self, after: Micros, until: Micros, limit: int, *, latest: bool = False) -> tuple[Micros, ...]:
        """Return the fires in (after, until], ascending; at most `limit`: the first or, with `latest`, the last ones.

        The time grows with the number of returned instants, not with that of the others.
        """
        found: list[Micros] = []
        if latest:
            at = self.at_or_before(until)
            while at is not None and at > after and len(found) < limit:
                found.append(at)
                at = self.previous_before(at)
            return tuple(reversed(found))
        at = self.next_after(after)
        while at is not None and at <= until and len(found) < limit:
            found.append(at)
            at = self.next_after(at)
        return tuple(found)

    def explain(self) -> str:
        """Describe the expression in words: "At 09:00 on Monday through Friday"."""
        from cronsim.explain import Expression

        fields = list(self._calendar.fields)
        return str(Expression(fields[1:] if fields[0] == "0" else fields).explain())

    def _fixed_time_after(self, second: int) -> int | None:
        wall = self._calendar.at_or_after(latest_wall_time(self.timezone, second) + 1)
        return None if wall is None else zones.first_instant_at(self.timezone, wall)

    def _wildcard_after(self, second: int) -> int | None:
        at, last = second + 1, second + _MAX_SEARCH_SECONDS
        while at <= last:
            _, end, offset = offset_interval(self.timezone, at)
            if (wall := self._calendar.at_or_after(at + offset)) is None:
                return None
            if wall - offset < end:
                return wall - offset
            # Nothing matches before `wall`.  Only near a change of offset can a wall time before it come after `at`.
            at = max(end, wall - offset - MAX_SHIFT_SECONDS) if end - at >= MAX_SHIFT_SECONDS else end
        return None

    def _wildcard_before(self, second: int) -> int | None:
        at, last = second, second - _MAX_SEARCH_SECONDS
        while at >= last:
            start, _, offset = offset_interval(self.timezone, at)
            if (wall := self._calendar.at_or_before(at + offset)) is None:
                return None
            if wall - offset >= start:
                return wall - offset
            at = min(start - 1, wall - offset + MAX_SHIFT_SECONDS) if at - start >= MAX_SHIFT_SECONDS else start - 1
        return None
