"""Policies against a reference that lists every instant."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import ScheduleError
from holdwater.model.time import Micros, from_datetime
from holdwater.schedules import (
    Cron,
    DueDecision,
    OverlapDecision,
    SchedulePolicy,
    decide_due,
    decide_overlap,
    jittered_fire_time,
)
from holdwater.schedules.catchup import MAX_INSTANTS_PER_CALL

US = 1_000_000
HOUR = 3600 * US
DAY = 24 * HOUR
HOURLY = Cron("0 * * * *")
NOON = from_datetime(datetime(2026, 3, 1, 12, tzinfo=UTC))


def decide(since: int, now: int, cron: Cron = HOURLY, **rules: Any) -> DueDecision:
    return decide_due(cron, "s", Micros(since), Micros(now), SchedulePolicy(**rules))


def test_nothing_is_due_yet() -> None:
    assert decide(NOON, NOON + HOUR - 1) == DueDecision((), None, "", NOON, Micros(NOON + HOUR))


@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all"])
def test_an_instant_on_time_is_fired_by_every_policy(policy: str) -> None:
    assert decide(NOON, NOON + HOUR, catchup=policy) == DueDecision(
        (Micros(NOON + HOUR),), None, "", Micros(NOON + HOUR), Micros(NOON + 2 * HOUR)
    )


def test_skip_fires_the_latest_if_it_is_young() -> None:
    found = decide(NOON, NOON + 5 * HOUR + 60 * US)
    assert found.fire_times == (NOON + 5 * HOUR,)
    assert found.skipped == (NOON + HOUR, NOON + 4 * HOUR)
    assert "only the latest" in found.reason
    assert found.decided_until == NOON + 5 * HOUR


def test_skip_fires_nothing_that_is_old() -> None:
    daily = Cron("0 3 * * *")
    three = NOON + 15 * HOUR
    assert decide(NOON, three + HOUR - 1, daily).fire_times == (three,)
    found = decide(NOON, three + HOUR, daily)
    assert found == DueDecision(
        (), (Micros(three), Micros(three)), "missed by 3600 s or more", Micros(three), Micros(three + DAY)
    )
    assert decide(NOON, three + HOUR, daily, misfire_grace_seconds=3601).fire_times == (three,)


def test_run_once_fires_the_latest_however_old() -> None:
    found = decide(NOON, NOON + 363 * DAY, Cron("0 3 1 * *"), catchup="run_once")
    assert found.fire_times == (NOON + 337 * DAY - 9 * HOUR,)
    assert found.skipped is not None


def test_run_all_with_a_limit_keeps_the_latest() -> None:
    found = decide(NOON, NOON + 15 * HOUR, max_catchup=10)
    assert found.fire_times == tuple(NOON + h * HOUR for h in range(6, 16))
    assert found.skipped == (NOON + HOUR, NOON + 5 * HOUR)
    assert "more than 10" in found.reason
    assert decide(NOON, NOON + 10 * HOUR, max_catchup=10).skipped is None


def test_the_default_follows_the_limit() -> None:
    assert SchedulePolicy().effective_catchup == "skip"
    assert SchedulePolicy(max_catchup=10).effective_catchup == "run_all"
    assert SchedulePolicy(max_catchup=10, catchup="skip").effective_catchup == "skip"


def test_run_all_without_a_limit_comes_in_batches() -> None:
    now = NOON + 365 * DAY
    since, calls = NOON, 0
    fired: list[int] = []
    while True:
        found = decide(since, now, catchup="run_all")
        fired += found.fire_times
        since, calls = found.decided_until, calls + 1
        assert len(found.fire_times) <= MAX_INSTANTS_PER_CALL
        assert found.next_check_at is not None
        if found.next_check_at > now:
            break
    assert fired == [NOON + h * HOUR for h in range(1, 365 * 24 + 1)]
    assert calls == 9


def test_a_year_of_seconds_costs_no_walk() -> None:
    every = Cron("* * * * * *")
    now = NOON + 365 * DAY
    assert decide(NOON, now, every).fire_times == (now,)
    assert decide(NOON, now, every, max_catchup=3).fire_times == (now - 2 * US, now - US, now)
    assert decide(NOON, now, every, catchup="run_all").fire_times[-1] == NOON + MAX_INSTANTS_PER_CALL * US


@pytest.mark.parametrize("back", [5 * US, HOUR, 30 * DAY])
@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all"])
def test_a_clock_that_goes_back_fires_nothing_twice(back: int, policy: str) -> None:
    first = decide(NOON, NOON + HOUR, catchup=policy)
    found = decide(first.decided_until, NOON + HOUR - back, catchup=policy)
    assert found == DueDecision((), None, "", first.decided_until, Micros(NOON + 2 * HOUR))


def test_the_window() -> None:
    window: dict[str, Any] = {"start_at": NOON + 2 * HOUR, "end_at": NOON + 4 * HOUR, "catchup": "run_all"}
    assert decide(NOON, NOON + HOUR, **window) == DueDecision((), None, "", NOON, Micros(NOON + 2 * HOUR))
    found = decide(NOON, NOON + 9 * HOUR, **window)
    assert found == DueDecision(
        (Micros(NOON + 2 * HOUR), Micros(NOON + 3 * HOUR)), None, "", Micros(NOON + 3 * HOUR), None
    )
    assert decide(NOON + 3 * HOUR, NOON + 9 * HOUR, **window) == DueDecision(
        (), None, "", Micros(NOON + 3 * HOUR), None
    )


def test_jitter_is_the_same_everywhere_and_ends_before_the_next_instant() -> None:
    rules = SchedulePolicy(jitter_seconds=7200)
    times = [jittered_fire_time(HOURLY, "a", Micros(NOON + h * HOUR), rules) - h * HOUR - NOON for h in range(500)]
    assert times == [
        jittered_fire_time(Cron("0 * * * *"), "a", Micros(NOON + h * HOUR), rules) - h * HOUR - NOON for h in range(500)
    ]
    assert all(0 <= t < HOUR for t in times)
    assert len(set(times)) == 500
    assert times[0] == 368_483_583  # on every machine, under every version
    assert 0.4 < sum(times) / 500 / HOUR < 0.6
    assert times != [
        jittered_fire_time(HOURLY, "b", Micros(NOON + h * HOUR), rules) - h * HOUR - NOON for h in range(500)
    ]
    assert all(
        jittered_fire_time(HOURLY, "a", NOON, SchedulePolicy(jitter_seconds=5)) - NOON < 5 * US for _ in range(3)
    )


def test_jitter_delays_what_is_due() -> None:
    rules = SchedulePolicy(jitter_seconds=1800)
    at = jittered_fire_time(HOURLY, "s", Micros(NOON + HOUR), rules)
    assert NOON + HOUR < at < NOON + HOUR + 1800 * US
    assert decide(NOON, at - 1, jitter_seconds=1800) == DueDecision((), None, "", NOON, at)
    assert decide(NOON, at, jitter_seconds=1800).fire_times == (Micros(NOON + HOUR),)


@pytest.mark.parametrize(
    "wrong",
    [{"catchup": "all"}, {"overlap": "replace"}, {"max_catchup": 0}, {"max_catchup": -1}, {"misfire_grace_seconds": 0},
     {"misfire_grace_seconds": float("nan")}, {"jitter_seconds": -1}, {"jitter_seconds": float("inf")},
     {"start_at": 5, "end_at": 5}, {"overlap": None}, {"max_catchup": True}],
)  # fmt: skip
def test_rules_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ScheduleError):
        SchedulePolicy(**wrong)


def test_overlap() -> None:
    assert (
        decide_overlap("allow", 7)
        == decide_overlap("skip", 0)
        == decide_overlap("queue", 0)
        == OverlapDecision("start")
    )
    assert decide_overlap("skip", 1) == OverlapDecision("skip", "1 run of this schedule not finished")
    assert decide_overlap("queue", 2) == OverlapDecision("queue", "2 runs of this schedule not finished")


# -- the reference


def reference(cron: Cron, since: int, now: int, rules: SchedulePolicy) -> tuple[list[Micros], int]:
    """What to fire and how many to pass over, from a list of every instant."""
    low = since if rules.start_at is None else max(since, rules.start_at - 1)
    high = now if rules.end_at is None else min(now, rules.end_at - 1)
    missed = [i for i in fires_between(cron, low, high) if jittered_fire_time(cron, "s", i, rules) <= now]
    if not missed:
        return [], 0
    if rules.effective_catchup == "skip":
        latest = missed[-1]
        fire = [latest] if now - jittered_fire_time(cron, "s", latest, rules) < rules.misfire_grace_seconds * US else []
    elif rules.effective_catchup == "run_once":
        fire = missed[-1:]
    else:
        fire = missed if rules.max_catchup is None else missed[-rules.max_catchup :]
    return fire, len(missed) - len(fire)


def fires_between(cron: Cron, low: int, high: int) -> list[Micros]:
    found, at = [], cron.next_after(Micros(low))
    while at is not None and at <= high:
        found.append(at)
        at = cron.next_after(at)
    return found


RULES = st.builds(
    SchedulePolicy,
    catchup=st.sampled_from([None, "skip", "run_once", "run_all"]),
    max_catchup=st.sampled_from([None, 1, 3, 10, 400]),
    misfire_grace_seconds=st.sampled_from([1, 60, 3600, 86400]),
    jitter_seconds=st.sampled_from([0, 0, 10, 600, 7200]),
    start_at=st.none() | st.integers(NOON - DAY, NOON + DAY),
    end_at=st.none() | st.integers(NOON + 2 * DAY, NOON + 400 * DAY),
)
CRONS = [HOURLY, Cron("30 2 * * *", "Europe/Berlin"), Cron("0 0 L * *"), Cron("*/30 1-3 * * *", "America/New_York"),
         Cron("0 9 * * 1-5", "Asia/Tokyo"), Cron("0 */6 * * *", "Australia/Lord_Howe")]  # fmt: skip
DOWN = st.sampled_from([0, HOUR, DAY, 365 * DAY]).flatmap(lambda d: st.integers(d - min(d, HOUR), d + HOUR))


@given(st.sampled_from(CRONS), st.integers(NOON - 40 * DAY, NOON + 40 * DAY), DOWN, RULES)
def test_down_for_an_hour_a_day_a_year(cron: Cron, since: int, down: int, rules: SchedulePolicy) -> None:
    now = since + down
    expected, passed = reference(cron, since, now, rules)
    wake, lost, at = None, 0, since
    fired: list[int] = []
    for _ in range(20):
        found = decide_due(cron, "s", Micros(at), Micros(now), rules)
        assert found == decide_due(cron, "s", Micros(at), Micros(now), rules)
        assert found.decided_until >= at
        if found.skipped is not None:
            lost += len(fires_between(cron, found.skipped[0] - 1, found.skipped[1]))
            assert found.reason
        fired += found.fire_times
        at, wake = found.decided_until, found.next_check_at
        if wake is None or wake > now:
            break
    assert (fired, lost) == (expected, passed)
    assert wake is None or wake > now
    assert decide_due(cron, "s", Micros(at), Micros(now), rules).fire_times == ()


@given(st.sampled_from(CRONS), st.lists(st.integers(-3 * HOUR, 30 * HOUR), max_size=12), RULES)
def test_no_instant_is_fired_twice_whatever_the_clock_does(cron: Cron, steps: list[int], rules: SchedulePolicy) -> None:
    at = now = NOON
    fired: list[int] = []
    for step in steps:
        now = Micros(now + step)
        found = decide_due(cron, "s", at, now, rules)
        assert all(jittered_fire_time(cron, "s", i, rules) <= now for i in found.fire_times)
        fired += found.fire_times
        at = found.decided_until
    assert fired == sorted(set(fired))


@given(st.sampled_from(CRONS), st.integers(1, 40))
def test_a_punctual_scheduler_fires_everything_under_every_policy(cron: Cron, count: int) -> None:
    for policy in ("skip", "run_once", "run_all"):
        rules = dataclasses.replace(SchedulePolicy(jitter_seconds=300), catchup=policy)
        at = now = NOON
        fired: list[int] = []
        for _ in range(count):
            found = decide_due(cron, "s", at, now, rules)
            fired += found.fire_times
            at = found.decided_until
            assert found.next_check_at is not None
            now = found.next_check_at
        assert fired == list(cron.between(NOON, Micros(2 * now), count - 1))
