"""Cron by brute force: its own reading of the fields, every minute or second of the clocks looked at, no arithmetic on
transitions.  Shares nothing with the code under test; slow, and easy to believe.

The rule: an expression whose minute or hour field starts with `*` fires at every instant whose wall time matches.  Any
other fires once for each matching wall time: at the first instant that shows it, or if none does, at the first instant
that shows a later one.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

EPOCH = datetime(1970, 1, 1)
DAY = 86_400
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


class Fields:
    """An expression that is known to be right."""

    def __init__(self, expression: str) -> None:
        parts = expression.upper().replace("?", "*").split()
        if len(parts) == 5:
            parts.insert(0, "0")
        self.second, self.minute, self.hour = (expand_field(p, 0, top) for p, top in zip(parts, (59, 59, 23)))
        self.is_wildcard = parts[1][0] == "*" or parts[2][0] == "*"
        self.both_days_must_match = parts[3][0] == "*" or parts[5][0] == "*"
        self.dom, self.dow = parts[3].split(","), parts[5].split(",")
        self.month = expand_field(parts[4], 1, 12, MONTHS)
        self.times = [h * 3600 + m * 60 + s for h in self.hour for m in self.minute for s in self.second]
        self.time_set = frozenset(self.times)
        self.day = cache(self._day)

    def _day(self, number: int) -> bool:
        """Whether a day, counted from 1970-01-01, matches."""
        d = (EPOCH + timedelta(days=number)).date()
        if d.month not in self.month:
            return False
        length = calendar.monthrange(d.year, d.month)[1]
        weekday = d.isoweekday() % 7
        by_date = by_weekday = False
        for item in self.dom:
            if item == "L":
                by_date |= d.day == length
            elif item == "LW":
                working = [n for n in range(1, length + 1) if d.replace(day=n).weekday() < 5]
                by_date |= d.day == working[-1]
            else:
                by_date |= d.day in expand_field(item, 1, 31)
        for item in self.dow:
            if item.endswith("L"):
                by_weekday |= weekday == int(item[:-1]) % 7 and d.day + 7 > length
            elif "#" in item:
                name, nth = item.split("#")
                by_weekday |= weekday in expand_field(name, 0, 7, WEEKDAYS) and (d.day - 1) // 7 + 1 == int(nth)
            else:
                which = expand_field(item, 0, 7, WEEKDAYS)
                by_weekday |= weekday in which or (weekday == 0 and 7 in which)
        return (by_date and by_weekday) if self.both_days_must_match else (by_date or by_weekday)

    def matches(self, wall: int) -> bool:
        return wall % DAY in self.time_set and self.day(wall // DAY)


def expand_field(text: str, low: int, high: int, names: list[str] | None = None) -> list[int]:
    def number(word: str) -> int:
        return names.index(word) + low if names and word in names else int(word)

    found: set[int] = set()
    for item in text.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            a, b = low, high
        elif "-" in body:
            a, b = (number(word) for word in body.split("-"))
        else:
            a = number(body)
            b = high if step else a
        found.update(range(a, b + 1, int(step or 1)))
    return sorted(found)


class Clocks:
    """What the clocks of a zone show at every minute (or second) from one instant to another."""

    def __init__(self, zone: str, start: int, end: int, step: int = 60) -> None:
        tz = ZoneInfo(zone)
        self.readings: list[tuple[int, int]] = []
        self.instants_by_wall: dict[int, list[int]] = {}
        for instant in range(start, end, step):
            local = datetime.fromtimestamp(instant, UTC).astimezone(tz).replace(tzinfo=None)
            wall = (local - EPOCH).days * DAY + (local - EPOCH).seconds
            self.readings.append((instant, wall))
            self.instants_by_wall.setdefault(wall, []).append(instant)
        self.first, self.last = self.readings[0][1], max(wall for _, wall in self.readings)
        self.next_shown_after = cache(self._find_next_shown_after)

    def _find_next_shown_after(self, wall: int) -> int:
        return next(instant for instant, shown in self.readings if shown > wall)

    def fires(self, fields: Fields, start: int, end: int) -> list[int]:
        """The instants in [start, end); the clocks must be known from well before `start` on."""
        found: set[int] = set()
        for day in range(self.first // DAY, self.last // DAY + 1):
            if not fields.day(day):
                continue
            for time in fields.times:
                wall = day * DAY + time
                if not self.first <= wall <= self.last:
                    continue
                instants = self.instants_by_wall.get(wall)
                if instants is None:
                    if not fields.is_wildcard:
                        found.add(self.next_shown_after(wall))
                elif fields.is_wildcard:
                    found.update(instants)
                else:
                    found.add(instants[0])
        return sorted(i for i in found if start <= i < end)


@lru_cache(maxsize=1)
def transitions(first_year: int = 2024, last_year: int = 2030) -> list[tuple[str, int]]:
    """(zone, instant) of every change of the clocks; one for each (offset before, offset after, local time)."""
    known: dict[tuple[int, int, int], tuple[str, int]] = {}
    start = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    for zone in sorted(available_timezones() - {"localtime", "Factory"}):
        tz = ZoneInfo(zone)
        before = offset(tz, start)
        for later in range(start + 2 * DAY, end, 2 * DAY):
            if (after := offset(tz, later)) == before:
                continue
            low, high = later - 2 * DAY, later
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(tz, middle) == before else (low, middle)
            known.setdefault((before, after, high + before), (zone, high))
            before = after
    return sorted(known.values(), key=lambda found: (found[1], found[0]))


def offset(tz: ZoneInfo, instant: int) -> int:
    delta = datetime.fromtimestamp(instant, UTC).astimezone(tz).utcoffset()
    assert delta is not None
    return delta.days * DAY + delta.seconds
