"""Parsing of durations."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from holdwater.errors import ScheduleError
from holdwater.schedules.zones import shorten_repr

_UNITS: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_MAX_DURATION_US: Final = 100 * 366 * _UNITS["d"]


def parse_duration_us(value: object, name: str = "poll_interval") -> int:
    """Convert "500ms", "5s", "2m", "1h", "30d", a whole number of seconds or a timedelta to microseconds.

    `name`: of the option, for messages.  Raises ScheduleError for any other value, 0 or less, or over 100 years.
    """
    match value:
        case bool():
            amount = None
        case int():
            amount = value * _UNITS["s"]
        case timedelta():
            amount = value // timedelta(microseconds=1)
        case str() if found := re.fullmatch(r"\s*([0-9]{1,15})\s*(ms|s|m|h|d)?\s*", value):
            amount = int(found[1]) * _UNITS[found[2] or "s"]
        case _:
            amount = None
    shown = shorten_repr(value) if isinstance(value, str) else f"{value!r:.60}"
    if amount is None:
        hint = "write '500ms', '5s', '2m', '1h', '30d', a whole number of seconds, or a timedelta"
        raise ScheduleError(f"Invalid {name}: {shown} is not a duration", hint=hint)
    if not 0 < amount <= _MAX_DURATION_US:
        raise ScheduleError(f"Invalid {name}: {shown} is {'not more than 0' if amount <= 0 else 'over 100 years'}")
    return amount
