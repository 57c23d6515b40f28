"""Requests in the journal, with their authors; and as they were written before they had one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry, decode_entry, encode_entry
from holdwater.model.values import StoredValue

ONE = StoredValue.from_tree(1)


@pytest.mark.parametrize(
    "event",
    [
        make(by)
        for by in ("", "cli:ann")
        for make in (
            lambda by: ev.CancelRequested("enough", by),
            lambda by: ev.CancelRequested(by=by),
            lambda by: ev.Paused("a while", by),
            lambda by: ev.Resumed("on", by=by),
            lambda by: ev.Resumed("on", {"x": ONE}, 3, by),
            lambda by: ev.InputProvided(2, (ONE,), by=by),
            lambda by: ev.InputProvided(2, (ONE,), 0, by=by),
            lambda by: ev.InputProvided(2, (ONE,), 7, unvalidated=True, by=by),
            lambda by: ev.InputProvided(2, (ONE,), None, unvalidated=True, by=by),
        )
    ],
)
def test_a_request_is_read_as_it_was_written(event: ev.Event) -> None:
    row = json.loads(encode_entry(JournalEntry(event)))
    assert decode_entry(row, StoredValue.from_tree).event == event


@pytest.mark.parametrize(
    ("row", "event"),
    [
        (["cancel_requested", "enough"], ev.CancelRequested("enough")),
        (["paused", ""], ev.Paused()),
        (["resumed", "on"], ev.Resumed("on")),
        (["resumed", "", {}, 2], ev.Resumed("", {}, 2)),
        (["input_provided", 1, [1]], ev.InputProvided(1, (ONE,))),
        (["input_provided", 1, [1], 4], ev.InputProvided(1, (ONE,), 4)),
        (["input_provided", 1, [1], None, True], ev.InputProvided(1, (ONE,), None, unvalidated=True)),
    ],
)
def test_entries_without_an_author_are_written_and_read_as_ever(row: list[Any], event: ev.Event) -> None:
    assert decode_entry(row, StoredValue.from_tree).event == event
    assert json.loads(encode_entry(JournalEntry(event))) == row
