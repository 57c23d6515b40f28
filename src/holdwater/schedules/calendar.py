"""Matching wall times of cron expressions, without time zones.

A wall time is an integer, seconds since 1970-01-01 00:00 on some clock.  cronsim parses the fields and matches days;
the search is done here on tables, so that its time does not depend on the distance or density of matches.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from holdwater.errors import ScheduleError
from holdwater.schedules.zones import SECONDS_PER_DAY, shorten_repr

if TYPE_CHECKING:
    from cronsim import CronSim

MAX_EXPRESSION_CHARS: Final = 1000
ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELD_RULES: Final = (
    ("second", "0-59", 60),
    ("minute", "0-59", 60),
    ("hour", "0-23", 24),
    ("day of month", "1-31, L (the last day) and LW (the last weekday)", 31),
    ("month", "1-12 and JAN-DEC", 12),
    ("day of week", "0-7 and SUN-SAT (0 and 7 are Sunday), 5L (the last Friday) and MON#2 (the second Monday)", 7),
)
_UNIX_ORDINAL: Final = date(1970, 1, 1).toordinal()
_LAST_ORDINAL: Final = date.max.toordinal()


class Calendar:
    """A parsed expression.  Immutable but for a cache of the matching days of months; shared between threads."""

    __slots__ = ("_cronsim", "_days_by_month", "_months", "_reversed_times", "_times", "fields", "is_wildcard")

    def __init__(self, fields: tuple[str, ...], sim: CronSim) -> None:
        self.fields = fields
        self.is_wildcard = fields[1].startswith("*") or fields[2].startswith("*")
        """True if it fires at every instant whose wall time matches, False if once for each matching wall time."""
        self._cronsim = sim
        self._months = sorted(sim.months)
        self._times = _TimesOfDay(sim.hours, sim.minutes, sim.seconds)
        self._reversed_times = _TimesOfDay(
            *({top - v for v in vs} for top, vs in ((23, sim.hours), (59, sim.minutes), (59, sim.seconds)))
        )
        self._days_by_month: dict[tuple[int, int], tuple[int, ...]] = {}

    def at_or_after(self, wall: int) -> int | None:
        """Return the first matching wall time from this one on; None beyond the year 9999."""
        day, time = divmod(wall, SECONDS_PER_DAY)
        if (found := self._day_at_or_after(day)) == day and (at := self._times.at_or_after(time)) is not None:
            return day * SECONDS_PER_DAY + at
        if found == day:
            found = self._day_at_or_after(day + 1)
        return None if found is None else found * SECONDS_PER_DAY + self._times.earliest

    def at_or_before(self, wall: int) -> int | None:
        """Return the last matching wall time up to this one; None before the year 1."""
        day, time = divmod(wall, SECONDS_PER_DAY)
        if (found := self._day_at_or_before(day)) == day and (
            at := self._reversed_times.at_or_after(SECONDS_PER_DAY - 1 - time)
        ) is not None:
            return day * SECONDS_PER_DAY + SECONDS_PER_DAY - 1 - at
        if found == day:
            found = self._day_at_or_before(day - 1)
        return None if found is None else found * SECONDS_PER_DAY + SECONDS_PER_DAY - 1 - self._reversed_times.earliest

    def ever_matches(self) -> bool:
        """Return True if any day matches; 28 years contain every combination of first weekday and length of a month."""
        return any(self._matching_days(year, month) for year in range(2000, 2028) for month in self._months)

    def _day_at_or_after(self, day: int) -> int | None:
        ordinal = max(day + _UNIX_ORDINAL, 1)
        if ordinal > _LAST_ORDINAL:
            return None
        start = date.fromordinal(ordinal)
        days = self._matching_days(start.year, start.month) if start.month in self._months else ()
        if (i := bisect_left(days, start.day)) < len(days):
            return ordinal - start.day + days[i] - _UNIX_ORDINAL
        for year in range(
            start.year, 10_000
        ):  # 40 years at most: the longest gap of the calendar (a fifth Monday in February)
            for month in self._months:
                if (year > start.year or month > start.month) and (days := self._matching_days(year, month)):
                    return date(year, month, days[0]).toordinal() - _UNIX_ORDINAL
        return None

    def _day_at_or_before(self, day: int) -> int | None:
        ordinal = min(day + _UNIX_ORDINAL, _LAST_ORDINAL)
        if ordinal < 1:
            return None
        start = date.fromordinal(ordinal)
        days = self._matching_days(start.year, start.month) if start.month in self._months else ()
        if i := bisect_right(days, start.day):
            return ordinal - start.day + days[i - 1] - _UNIX_ORDINAL
        for year in range(start.year, 0, -1):
            for month in reversed(self._months):
                if (year < start.year or month < start.month) and (days := self._matching_days(year, month)):
                    return date(year, month, days[-1]).toordinal() - _UNIX_ORDINAL
        return None

    def _matching_days(self, year: int, month: int) -> tuple[int, ...]:
        """Return the matching days of a month, cached by the weekday of its first day and its length."""
        first = date(year, month, 1)
        leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        length = 29 if leap else _MONTH_LENGTHS[month]
        key = first.weekday(), length
        if (days := self._days_by_month.get(key)) is None:
            match = self._cronsim.match_day
            days = self._days_by_month[key] = tuple(d for d in range(1, length + 1) if match(first.replace(day=d)))
        return days


_MONTH_LENGTHS: Final = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _TimesOfDay:
    """The matching times of a day, as seconds since its midnight."""

    __slots__ = ("_hours", "_minutes", "_seconds", "earliest")

    def __init__(self, hours: Iterable[int], minutes: Iterable[int], seconds: Iterable[int]) -> None:
        self._hours, self._minutes, self._seconds = (
            _next_value_table(hours, 24),
            _next_value_table(minutes, 60),
            _next_value_table(seconds, 60),
        )
        self.earliest = self._hours[0] * 3600 + self._minutes[0] * 60 + self._seconds[0]

    def at_or_after(self, time: int) -> int | None:
        hour, rest = divmod(time, 3600)
        minute, second = divmod(rest, 60)
        if self._hours[hour] == hour:
            if self._minutes[minute] == minute:
                if (s := self._seconds[second]) >= 0:
                    return hour * 3600 + minute * 60 + s
                minute += 1
            if (m := self._minutes[minute]) >= 0:
                return hour * 3600 + m * 60 + self._seconds[0]
            hour += 1
        h = self._hours[hour]
        return None if h < 0 else h * 3600 + self._minutes[0] * 60 + self._seconds[0]


def _next_value_table(values: Iterable[int], size: int) -> list[int]:
    """Tabulate, for each v in 0..size, the first of the values from v on, -1 if there is none."""
    table, here, following = [-1] * (size + 1), set(values), -1
    for v in reversed(range(size)):
        following = table[v] = v if v in here else following
    return table


@lru_cache(maxsize=2048)
def parse_calendar(expression: str) -> Calendar:
    """Parse an expression.  Raises ScheduleError with the field, the value and the allowed range."""
    from cronsim import CronSim, CronSimError  # imported here, so that processes without schedules do not load it

    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ScheduleError(
            f"a cron expression has at most {MAX_EXPRESSION_CHARS} characters, this one has {len(expression)}"
        )
    fields = _split_fields(expression)
    try:
        sim = CronSim(" ".join(fields), datetime(2000, 1, 1))
    except CronSimError:
        sim = None
    if sim is None or any(
        int(step) > size for field, (_, _, size) in zip(fields, _FIELD_RULES) for step in _STEP_PATTERN.findall(field)
    ):
        for i, field in enumerate(fields):
            _check_field(i, field)
    if sim is None or not (read := Calendar(fields, sim)).ever_matches():
        raise ScheduleError(
            f"cron expression {shorten_repr(expression)} never fires: no day of its months is day {fields[3]}",
            hint="use L for the last day of a month",
        )
    return read


_STEP_PATTERN: Final = re.compile(r"/(\d+)")


def _split_fields(expression: str) -> tuple[str, ...]:
    """Split into six fields, seconds first, in the spelling cronsim accepts."""
    text = expression.strip()
    if text.startswith("@"):
        if (alias := ALIASES.get(text.lower())) is None:
            raise ScheduleError(f"cron alias {shorten_repr(text)} is unknown", hint=f"there are {', '.join(ALIASES)}")
        text = alias
    if not text.isascii():
        raise ScheduleError(f"cron expression {shorten_repr(text)} has a character that is not ASCII")
    fields = text.upper().split()
    if len(fields) not in (5, 6):
        many = "is empty" if not fields else f"{shorten_repr(text)} has {len(fields)} field{'s' * (len(fields) != 1)}"
        raise ScheduleError(
            f"cron expression {many}; there are 5: minute, hour, day of month, month, day of week; or 6, seconds first",
            hint="'0 9 * * MON-FRI' is 09:00 on weekdays",
        )
    if len(fields) == 5:
        fields.insert(0, "0")
    fields[3], fields[5] = ("*" if field == "?" else field for field in (fields[3], fields[5]))
    fields[5] = re.sub(r"\b(MON|TUE|WED|THU|FRI|SAT|[1-6])-SUN\b", r"\1-7", fields[5])  # Sunday as the end of a range
    return tuple(fields)


def _check_field(i: int, field: str) -> None:
    """Check one field.  Raises ScheduleError for the first invalid item of its list."""
    name, allowed, size = _FIELD_RULES[i]
    for item in field.split(","):
        low, dash, high = item.partition("-")
        if _is_valid_field(i, item):
            steps = [step for step in _STEP_PATTERN.findall(item) if int(step) > size]
            if not steps:
                continue
            why = f": a step is at most {size}; this one would fire at the first value only"
        elif not item:
            why = f" is empty: allowed are {allowed}"
        elif dash and _is_valid_field(i, low) and _is_valid_field(i, high.partition("/")[0]):
            why = f": the range is reversed; allowed are {allowed}, the lower end first"
        else:
            why = f": allowed are {allowed}, as lists (1,5), ranges (1-5) and steps (*/5)"
        raise ScheduleError(f"{name} {shorten_repr(item)}{why}")


def _is_valid_field(i: int, field: str) -> bool:
    from cronsim import CronSim, CronSimError

    if not field:
        return False
    try:
        CronSim(" ".join(["*"] * i + [field] + ["*"] * (5 - i)), datetime(2000, 1, 1))
    except CronSimError:
        return False
    return True
