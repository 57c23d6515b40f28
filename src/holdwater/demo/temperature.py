"""Temperatures: months, years, hot and frosty days, and the drift across the period.  All in degrees Celsius."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final

from holdwater.demo.days import Day, by_month, by_year

HOT_C: Final = 30.0
FROST_C: Final = 0.0


def monthly(days: Sequence[Day]) -> list[dict[str, Any]]:
    """Summarise each month: mean, means of the daily highs and lows, and the extremes."""
    return [{"month": month, **_summarize(group)} for month, group in by_month(days)]


def yearly(days: Sequence[Day]) -> list[dict[str, Any]]:
    """Summarise each year: the same figures, and the numbers of hot and frost days."""
    return [
        {"year": year, **_summarize(group), "hot_days": count_hot_days(group), "frost_days": count_frost_days(group)}
        for year, group in by_year(days)
    ]


def mean_temperature(days: Sequence[Day]) -> float:
    """Return the mean of all days."""
    return round(fmean(day.mid_c for day in days), 2)


def count_hot_days(days: Sequence[Day]) -> int:
    """Count the days that reached HOT_C."""
    return sum(day.max_c >= HOT_C for day in days)


def count_frost_days(days: Sequence[Day]) -> int:
    """Count the days that fell to FROST_C or below."""
    return sum(day.min_c <= FROST_C for day in days)


def yearly_trend(days: Sequence[Day]) -> float:
    """Return the trend in K per year: the slope of the months' deviations from the mean of the same month.

    Subtracting the mean of each month keeps the seasons out of the slope.
    """
    months = [(month, fmean(day.mid_c for day in group)) for month, group in by_month(days)]
    usual = {
        name: fmean(value for month, value in months if month[5:] == name)
        for name in {month[5:] for month, _ in months}
    }
    times = [int(month[:4]) + (int(month[5:]) - 0.5) / 12 for month, _ in months]
    return slope(times, [value - usual[month[5:]] for month, value in months])


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return the least-squares slope of ys over xs; 0 for fewer than two distinct xs."""
    x_mean, y_mean = fmean(xs), fmean(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys)) / spread if spread else 0.0


def _summarize(days: Sequence[Day]) -> dict[str, float]:
    return {
        "mean_c": mean_temperature(days),
        "mean_max_c": round(fmean(day.max_c for day in days), 2),
        "mean_min_c": round(fmean(day.min_c for day in days), 2),
        "highest_c": max(day.max_c for day in days),
        "lowest_c": min(day.min_c for day in days),
    }
