"""Instants as they are given on the command line."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import truncate
from holdwater.model.time import Micros, from_rfc3339, to_datetime, wall_now
from holdwater.model.validation import MAX_SECONDS

_DURATION_PATTERN: Final = re.compile(r"\s*[0-9]+\s*(ms|s|m|h|d)\s*")


def parse_duration(text: str, option: str) -> int:
    """Parse a duration with its unit (`90m`, `12h`, `30d`) to microseconds.

    Raises CommandError, and ScheduleError for one of 0 or over 100 years.
    """
    from holdwater.schedules import parse_duration_us

    if not _DURATION_PATTERN.fullmatch(text):
        what = "has no unit" if text.strip().isdigit() else "is no duration"
        raise CommandError(f"{option} {text} {what}", hint="write 90m, 12h or 30d")
    return parse_duration_us(text, option)


def parse_since(text: str, option: str = "--since") -> Micros:
    """Parse an instant to microseconds since the epoch: an age (`2h`, `7d`), a date, or an ISO 8601 instant.

    What names no zone is in the zone of this machine.  Raises CommandError.
    """
    from holdwater.schedules import parse_duration_us

    if _DURATION_PATTERN.fullmatch(text):
        return Micros(wall_now() - parse_duration_us(text, option))
    try:
        return from_rfc3339(text.strip())
    except (ValueError, OverflowError, OSError) as error:
        raise CommandError(
            f"{option} {text} is neither a duration nor an instant",
            hint="write 90m, 2h, 7d, 2026-11-21 or 2026-11-21T08:00:00Z",
        ) from error


def parse_instant(text: str | None, option: str) -> datetime | None:
    """Parse a date or an ISO 8601 instant; without a zone it is local time.  Raises CommandError."""
    if text is None:
        return None
    try:
        return to_datetime(from_rfc3339(text.strip()))
    except (ValueError, OverflowError, OSError) as error:
        raise CommandError(f"{option} {truncate(text)} is no instant", hint="write 2026-11-21T05:00:00Z") from error


def check_seconds(value: float, option: str) -> float:
    """Parse a number of seconds of a schedule option.  Raises CommandError."""
    if not 0 <= value <= MAX_SECONDS:
        raise CommandError(f"{option} {value:g} is not between 0 and {MAX_SECONDS:,.0f} seconds")
    return value
