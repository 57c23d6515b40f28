"""The data of the demo read a second time, in the plainest way, to compare the demo's figures with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import holdwater.demo
from holdwater.demo import days, extremes, files, rain, temperature, words

CSV = Path(holdwater.demo.__file__).parent / "data" / "seattle-weather.csv"


def raw() -> list[dict[str, str]]:
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(name: str, prefix: str = "") -> list[float]:
    """One column as numbers; `prefix` of the date as in the file, such as `2013/07`."""
    return [float(row[name]) for row in raw() if row["date"].startswith(prefix)]


def rows() -> list[list[str]]:
    return days.read_rows(files.packaged("seattle-weather.csv"))


def all_days() -> list[days.Day]:
    return days.check(rows()).days


def context() -> dict[str, Any]:
    """What the tasks leave in the context, as far as page and findings look at it."""
    data = all_days()
    figures: dict[str, Any] = {
        "checked": {"days": len(data), "rejected": [], "missing_days": 0},
        "temperature": {
            "months": temperature.monthly(data),
            "years": temperature.yearly(data),
            "mean_c": temperature.mean(data),
            "trend_c_per_year": temperature.trend(data),
        },
        "rain": {
            "months": rain.monthly(data),
            "years": rain.yearly(data),
            "wettest_day": rain.wettest_day(data),
            "dry_spell": rain.dry_spell(data),
        },
        "extremes": {"records": extremes.records(data), "kinds": extremes.kinds(data)},
        "normals_c": [10.0] * 12,
        "deviation_c": -0.4,
    }
    return {**figures, "findings": words.findings(figures)}
