"""Ours against the oracle, around every change of the clocks from 2024 to 2030 and around famous ones before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from holdwater.model.time import Micros
from holdwater.schedules import Cron
from tests.schedules.oracle import DAY, Clocks, Fields, transitions
from tests.schedules.sample import expressions

HOUR = 3600
PROBES = (-95, -59, -30, -1, 0, 1, 20, 31, 59, 60, 90)
US = 1_000_000
MINUTELY = [e for e in expressions() if len(e.split()) == 5]
SECONDLY = [e for e in expressions() if len(e.split()) == 6]
FIELDS = {e: Fields(e) for e in expressions()}

HISTORY = [
    ("Pacific/Apia", (2011, 12, 30, 10), 60),  # the 30th was left out
    ("Pacific/Kwajalein", (1993, 8, 21, 12), 60),  # so was the 21st
    ("America/Sao_Paulo", (2018, 11, 4, 3), 60),  # gaps at midnight
    ("Asia/Beirut", (2023, 3, 29, 22), 60),
    ("Africa/Cairo", (2014, 7, 31, 22), 60),
    ("Asia/Amman", (2022, 3, 31, 22), 60),
    ("America/Havana", (2023, 11, 5, 5), 60),  # an hour doubled that begins at midnight
    ("Antarctica/Troll", (2025, 3, 30, 1), 60),  # by two hours
    ("Australia/Lord_Howe", (2019, 4, 6, 15), 60),  # by half an hour
    ("Asia/Pyongyang", (2018, 5, 4, 15), 60),
    ("America/Caracas", (2007, 12, 9, 7), 60),
    ("Europe/Berlin", (1945, 5, 24, 0), 60),
    ("Europe/London", (1968, 2, 18, 2), 60),
    ("America/Boa_Vista", (2000, 10, 12, 4), 60),  # forward and back within a week
    ("Africa/Monrovia", (1972, 1, 7, 0, 44, 30), 1),  # offsets that are not whole minutes
    ("America/New_York", (1883, 11, 18, 17), 1),
    ("Asia/Kolkata", (1941, 9, 30, 18), 1),
]


def mismatches(
    zone: str, at: int, wanted: Sequence[str], *, reach: int, step: int, both_ways: bool
) -> Iterator[tuple[str, str, int, list[int]]]:
    clocks = Clocks(zone, at - reach - DAY // 2, at + reach + DAY // 4, step)
    start, end = at - reach, at + reach
    for expression in wanted:
        expected = clocks.fires(FIELDS[expression], start, end)
        cron = Cron(expression, zone)
        window = Micros(start * US - 1), Micros(end * US - 1), 2 * len(expected) + 10
        ours = [[i // US for i in cron.between(*window)]]
        if both_ways:
            ours.append([i // US for i in cron.between(*window, latest=True)])
        for found in ours:
            if found != expected:
                yield expression, zone, at, sorted(set(found) ^ set(expected))
        for probe in (at + minutes * 60 for minutes in PROBES):  # from instants that are no fires, too
            i = bisect_right(expected, probe)
            if i < len(expected) and cron.next_after(Micros(probe * US)) != expected[i] * US:
                yield expression, zone, at, [probe, expected[i]]
            if i and cron.at_or_before(Micros(probe * US)) != expected[i - 1] * US:
                yield expression, zone, at, [expected[i - 1], probe]


def test_there_are_transitions_to_look_at() -> None:
    assert len(transitions()) > 300
    assert len(MINUTELY) + len(SECONDLY) == 200


def test_two_days_around_one_in_four_transitions_a_few_of_the_expressions_each() -> None:
    wrong = [
        found
        for i, (zone, at) in enumerate(transitions()[::4])
        for found in mismatches(zone, at, MINUTELY[i % 30 :: 30], reach=2 * DAY, step=60, both_ways=i % 4 == 0)
    ]
    assert wrong == []


def test_seconds_around_some_transitions() -> None:
    wrong = [
        found
        for zone, at in transitions()[::240]
        for found in mismatches(zone, at, SECONDLY, reach=3 * HOUR, step=1, both_ways=False)
    ]
    assert wrong == []


@pytest.mark.parametrize(("zone", "moment", "step"), HISTORY, ids=lambda v: v if isinstance(v, str) else None)
def test_famous_transitions(zone: str, moment: tuple[int, ...], step: int) -> None:
    at = int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]
    reach, wanted = (2 * DAY, MINUTELY[::2]) if step == 60 else (6 * HOUR, MINUTELY[::8] + SECONDLY[::4])
    assert list(mismatches(zone, at, wanted, reach=reach, step=step, both_ways=True)) == []


@pytest.mark.long
def test_two_days_around_every_transition_all_expressions_both_ways() -> None:
    wrong = [
        found
        for zone, at in transitions()
        for found in mismatches(zone, at, MINUTELY, reach=2 * DAY, step=60, both_ways=True)
    ]
    assert wrong == []


@pytest.mark.long
def test_seconds_around_every_transition() -> None:
    wrong = [
        found
        for zone, at in transitions()
        for found in mismatches(zone, at, SECONDLY, reach=3 * HOUR, step=1, both_ways=True)
    ]
    assert wrong == []


@pytest.mark.long
def test_seconds_for_two_days_around_a_few_transitions() -> None:
    wrong = [
        found
        for zone, at in transitions()[::60]
        for found in mismatches(zone, at, SECONDLY, reach=2 * DAY, step=1, both_ways=True)
    ]
    assert wrong == []
