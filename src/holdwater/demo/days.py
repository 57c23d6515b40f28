"""Parsing and validation of days of weather."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

HEADER: Final = ["date", "precipitation", "temp_max", "temp_min", "wind", "weather"]
KINDS: Final = frozenset({"drizzle", "fog", "rain", "snow", "sun"})

# What any weather station on Earth at this latitude can report; wider than the records of Seattle, on purpose.
RAIN_LIMITS_MM: Final = (0.0, 500.0)
TEMPERATURE_LIMITS_C: Final = (-50.0, 55.0)
WIND_LIMITS_M_S: Final = (0.0, 60.0)

MAX_REJECTED_SHARE: Final = 0.01
MAX_GAP_DAYS: Final = 7


class BadData(ValueError):
    """Raised for a file with too many invalid or missing days."""


class Day(NamedTuple):
    """One day: precipitation in mm, temperatures in degrees Celsius, mean wind speed in m/s."""

    date: str
    rain_mm: float
    max_c: float
    min_c: float
    wind_m_s: float
    kind: str

    @property
    def mid_c(self) -> float:
        """The midpoint of the day's extremes, degrees Celsius; climatology's usual daily mean."""
        return (self.max_c + self.min_c) / 2

    @property
    def month(self) -> str:
        """YYYY-MM."""
        return self.date[:7]

    @property
    def year(self) -> str:
        return self.date[:4]

    def ordinal(self) -> int:
        """Return the day's ordinal number; consecutive days differ by one."""
        return date.fromisoformat(self.date).toordinal()


@dataclass(frozen=True)
class CheckedDays:
    """Valid days, rejected rows as (number from 1, reason), and the number of missing days."""

    days: list[Day]
    rejected: list[tuple[int, str]]
    missing_days: int


def read_rows(text: str) -> list[list[str]]:
    """Read the fields of a CSV file as text, without header and blank lines.  Raises BadData for other columns."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows or rows[0] != HEADER:
        raise BadData(f"expected the columns {', '.join(HEADER)}, found {', '.join(rows[0]) if rows else 'nothing'}")
    return rows[1:]


def parse_day(row: Sequence[str]) -> Day:
    """Parse a row.  Raises ValueError if it is malformed or physically impossible."""
    if len(row) != len(HEADER):
        raise ValueError(f"{len(row)} fields instead of {len(HEADER)}")
    rain = _parse_number("precipitation", row[1], RAIN_LIMITS_MM)
    high = _parse_number("temp_max", row[2], TEMPERATURE_LIMITS_C)
    low = _parse_number("temp_min", row[3], TEMPERATURE_LIMITS_C)
    wind = _parse_number("wind", row[4], WIND_LIMITS_M_S)
    if low > high:
        raise ValueError(f"temp_min {low} above temp_max {high}")
    if row[5] not in KINDS:
        raise ValueError(f"unknown weather {row[5]!r}")
    return Day(_parse_date(row[0]), rain, high, low, wind, row[5])


def partition_rows(rows: Iterable[Sequence[str]]) -> tuple[list[Day], list[tuple[int, str]]]:
    """Split rows into valid days, in ascending order, and (number, reason) of every other row."""
    days: list[Day] = []
    rejected: list[tuple[int, str]] = []
    for number, row in enumerate(rows, start=1):
        try:
            day = parse_day(row)
            if days and day.date <= days[-1].date:
                raise ValueError(f"{day.date} does not come after {days[-1].date}")
        except ValueError as error:
            rejected.append((number, str(error)))
        else:
            days.append(day)
    return days, rejected


def validate_rows(rows: Iterable[Sequence[str]]) -> CheckedDays:
    """Return the days to analyse with the rejected rows.  Raises BadData for too many rejected or missing days."""
    days, rejected = partition_rows(rows)
    _check_rejected_share(len(days), rejected)
    return CheckedDays(days, rejected, count_missing_days(days))


def count_missing_days(days: Sequence[Day]) -> int:
    """Count the missing days between the first and the last.  Raises BadData for a long gap."""
    missing = 0
    for before, after in pairwise(days):
        gap = after.ordinal() - before.ordinal() - 1
        if gap > MAX_GAP_DAYS:
            raise BadData(f"{gap} days missing before {after.date}, at most {MAX_GAP_DAYS} are tolerated")
        missing += gap
    return missing


def days_from_json(values: Iterable[Sequence[Any]]) -> list[Day]:
    """Convert the lists of a JSON context to days."""
    return [Day(*value) for value in values]


def by_month(days: Sequence[Day]) -> list[tuple[str, list[Day]]]:
    """Group days by month, in chronological order."""
    return [(month, list(group)) for month, group in groupby(days, key=lambda day: day.month)]


def by_year(days: Sequence[Day]) -> list[tuple[str, list[Day]]]:
    """Group days by year, in chronological order."""
    return [(year, list(group)) for year, group in groupby(days, key=lambda day: day.year)]


def _check_rejected_share(accepted_count: int, rejected: list[tuple[int, str]]) -> None:
    total = accepted_count + len(rejected)
    if not total:
        raise BadData("no rows")
    if len(rejected) > total * MAX_REJECTED_SHARE:
        number, reason = rejected[0]
        raise BadData(f"{len(rejected)} of {total} rows are bad, the first is row {number}: {reason}")


def _parse_date(text: str) -> str:
    return datetime.strptime(text, "%Y/%m/%d").date().isoformat()


def _parse_number(name: str, text: str, limits: tuple[float, float]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is not a number") from None
    low, high = limits
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} {text} is outside {low:g} to {high:g}")
    return value
