"""Instants: one textual form for all, exact in both directions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.model.time import Micros, from_datetime, from_rfc3339, to_datetime, to_rfc3339

_FIRST_US = from_datetime(datetime(1, 1, 1, tzinfo=UTC))
_LAST_US = from_datetime(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
_INSTANTS = st.integers(_FIRST_US, _LAST_US)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_795_237_200_000_001, "2026-11-21T05:00:00.000001Z"),
        (_FIRST_US, "0001-01-01T00:00:00.000000Z"),
        (_LAST_US, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_the_form(us: int, text: str) -> None:
    assert to_rfc3339(Micros(us)) == text
    assert from_rfc3339(text) == us


@given(_INSTANTS, _INSTANTS)
def test_exact_and_in_order(one: int, other: int) -> None:
    assert from_rfc3339(to_rfc3339(Micros(one))) == from_datetime(to_datetime(Micros(one))) == one
    assert (to_rfc3339(Micros(one)) < to_rfc3339(Micros(other))) == (one < other)


@pytest.mark.parametrize("text", ["2026-11-21T05:00:00Z", "2026-11-21T05:00:00+00:00", "2026-11-21T10:30:00.0+05:30"])
def test_other_forms_are_read(text: str) -> None:
    assert to_rfc3339(from_rfc3339(text)) == "2026-11-21T05:00:00.000000Z"


def test_without_a_zone_it_is_local_time() -> None:
    here = datetime(2026, 11, 21, 5).astimezone()
    assert from_rfc3339("2026-11-21T05:00:00") == from_datetime(here) == from_datetime(here.replace(tzinfo=None))
    assert to_datetime(from_datetime(here)) == here.astimezone(timezone(timedelta(hours=-3)))


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)
