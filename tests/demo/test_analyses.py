"""The demo's figures against figures computed here from the file, and against ones looked up in it by hand."""

from __future__ import annotations

from statistics import linear_regression

import pytest

from holdwater.demo import extremes, normals, rain, temperature, words
from holdwater.demo.days import Day
from tests.demo import figures
from tests.demo.figures import column


def days(*rain_mm: float, skip: int = 99) -> list[Day]:
    """Days of January 2012 with that much rain; the day of number `skip` is missing."""
    return [Day(f"2012-01-{i:02}", mm, 5, 1, 2, "rain") for i, mm in enumerate(rain_mm, start=1) if i != skip]


def test_months_of_temperature() -> None:
    months = temperature.monthly(figures.validated_days())
    assert len(months) == 48
    for month in months:
        prefix = month["month"].replace("-", "/")
        highs, lows = column("temp_max", prefix), column("temp_min", prefix)
        assert month["mean_max_c"] == pytest.approx(sum(highs) / len(highs), abs=0.0051)
        assert month["mean_min_c"] == pytest.approx(sum(lows) / len(lows), abs=0.0051)
        assert month["mean_c"] == pytest.approx((sum(highs) + sum(lows)) / 2 / len(lows), abs=0.0051)
        assert (month["highest_c"], month["lowest_c"]) == (max(highs), min(lows))


def test_years_of_temperature() -> None:
    years = temperature.yearly(figures.validated_days())
    assert [(y["year"], y["hot_days"], y["frost_days"]) for y in years] == [
        ("2012", 8, 21),
        ("2013", 15, 30),
        ("2014", 17, 22),
        ("2015", 23, 15),
    ]
    for year in years:
        assert year["hot_days"] == sum(high >= 30 for high in column("temp_max", year["year"]))
        assert year["frost_days"] == sum(low <= 0 for low in column("temp_min", year["year"]))


def test_trend_is_the_slope_of_the_deviations() -> None:
    # As many months of each name in the file: the deviations of months have the mean month of its name taken out.
    means = {}
    for month in {row["date"][:7] for row in figures.read_raw_rows()}:
        highs, lows = column("temp_max", month), column("temp_min", month)
        means[month] = (sum(highs) + sum(lows)) / 2 / len(highs)
    usual = [sum(means[f"{year}/{n:02}"] for year in range(2012, 2016)) / 4 for n in range(1, 13)]
    xs = [year + n / 12 for year in range(2012, 2016) for n in range(12)]
    ys = [means[f"{year}/{n + 1:02}"] - usual[n] for year in range(2012, 2016) for n in range(12)]
    assert temperature.yearly_trend(figures.validated_days()) == pytest.approx(linear_regression(xs, ys).slope)
    assert temperature.slope([1, 2, 3], [10, 12, 14]) == pytest.approx(2)
    assert temperature.slope([1, 1], [10, 12]) == 0


def test_rain_by_month_and_year() -> None:
    data = figures.validated_days()
    for month in rain.monthly(data):
        fell = column("precipitation", month["month"].replace("-", "/"))
        assert month["rain_mm"] == pytest.approx(sum(fell), abs=0.051)
        assert month["wet_days"] == sum(mm >= 1 for mm in fell)
    assert [(y["year"], y["rain_mm"]) for y in rain.yearly(data)] == [
        ("2012", 1226.0),
        ("2013", 828.0),
        ("2014", 1232.8),
        ("2015", 1139.2),
    ]
    assert rain.wettest_day(data) == {"date": "2015-03-15", "rain_mm": 55.9}


def test_the_longest_spells() -> None:
    # Written as a string of d and w, the longest spell is the longest piece between two of the other letter.
    letters = "".join("w" if mm >= 1 else "d" for mm in column("precipitation"))
    data = figures.validated_days()
    assert rain.longest_dry_spell(data) == {"first": "2012-07-23", "last": "2012-10-11", "days": 81}
    assert rain.longest_wet_spell(data) == {"first": "2014-02-10", "last": "2014-02-24", "days": 15}
    assert max(map(len, letters.split("w"))) == 81
    assert max(map(len, letters.split("d"))) == 15


def test_spells_at_the_edges() -> None:
    assert rain.longest_dry_spell(days(0, 0, 5, 0, 0)) == {"first": "2012-01-01", "last": "2012-01-02", "days": 2}
    assert rain.longest_dry_spell(days(5, 0, 0.9, 0)) == {"first": "2012-01-02", "last": "2012-01-04", "days": 3}
    assert rain.longest_dry_spell(days(1, 2)) == {"first": None, "last": None, "days": 0}
    assert rain.longest_dry_spell(days(0, 0, 0, 0, 0, skip=3))["days"] == 2, "a missing day ends a spell"


def test_records_and_kinds() -> None:
    data = figures.validated_days()
    assert extremes.records(data) == {
        "hottest": {"date": "2014-08-11", "value": max(column("temp_max"))},
        "coldest": {"date": "2013-12-07", "value": min(column("temp_min"))},
        "windiest": {"date": "2012-12-17", "value": max(column("wind"))},
        "widest_range": {"date": "2012-09-07", "value": 18.9},
    }
    names = [row["weather"] for row in figures.read_raw_rows()]
    assert extremes.count_kinds(data) == {name: names.count(name) for name in ("sun", "fog", "rain", "drizzle", "snow")}
    assert list(extremes.count_kinds(data)) == ["sun", "fog", "rain", "drizzle", "snow"]
    assert extremes.mean_wind(data) == pytest.approx(sum(column("wind")) / 1461, abs=0.0051)


def test_deviation_from_the_normals() -> None:
    months = [{"month": "2012-01", "mean_c": 6.0}, {"month": "2012-07", "mean_c": 20.0}]
    assert normals.mean_deviation(months, [5.0] * 6 + [18.0] * 6) == 1.5


def test_findings_in_words() -> None:
    found = figures.report_context()["findings"]
    assert found[0] == "1,461 days read, 0 rejected, 0 missing."
    assert "0.4 °C below the climate normal" in found[1]
    assert found[3] == "Hottest 35.6 °C on 11 Aug 2014, coldest −7.1 °C on 7 Dec 2013."
    assert found[-1] == "Longest dry spell 81 days under 1 mm, 23 Jul 2012 to 11 Oct 2012."
    note = words.heat_note(figures.report_context()["temperature"])
    assert note == "Many hot days: 63 reached 30 °C, 23 of them in 2015."
