"""What stores tell each other: as text and back, and what commits of followed runs say."""

from __future__ import annotations

import pytest

from holdwater.model.records import ALL_RUNS, Notification, RunRow, RunUpdate
from holdwater.model.time import Micros
from holdwater.storage.notifications import (
    ANYTHING_CHANGED,
    MESSAGE_LIMIT_BYTES,
    decode,
    encode,
    notification_for_updates,
)

NOTIFICATIONS = [
    Notification(work_available=True, changed_runs=frozenset()),
    Notification(work_available=False, changed_runs=frozenset({"a", "ä\n"}), schedules_changed=True),
    Notification(work_available=False, changed_runs=None),
    Notification(work_available=False, changed_runs=frozenset(), followed_runs=frozenset({"a", "b"})),
    Notification(work_available=True, changed_runs=frozenset({"a"}), progressed_runs=frozenset({"a"})),
    Notification(work_available=False, changed_runs=frozenset(), releases_changed=True),
    Notification(work_available=True, changed_runs=None, progressed_runs=frozenset({"a"}), releases_changed=True),
]


def update(run_id: str, *, notify: bool = False, is_followed: bool = False) -> RunUpdate:
    row = RunRow(run_id, "w", "tasks", "", "", Micros(0))
    return RunUpdate(row, 0, [], Micros(0), notify=notify, is_followed=is_followed)


@pytest.mark.parametrize("notification", NOTIFICATIONS)
def test_a_notification_is_a_line_of_text(notification: Notification) -> None:
    text = encode(notification)
    assert "\n" not in text
    assert decode(text) == notification


def test_a_long_one_says_that_anything_may_have_changed() -> None:
    many = frozenset(f"run-{k:06}" for k in range(MESSAGE_LIMIT_BYTES))
    for notification in (Notification(False, many), Notification(False, many, progressed_runs=many)):
        assert decode(encode(notification)).changed_runs is None


def test_long_ones_of_progress_say_what_has_changed_and_that_any_run_may_have_progressed() -> None:
    many = frozenset(f"run-{k:06}" for k in range(MESSAGE_LIMIT_BYTES))
    told = decode(encode(Notification(False, frozenset({"a"}), progressed_runs=many)))
    assert told == Notification(False, frozenset({"a"}), progressed_runs=frozenset({ALL_RUNS}))


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[1,2,3,4]", "[0,[],0,[],[],[]]", "no"])
def test_what_cannot_be_read_is_anything(text: str) -> None:
    assert decode(text) == ANYTHING_CHANGED


def test_only_followed_runs_are_told_of_each_commit() -> None:
    assert notification_for_updates([update("a"), update("b")]) is None
    told = notification_for_updates([update("a", is_followed=True), update("b"), update("c", notify=True)])
    assert told == Notification(False, frozenset({"c"}), progressed_runs=frozenset({"a"}))
