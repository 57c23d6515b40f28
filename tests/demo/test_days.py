from __future__ import annotations

import pytest

from holdwater.demo.days import (
    HEADER,
    BadData,
    Day,
    days_from_json,
    parse_day,
    partition_rows,
    read_rows,
    validate_rows,
)
from tests.demo import figures

GOOD = ["2012/01/02", "10.9", "10.6", "2.8", "4.5", "rain"]


def rows_with_changed_fields(number: int, **fields: str) -> list[list[str]]:
    """The rows of the file with some fields of one row (counted from 1) changed."""
    rows = figures.read_rows()
    for name, value in fields.items():
        rows[number - 1][HEADER.index(name)] = value
    return rows


def test_a_row_becomes_a_day() -> None:
    day = parse_day(GOOD)
    assert day == Day("2012-01-02", 10.9, 10.6, 2.8, 4.5, "rain")
    assert (day.month, day.year) == ("2012-01", "2012")
    assert day.mid_c == pytest.approx(6.7)


def test_the_packaged_file_is_whole() -> None:
    checked = validate_rows(figures.read_rows())
    assert (len(checked.days), checked.rejected, checked.missing_days) == (1461, [], 0)
    assert (checked.days[0].date, checked.days[-1].date) == ("2012-01-01", "2015-12-31")


def test_days_survive_json() -> None:
    days = figures.validated_days()
    assert days_from_json([list(day) for day in days]) == days


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("date", "2012-01-05", "2012-01-05"),
        ("date", "2012/02/30", "day is out of range"),
        ("precipitation", "", "is not a number"),
        ("precipitation", "-1", "outside 0 to 500"),
        ("temp_max", "warm", "is not a number"),
        ("temp_max", "nan", "outside"),
        ("temp_min", "-inf", "outside"),
        ("temp_min", "30", "above temp_max"),
        ("wind", "200", "outside 0 to 60"),
        ("weather", "frogs", "unknown weather 'frogs'"),
    ],
)
def test_a_bad_row_is_set_aside_and_counted(field: str, value: str, fault: str) -> None:
    checked = validate_rows(rows_with_changed_fields(5, **{field: value}))
    assert [number for number, _ in checked.rejected] == [5]
    assert fault in checked.rejected[0][1]
    assert (len(checked.days), checked.missing_days) == (1460, 1)


def test_a_row_with_a_field_too_few_is_bad() -> None:
    with pytest.raises(ValueError, match="5 fields instead of 6"):
        parse_day(GOOD[:-1])


def test_a_day_that_comes_twice_is_bad_the_second_time() -> None:
    rows = figures.read_rows()
    days, rejected = partition_rows([*rows[:10], rows[9], *rows[10:]])
    assert len(days) == 1461
    assert rejected == [(11, "2012-01-10 does not come after 2012-01-10")]


def test_too_many_bad_rows_are_refused() -> None:
    rows = figures.read_rows()
    for row in rows[:14]:
        row[1] = "?"
    assert len(validate_rows(rows).rejected) == 14  # 14 of 1,461 is just below one in a hundred
    rows[14][1] = "?"
    with pytest.raises(BadData, match="15 of 1461 rows are bad, the first is row 1: precipitation '\\?'"):
        validate_rows(rows)


@pytest.mark.parametrize(("dropped", "missing"), [(1, 1), (7, 7)])
def test_a_short_gap_is_counted(dropped: int, missing: int) -> None:
    rows = figures.read_rows()
    assert validate_rows(rows[:100] + rows[100 + dropped :]).missing_days == missing


def test_a_long_gap_is_refused() -> None:
    rows = figures.read_rows()
    with pytest.raises(BadData, match="8 days missing before 2012-04-18"):
        validate_rows(rows[:100] + rows[108:])


def test_nothing_is_refused() -> None:
    with pytest.raises(BadData, match="no rows"):
        validate_rows([])


@pytest.mark.parametrize("text", ["", "\n\n", "date,rain\n2012/01/01,0\n", "<html>"])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(BadData, match="expected the columns date, precipitation"):
        read_rows(text)
