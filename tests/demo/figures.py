"""The data of the demo read a second time, in the plainest way, to compare the demo's figures with."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import holdwater.demo
from holdwater.demo import days, extremes, files, rain, temperature, words

CSV = Path(holdwater.demo.__file__).parent / "data" / "seattle-weather.csv"


def read_raw_rows() -> list[dict[str, str]]:
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(name: str, prefix: str = "") -> list[float]:
    """One column as numbers; `reference` of the date as in the file, such as `2013/07`."""
    return [float(row[name]) for row in read_raw_rows() if row["date"].startswith(prefix)]


def read_rows() -> list[list[str]]:
    return days.read_rows(files.read_package_data("seattle-weather.csv"))


def validated_days() -> list[days.Day]:
    return days.validate_rows(read_rows()).days


def report_context() -> dict[str, Any]:
    """What the tasks leave in the context, as far as page and findings look at it."""
    data = validated_days()
    figures: dict[str, Any] = {
        "checked": {"days": len(data), "rejected": [], "missing_days": 0},
        "temperature": {
            "months": temperature.monthly(data),
            "years": temperature.yearly(data),
            "mean_c": temperature.mean_temperature(data),
            "trend_c_per_year": temperature.yearly_trend(data),
        },
        "rain": {
            "months": rain.monthly(data),
            "years": rain.yearly(data),
            "wettest_day": rain.wettest_day(data),
            "dry_spell": rain.longest_dry_spell(data),
        },
        "extremes": {"records": extremes.records(data), "kinds": extremes.count_kinds(data)},
        "normals_c": [10.0] * 12,
        "deviation_c": -0.4,
    }
    return {**figures, "findings": words.findings(figures)}
