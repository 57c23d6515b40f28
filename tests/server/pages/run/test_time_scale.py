"""The axis of a timeline."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import strategies as st

from holdwater.model.time import Micros
from holdwater.server.pages.run.time_scale import MAX_IDLE_SHARE, Tick, TimeScale, build_scale
from tests.suite.effort import property_test

SECOND = 1_000_000
HOUR = 3600 * SECOND


def scale_of(end: int, *busy: tuple[int, int]) -> TimeScale:
    return build_scale(Micros(0), Micros(end), [(Micros(a), Micros(b)) for a, b in busy])


def test_a_busy_run_is_drawn_to_scale() -> None:
    scale = scale_of(10 * SECOND, (0, 4 * SECOND), (4 * SECOND, 10 * SECOND))
    assert [scale.percent(Micros(k * SECOND)) for k in (0, 5, 10)] == [0, 50, 100]
    assert [tick.label for tick in scale.ticks(Micros(0))] == [f"{k} s" if k else "0" for k in range(10)]


def test_a_long_wait_is_compressed_and_labelled() -> None:
    scale = scale_of(2 * HOUR + 2 * SECOND, (0, SECOND), (2 * HOUR + SECOND, 2 * HOUR + 2 * SECOND))
    (idle,) = [one for one in scale.stretches if one.is_compressed]
    assert (idle.start, idle.end) == (SECOND, 2 * HOUR + SECOND)
    assert idle.has_label
    assert 40 < scale.percent(Micros(SECOND)) < 50
    assert scale.percent(Micros(2 * HOUR + 2 * SECOND)) == 100


def test_a_short_wait_is_drawn_to_scale() -> None:
    scale = scale_of(3 * SECOND, (0, SECOND), (2 * SECOND, 3 * SECOND))
    assert not any(one.is_compressed for one in scale.stretches)


def test_a_run_of_milliseconds_is_drawn_to_scale() -> None:
    scale = scale_of(5000, (0, 100), (4900, 5000))
    assert not any(one.is_compressed for one in scale.stretches)


def test_a_run_in_which_nothing_happened_yet() -> None:
    scale = scale_of(HOUR)
    assert scale.percent(Micros(HOUR // 2)) == 50
    assert scale_of(0).percent(Micros(0)) == 0


def test_instants_outside_are_at_the_edge() -> None:
    scale = build_scale(Micros(SECOND), Micros(2 * SECOND), [(Micros(0), Micros(3 * SECOND))])
    assert scale.percent(Micros(0)) == 0
    assert scale.percent(Micros(9 * SECOND)) == 100


@pytest.mark.parametrize(
    ("offset_us", "label"),
    [(0, "0"), (500, "0.5 ms"), (250_000, "250 ms"), (1_500_000, "1.5 s"), (90 * SECOND, "1 min 30 s"),
     (HOUR, "1 h"), (26 * HOUR, "1 d 2 h"), (-5 * SECOND, "-5 s"), (-HOUR, "-1 h")],
)  # fmt: skip
def test_labels(offset_us: int, label: str) -> None:
    assert Tick(Micros(0), offset_us, 0.0).label == label


instants = st.integers(0, 10**14)


intervals_of_time = st.lists(st.tuples(instants, instants).map(sorted), max_size=30)


@property_test(intervals_of_time, instants, instants, quick_examples=100, long_examples=3000)
def test_every_scale_covers_its_time(busy: list[list[int]], a: int, b: int) -> None:
    start, end = Micros(min(a, b)), Micros(max(a, b) + 1)
    intervals = [(Micros(one), Micros(two)) for one, two in busy]
    scale = build_scale(start, end, intervals)
    stretches = scale.stretches
    assert (stretches[0].start, stretches[0].left) == (start, 0)
    assert stretches[-1].end == end
    assert stretches[-1].right == pytest.approx(100)
    for before, after in itertools.pairwise(stretches):
        assert before.end == after.start
        assert before.right == pytest.approx(after.left)
    places = [scale.percent(Micros(start + (end - start) * k // 50)) for k in range(51)]
    assert places == sorted(places)
    for one in stretches:
        if one.is_compressed:
            assert not any(x < one.end and y > one.start and x < y for x, y in intervals)
    ticks = scale.ticks(start)
    assert [tick.left for tick in ticks] == sorted(tick.left for tick in ticks)
    assert len(ticks) <= 12
    busy_us = sum(one.end - one.start for one in stretches if not one.is_compressed)
    assert busy_us > 0
    assert MAX_IDLE_SHARE > 1
