"""Reading expressions, asking for instants, and what is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import HoldwaterError, ScheduleError
from holdwater.model.time import Micros, from_datetime
from holdwater.schedules import Cron
from holdwater.schedules import zones as zones_module
from holdwater.schedules.zones import EARLIEST_SECOND, LATEST_SECOND, instants_at, known_zones, offset_interval
from tests.schedules.oracle import DAY, offset
from tests.schedules.sample import expressions

US = 1_000_000


def micros(text: str) -> Micros:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


def local_fires(cron: Cron, text: str, count: int = 3) -> list[str]:
    """The next fires after a moment in UTC, as the clocks of the zone show them."""
    found = cron.between(micros(text), Micros(LATEST_SECOND * US), count)
    return [f"{datetime.fromtimestamp(i / US, ZoneInfo(cron.timezone)):%Y-%m-%d %H:%M:%S%z}" for i in found]


NEXT = [
    ("0 0 * * *", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("0 2 * * 1", "2026-01-31 12:00", "2026-02-02 02:00:00"),
    ("*/15 * * * *", "2026-01-31 12:01", "2026-01-31 12:15:00"),
    ("0 9-17 * * 1-5", "2026-01-30 17:00", "2026-02-02 09:00:00"),
    ("*/2 * * * * *", "2026-01-31 12:00:01", "2026-01-31 12:00:02"),
    ("0 0 * * SUN", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("0 0 * * 7", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("0 0 * * 0", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("0 0 * * FRI-SUN", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("0 0 * jan mon", "2026-01-31 12:00", "2027-01-04 00:00:00"),
    ("0 0 L * *", "2028-02-01 12:00", "2028-02-29 00:00:00"),
    ("0 0 LW 1 *", "2026-01-02 12:00", "2026-01-30 00:00:00"),
    ("0 0 * * 5L", "2026-01-02 12:00", "2026-01-30 00:00:00"),
    ("0 0 * * MON#2", "2026-01-13 12:00", "2026-02-09 00:00:00"),
    ("0 0 ? * MON", "2026-01-31 12:00", "2026-02-02 00:00:00"),
    ("0 0 13 * FRI", "2026-02-01 12:00", "2026-02-06 00:00:00"),
    ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00:00"),
    ("0 0 29 2 *", "2096-03-01 00:00", "2104-02-29 00:00:00"),
    ("0 0 * 2 MON#5", "2084-03-01 00:00", "2112-02-29 00:00:00"),
    ("@yearly", "2026-01-31 12:00", "2027-01-01 00:00:00"),
    ("@Annually", "2026-01-31 12:00", "2027-01-01 00:00:00"),
    ("@monthly", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("@weekly", "2026-02-01 12:00", "2026-02-08 00:00:00"),
    ("@daily", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("@midnight", "2026-01-31 12:00", "2026-02-01 00:00:00"),
    ("@hourly", "2026-01-31 12:00", "2026-01-31 13:00:00"),
    ("0 0 1 1 *", "9998-06-01 00:00", "9999-01-01 00:00:00"),
    ("0 0 1 1 *", "1850-06-01 00:00", "1851-01-01 00:00:00"),
]


@pytest.mark.parametrize(("expression", "after", "expected"), NEXT)
def test_next(expression: str, after: str, expected: str) -> None:
    cron = Cron(expression, "UTC")
    assert local_fires(cron, after, 1) == [f"{expected}+0000"]
    following = cron.next_after(micros(after))
    assert following is not None
    assert cron.at_or_before(following) == cron.previous_before(Micros(following + 1)) == following
    assert cron.next_after(Micros(following - 1)) == following


def test_fixed_time_in_a_skipped_hour_fires_once_after_it() -> None:
    assert local_fires(Cron("30 2 * * *", "America/New_York"), "2026-03-07 12:00", 2) == [
        "2026-03-08 03:00:00-0400",
        "2026-03-09 02:30:00-0400",
    ]


def test_fixed_time_in_a_doubled_hour_fires_at_the_first() -> None:
    assert local_fires(Cron("30 1 * * *", "America/New_York"), "2026-10-31 12:00", 2) == [
        "2026-11-01 01:30:00-0400",
        "2026-11-02 01:30:00-0500",
    ]


def test_star_fires_at_every_real_instant() -> None:
    assert local_fires(Cron("30 * * * *", "America/New_York"), "2026-11-01 05:00", 3) == [
        "2026-11-01 01:30:00-0400",
        "2026-11-01 01:30:00-0500",
        "2026-11-01 02:30:00-0500",
    ]
    assert local_fires(Cron("*/30 2 * * *", "America/New_York"), "2026-03-07 12:00", 1) == ["2026-03-09 02:00:00-0400"]


def test_seconds_obey_the_same_rule() -> None:
    assert local_fires(Cron("10 30 2 * * *", "America/New_York"), "2026-03-07 12:00", 1) == ["2026-03-08 03:00:00-0400"]
    assert (
        local_fires(Cron("10 30 1 * * *", "America/New_York"), "2026-10-31 12:00", 2)[1] == "2026-11-02 01:30:10-0500"
    )


def test_a_day_left_out_fires_when_the_next_begins() -> None:
    assert local_fires(Cron("0 9 * * *", "Pacific/Apia"), "2011-12-29 20:00", 2) == [
        "2011-12-31 00:00:00+1400",
        "2011-12-31 09:00:00+1400",
    ]


def test_the_ends_of_time_are_none() -> None:
    cron = Cron("* * * * *", "Europe/Berlin")
    for far in (micros("9999-12-30 00:00"), 10**30):
        assert cron.next_after(Micros(far)) is None
    assert cron.next_after(Micros(-(10**30))) is not None
    assert cron.previous_before(Micros(-(10**30))) is None
    assert cron.at_or_before(Micros(10**30)) is not None


@pytest.mark.parametrize("expression", ["* 2 * 3 SUN#2", "*/5 2 * 3 SUN#2"])
def test_the_search_ends_where_the_clocks_leap_over_every_match(expression: str) -> None:
    cron = Cron(expression, "America/New_York")
    assert cron.next_after(micros("2026-01-01 00:00")) is None
    assert Cron(expression, "UTC").next_after(micros("2026-01-01 00:00")) == micros("2026-03-08 02:00")


def test_the_latest_of_a_year_of_seconds_is_found_without_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    cron, calls, step = Cron("* * * * * *"), [0], Cron.at_or_before

    def counted(self: Cron, at: int) -> int | None:
        calls[0] += 1
        return step(self, Micros(at))

    monkeypatch.setattr(Cron, "at_or_before", counted)
    end = micros("2026-01-01 00:00")
    assert cron.between(micros("2025-01-01 00:00"), end, 3, latest=True) == (end - 2 * US, end - US, end)
    assert calls[0] < 5
    assert cron.between(end, Micros(end + 10 * US), 0) == cron.between(end, Micros(end - 1), 5) == ()


def test_a_value() -> None:
    cron = Cron("0 9 * * MON-FRI", "Europe/Berlin")
    assert cron == Cron("0 9 * * MON-FRI", "Europe/Berlin") != Cron("0 9 * * MON-FRI", "UTC")
    assert len({cron, pickle.loads(pickle.dumps(cron))}) == 1
    assert repr(cron) == "Cron(expression='0 9 * * MON-FRI', timezone='Europe/Berlin')"
    with pytest.raises(AttributeError):
        cron.timezone = "UTC"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 * * 1-5", "At 09:00 on Monday through Friday"),
        ("0 0 9 * * 1-5", "At 09:00 on Monday through Friday"),
        ("@daily", "At 00:00 every day"),
        ("0 0 ? * SUN", "At 00:00 on Sunday"),
    ],
)
def test_explain(expression: str, words: str) -> None:
    assert Cron(expression).explain() == words


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_explains_itself(expression: str) -> None:
    assert Cron(expression).explain()


REFUSED = [
    ("61 * * * *", "minute '61': allowed are 0-59"),
    ("60 0 0 * * *", "second '60': allowed are 0-59"),
    ("0 24 * * *", "hour '24': allowed are 0-23"),
    ("0 0 0 * *", "day of month '0': allowed are 1-31"),
    ("0 0 * 13 *", "month '13': allowed are 1-12"),
    ("0 0 * * 8", "day of week '8': allowed are 0-7"),
    ("0 0 * * MON-FOO", "day of week 'MON-FOO'"),
    ("0 0 * * 1#6", "day of week '1#6'"),
    ("0 0 15W * *", "day of month '15W': allowed are 1-31, L (the last day) and LW"),
    ("5-1 * * * *", "minute '5-1': the range is reversed"),
    ("0 22-2 * * *", "hour '22-2': the range is reversed"),
    ("0 0 * * FRI-MON", "day of week 'FRI-MON': the range is reversed"),
    ("0 0 30-1/2 * *", "day of month '30-1/2': the range is reversed"),
    ("1,99,2 * * * *", "minute '99'"),
    ("1,,2 * * * *", "minute '' is empty"),
    ("*/0 * * * *", "minute '*/0'"),
    ("*/90 * * * *", "minute '*/90': a step is at most 60"),
    ("0 */25 * * *", "hour '*/25': a step is at most 24"),
    ("*-5 * * * *", "minute '*-5'"),
    ("", "is empty"),
    ("  \t\n", "is empty"),
    ("* * * *", "has 4 fields"),
    ("* * * * * * *", "has 7 fields"),
    ("invalid cron", "has 2 fields"),
    ("@reboot", "alias '@reboot' is unknown"),
    ("@every 5m", "is unknown"),
    ("0 0 31 2 *", "never fires"),
    ("0 0 30 2 *", "never fires"),
    ("0 0 31 2,4,6,9,11 ?", "never fires"),
    ("0 0 30 FEB * ", "never fires"),
    ("1" * 10_000, "at most 1000 characters"),
    ("9" * 900 + " * * * *", "minute '9999"),
    ("*/" + "9" * 900 + " * * * *", "minute '*/9999"),
    ("é * * * *", "not ASCII"),
    ("٣ * * * *", "not ASCII"),
    ("0 0 * * MON; DROP TABLE", "has 7 fields"),
]


@pytest.mark.parametrize(("expression", "words"), REFUSED)
def test_refused(expression: str, words: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Cron(expression)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, HoldwaterError)


ZONES = [
    ("utc", "'UTC'"),
    ("europe/berlin", "'Europe/Berlin'"),
    ("Europe/Berln", "'Europe/Berlin'"),
    ("America/NewYork", "'America/New_York'"),
    ("+02:00", "'Etc/GMT-2'"),
    ("UTC-5", "'Etc/GMT+5'"),
    ("Foo/Bar", "use a name"),
    ("", "use a name"),
    ("../../etc/passwd", "use a name"),
    ("/etc/passwd", "use a name"),
    ("/usr/share/zoneinfo/UTC", ""),
    ("Europe", ""),
    ("Europe/Berlin\0", ""),
    ("localtime", ""),
    ("posix/UTC", ""),
    ("x" * 10_000, ""),
    (" UTC", "'UTC'"),
]


@pytest.mark.parametrize(("name", "hint"), ZONES)
def test_zones_refused(name: str, hint: str) -> None:
    with pytest.raises(ScheduleError, match="is not an IANA name") as caught:
        Cron("@daily", name)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("arguments", [(None,), (5,), (b"@daily",), ("@daily", None), ("@daily", UTC)])
def test_only_text(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ScheduleError, match="is text"):
        Cron(*arguments)  # type: ignore[arg-type]


CRONISH = st.lists(st.sampled_from([*"0123456789*/,-#?LW ", "MON", "JAN", "SUN", " * ", "@"]), max_size=40).map("".join)
WORDS = st.lists(
    st.sampled_from(["*", "*/5", "0", "L", "LW", "5L", "MON#2", "1-5", "SUN", "JAN", "5/7", "59", "?", "31", "2"]),
    min_size=5,
    max_size=6,
).map(" ".join)


@given(st.one_of(st.text(), CRONISH, WORDS), st.one_of(st.just("UTC"), st.just("Europe/London"), st.text()))
def test_nothing_but_a_schedule_error(expression: str, zone: str) -> None:
    try:
        cron = Cron(expression, zone)
    except ScheduleError:
        return
    assert cron.explain()
    following = cron.next_after(Micros(1_774_700_000 * US))
    if following is not None:
        assert cron.at_or_before(following) == following


RISING = st.tuples(
    st.sampled_from(expressions()),
    st.sampled_from(sorted(known_zones())),
    st.integers(min_value=-4_000_000_000 * US, max_value=20_000_000_000 * US),
)


@given(RISING)
def test_there_and_back(case: tuple[str, str, int]) -> None:
    expression, zone, at = case
    cron = Cron(expression, zone)
    before, following = cron.at_or_before(Micros(at)), cron.next_after(Micros(at))
    assert before is not None
    assert following is not None
    assert before <= at < following
    assert cron.next_after(before) == cron.next_after(Micros(following - 1)) == following
    assert cron.previous_before(following) == cron.at_or_before(Micros(following - 1)) == before
    assert cron.between(Micros(before - 1), following, 9) == (before, following)
    assert cron.between(Micros(before - 1), following, 9, latest=True) == (before, following)


@given(RISING)
def test_strictly_rising(case: tuple[str, str, int]) -> None:
    expression, zone, at = case
    found = Cron(expression, zone).between(Micros(at), Micros(LATEST_SECOND * US), 20)
    assert len(found) == 20
    assert list(found) == sorted(set(found))
    assert Cron(expression, zone).between(Micros(at), found[-1], 20, latest=True) == found


@given(st.sampled_from(sorted(known_zones())), st.integers(EARLIEST_SECOND, LATEST_SECOND))
def test_stretches_are_what_zoneinfo_says(name: str, instant: int) -> None:
    start, end, known = offset_interval(name, instant)
    assert start <= instant < end
    assert {known} == {
        offset(ZoneInfo(name), min(max(i, EARLIEST_SECOND), LATEST_SECOND)) for i in (start, instant, end - 1)
    }
    assert instant in instants_at(name, instant + known)


@pytest.mark.long
def test_no_transition_of_any_zone_is_missed() -> None:
    start, end = int(datetime(1840, 1, 1, tzinfo=UTC).timestamp()), int(datetime(2040, 1, 1, tzinfo=UTC).timestamp())
    for name in sorted(known_zones()):
        tz = ZoneInfo(name)
        zones_module._offset_changes.cache_clear()
        for instant in range(start, end, DAY):
            assert offset_interval(name, instant)[2] == offset(tz, instant), (name, instant)


def test_whoever_has_no_schedule_does_not_load_it() -> None:
    code = "import sys, holdwater; print([m for m in ('cronsim', 'holdwater.schedules') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
