from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import ScheduleError
from holdwater.schedules import parse_duration_us


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500ms", 500_000),
        ("5s", 5_000_000),
        ("2m", 120_000_000),
        ("1h", 3_600_000_000),
        ("30d", 2_592_000_000_000),
        (" 5 s ", 5_000_000),
        ("5", 5_000_000),
        (5, 5_000_000),
        (timedelta(minutes=1, microseconds=1), 60_000_001),
    ],
)
def test_read(value: object, expected: int) -> None:
    assert parse_duration_us(value) == expected


@pytest.mark.parametrize(
    "value",
    ["", "s", "5 apples", "-5s", "5S", "1.5s", "0s", 0, -1, True, None, 1.5, timedelta(0), timedelta(days=-1),
     "9" * 5000, 10**30, timedelta.max, "999999999999h", "٥s", "5s\0", "1h30m"],
)  # fmt: skip
def test_refused(value: object) -> None:
    with pytest.raises(ScheduleError, match=r"^Invalid poll_interval: ") as caught:
        parse_duration_us(value)
    assert len(str(caught.value)) < 250


def test_the_name_of_the_option_is_in_the_message() -> None:
    with pytest.raises(ScheduleError, match=r"^Invalid base_interval: '0s' is not more than 0"):
        parse_duration_us("0s", "base_interval")


@given(st.one_of(st.text(), st.integers(), st.timedeltas(), st.floats()))
def test_nothing_but_a_schedule_error(value: object) -> None:
    with contextlib.suppress(ScheduleError):
        assert parse_duration_us(value) > 0
