"""The journal on the wire: what is written is read again, value by value."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import StoreError
from holdwater.model import events as ev
from holdwater.model.events import Event
from holdwater.model.input_requests import Question
from holdwater.model.journal import JournalEntry, decode_entry, encode_entry
from holdwater.model.time import Micros
from holdwater.model.values import StoredValue
from tests.kernel.journal import decode as decode_plain
from tests.kernel.journal import encode as encode_plain

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
values = plain.map(StoredValue.encode)
many = st.lists(values, max_size=3).map(tuple)
named = st.dictionaries(st.text(max_size=5), values, max_size=3)
names = st.lists(st.text(max_size=5), max_size=4).map(tuple)
number = st.integers(0, 10**6)
instant = st.integers(0, 2**53)
text = st.text(max_size=10)
status = st.sampled_from(["running", "paused", "completed", "failed", "cancelled"])

timed: dict[type, st.SearchStrategy[Event]] = {
    ev.Succeeded: st.builds(ev.Succeeded, number, number, many, st.none() | names),
    ev.Failed: st.builds(ev.Failed, number, number, text, text, st.none() | instant),
    ev.Cancelled: st.builds(ev.Cancelled, number, number),
    ev.Deferred: st.builds(ev.Deferred, number, number, instant),
    ev.InputRequested: st.builds(
        ev.InputRequested, number, number, st.builds(Question, values, st.none() | st.just({"type": "boolean"}))
    ),
    ev.ChildRunsRequested: st.builds(
        ev.ChildRunsRequested,
        number,
        number,
        st.lists(named, max_size=3).map(tuple),
        st.none() | st.integers(1, 9),
        st.booleans(),
    ),
}
"""what attempts end with: it says when they ran"""
untimed: dict[type, st.SearchStrategy[Event]] = {
    ev.InputsOverridden: st.builds(ev.InputsOverridden, number, values),
    ev.Started: st.builds(ev.Started, named, names),
    ev.AttemptLost: st.builds(ev.AttemptLost, number, number, st.booleans()),
    ev.ChildStatusChanged: st.builds(ev.ChildStatusChanged, number, number, number, status, named, text),
    ev.RuleEvaluated: st.builds(ev.RuleEvaluated, number, st.lists(st.booleans(), max_size=3).map(tuple)),
    ev.TimerSet: st.builds(ev.TimerSet, number, instant),
    ev.TimerFired: st.builds(ev.TimerFired, number),
    ev.InputProvided: st.builds(ev.InputProvided, number, many, st.none() | number, st.booleans()),
    ev.CancelRequested: st.builds(ev.CancelRequested, text),
    ev.TimedOut: st.builds(ev.TimedOut, text),
    ev.Paused: st.builds(ev.Paused, text),
    ev.Resumed: st.builds(ev.Resumed, text, named, st.none() | number),
}


def round_trip(entry: JournalEntry) -> JournalEntry:
    row = json.loads(encode_entry(entry))
    assert encode_entry(entry).isprintable()
    return decode_entry(row, StoredValue.from_tree, recorded_at=entry.recorded_at)


def test_every_event_is_tried() -> None:
    assert timed.keys() | untimed.keys() == set(get_args(Event))


@given(st.one_of(*timed.values()), instant, instant, instant)
def test_what_an_attempt_ends_with(event: Event, began: int, ended: int, at: int) -> None:
    entry = JournalEntry(event, Micros(began), Micros(ended), recorded_at=Micros(at))
    assert round_trip(entry) == entry


@given(st.one_of(timed[ev.Succeeded], timed[ev.Failed]), names)
def test_notes(event: Event, notes: tuple[str, ...]) -> None:
    entry = JournalEntry(event, Micros(1), Micros(2), notes, Micros(3))
    assert round_trip(entry) == entry


@given(st.one_of(*untimed.values()), instant)
def test_everything_else(event: Event, at: int) -> None:
    entry = JournalEntry(event, recorded_at=Micros(at))
    assert round_trip(entry) == entry


@given(values)
def test_values_are_private_to_whoever_reads_them(value: StoredValue) -> None:
    entry = round_trip(JournalEntry(ev.ChildStatusChanged(0, 1, 2, "completed", {"result": value})))
    assert isinstance(entry.event, ev.ChildStatusChanged)
    assert isinstance(entry.event.values["result"], StoredValue)
    assert entry.event.values["result"].copy() == value.copy()


def test_what_children_begin_with_is_read_as_it_is_stored_whatever_the_style() -> None:
    row = json.loads(
        encode_entry(JournalEntry(ev.ChildRunsRequested(0, 1, ({"n": StoredValue.encode([1])},), 2, False)))
    )
    entry = decode_entry(row, lambda tree: ("of the style", tree))
    assert isinstance(entry.event, ev.ChildRunsRequested)
    assert entry.event == ev.ChildRunsRequested(0, 1, ({"n": StoredValue.encode([1])},), 2, False)


def test_rows_of_before_are_read() -> None:
    rows: list[tuple[list[Any], Event]] = [
        (["started", {"x": 1}], ev.Started({"x": StoredValue.encode(1)})),
        (["resumed", "why"], ev.Resumed("why")),
    ]
    for row, event in rows:
        assert decode_entry(row, StoredValue.from_tree).event == event
        assert json.loads(encode_entry(JournalEntry(event))) == row


@pytest.mark.parametrize(
    "row",
    [
        ["input_requested", 1],
        ["child_runs_requested", 0, 1, 0, 0, [], None],
        ["child_status_changed", 0, 1, 2],
        ["resumed"],
        ["unheard", 1],
    ],
)
def test_a_row_nobody_can_read_is_refused(row: list[Any]) -> None:
    with pytest.raises(StoreError):
        decode_entry(row, StoredValue.from_tree)


@given(st.integers(0, 3), st.none() | st.integers(1, 3), st.booleans())
def test_the_journal_of_tests_says_the_same(count: int, width: int | None, stop: bool) -> None:
    events: list[Event] = [
        ev.Started({"x": 1}, ("a", "")),
        ev.ChildRunsRequested(0, 1, tuple({"n": k} for k in range(count)), width, stop),
        ev.ChildStatusChanged(0, 1, 2, "completed", {"result": [1]}),
        ev.InputRequested(0, 1, ["shown"]),
        ev.Resumed("", {"x": [1]}, 0),
    ]
    for e in events:
        assert decode_plain(encode_plain(e)) == e
