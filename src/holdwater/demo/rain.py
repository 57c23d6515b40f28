"""Precipitation, rain and melted snow alike: totals in mm, wet days, and the longest spells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from holdwater.demo.days import Day, by_month, by_year

WET_MM: Final = 1.0  # what the World Meteorological Organization counts as a wet day


def is_wet(day: Day) -> bool:
    """Return True if at least WET_MM fell."""
    return day.rain_mm >= WET_MM


def monthly(days: Sequence[Day]) -> list[dict[str, Any]]:
    """Summarise each month: total in mm and number of wet days."""
    return [{"month": month, **_summarize(group)} for month, group in by_month(days)]


def yearly(days: Sequence[Day]) -> list[dict[str, Any]]:
    """Summarise each year: total in mm and number of wet days."""
    return [{"year": year, **_summarize(group)} for year, group in by_year(days)]


def wettest_day(days: Sequence[Day]) -> dict[str, Any]:
    """Find the day with the most precipitation, in mm."""
    day = max(days, key=lambda one: one.rain_mm)
    return {"date": day.date, "rain_mm": day.rain_mm}


def longest_dry_spell(days: Sequence[Day]) -> dict[str, Any]:
    """Find the longest sequence of dry days; the first one, if several are as long."""
    return longest_spell(days, lambda day: not is_wet(day))


def longest_wet_spell(days: Sequence[Day]) -> dict[str, Any]:
    """Find the longest sequence of wet days; the first one, if several are as long."""
    return longest_spell(days, is_wet)


def longest_spell(days: Sequence[Day], belongs: Callable[[Day], bool]) -> dict[str, Any]:
    """Return first day, last day and length in days of the longest sequence; a missing day ends a sequence."""
    best: list[Day] = []
    run: list[Day] = []
    for day in days:
        if not belongs(day):
            run = []
            continue
        follows = bool(run) and day.ordinal() == run[-1].ordinal() + 1
        run = [*run, day] if follows else [day]
        best = run if len(run) > len(best) else best
    if not best:
        return {"first": None, "last": None, "days": 0}
    return {"first": best[0].date, "last": best[-1].date, "days": len(best)}


def _summarize(days: Sequence[Day]) -> dict[str, float]:
    return {"rain_mm": round(sum(day.rain_mm for day in days), 1), "wet_days": sum(map(is_wet, days))}
