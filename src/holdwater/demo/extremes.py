"""The single days worth telling, and how often each kind of weather came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from holdwater.demo.days import Day


def records(days: Sequence[Day]) -> dict[str, dict[str, Any]]:
    """Hottest, coldest (degrees Celsius) and windiest (m/s) day, and the widest range within a day (degrees)."""
    return {
        "hottest": _extreme_day(days, lambda day: day.max_c),
        "coldest": _extreme_day(days, lambda day: day.min_c, sign=-1),
        "windiest": _extreme_day(days, lambda day: day.wind_m_s),
        "widest_range": _extreme_day(days, lambda day: round(day.max_c - day.min_c, 1)),
    }


def count_kinds(days: Sequence[Day]) -> dict[str, int]:
    """Days per kind of weather, the most frequent first."""
    return dict(sorted(Counter(day.kind for day in days).items(), key=lambda item: (-item[1], item[0])))


def mean_wind(days: Sequence[Day]) -> float:
    """Mean wind speed in m/s."""
    return round(sum(day.wind_m_s for day in days) / len(days), 2)


def _extreme_day(days: Sequence[Day], value: Callable[[Day], float], sign: int = 1) -> dict[str, Any]:
    day = max(days, key=lambda one: sign * value(one))
    return {"date": day.date, "value": value(day)}
