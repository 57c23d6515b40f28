"""Extreme days, and counts of the kinds of weather."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from holdwater.demo.days import Day


def records(days: Sequence[Day]) -> dict[str, dict[str, Any]]:
    """Find the hottest and coldest (°C) and windiest (m/s) day, and the widest range within a day (K)."""
    return {
        "hottest": _extreme_day(days, lambda day: day.max_c),
        "coldest": _extreme_day(days, lambda day: day.min_c, sign=-1),
        "windiest": _extreme_day(days, lambda day: day.wind_m_s),
        "widest_range": _extreme_day(days, lambda day: round(day.max_c - day.min_c, 1)),
    }


def count_kinds(days: Sequence[Day]) -> dict[str, int]:
    """Count days per kind of weather, the most frequent first."""
    return dict(sorted(Counter(day.kind for day in days).items(), key=lambda item: (-item[1], item[0])))


def mean_wind(days: Sequence[Day]) -> float:
    """Return the mean wind speed, m/s."""
    return round(sum(day.wind_m_s for day in days) / len(days), 2)


def _extreme_day(days: Sequence[Day], value: Callable[[Day], float], sign: int = 1) -> dict[str, Any]:
    day = max(days, key=lambda one: sign * value(one))
    return {"date": day.date, "value": value(day)}
