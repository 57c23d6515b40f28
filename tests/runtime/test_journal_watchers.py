"""The runs other processes follow, and listeners to all changes."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace

import pytest

from holdwater.model.records import ALL_RUNS, Notification
from holdwater.runtime import journal_watchers
from holdwater.runtime.journal_watchers import JournalWatchers


def followed(*run_ids: str) -> Notification:
    return Notification(False, frozenset(), followed_runs=frozenset(run_ids))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that stands where the test puts it."""
    now = [1000.0]
    monkeypatch.setattr("holdwater.runtime.journal_watchers.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_followed_run_is_told_of_at_each_commit_for_a_while(clock: list[float]) -> None:
    watchers = JournalWatchers()
    assert not watchers.is_followed_elsewhere("a")
    watchers.on_notification(followed("a"))
    assert [watchers.is_followed_elsewhere("a") for _ in range(3)] == [True, True, True]
    assert not watchers.is_followed_elsewhere("b")
    clock[0] += journal_watchers.FOLLOWED_SECONDS + 1
    assert not watchers.is_followed_elsewhere("a")


def test_those_who_follow_all_runs_are_told_of_each_a_few_times_a_second(clock: list[float]) -> None:
    watchers = JournalWatchers()
    watchers.on_notification(followed(ALL_RUNS, "a"))
    assert [watchers.is_followed_elsewhere("a") for _ in range(3)] == [True, True, True]
    assert [watchers.is_followed_elsewhere("b") for _ in range(3)] == [True, False, False]
    clock[0] += journal_watchers.TELL_INTERVAL_SECONDS
    assert watchers.is_followed_elsewhere("b")
    clock[0] += journal_watchers.FOLLOWED_SECONDS + 1
    assert not watchers.is_followed_elsewhere("b")


def test_listeners_hear_of_commits_here_and_of_changes_elsewhere() -> None:
    watchers, heard = JournalWatchers(), list[tuple[Collection[str] | None, bool]]()
    stop = watchers.add_listener(lambda run_ids, schedules: heard.append((run_ids, schedules)))
    watchers.on_committed("a")
    watchers.on_notification(Notification(True, frozenset({"b"}), progressed_runs=frozenset({"c"})))
    watchers.on_notification(Notification(True, frozenset()))
    watchers.on_notification(Notification(False, frozenset(), schedules_changed=True))
    watchers.on_notification(Notification(False, frozenset({"b"}), progressed_runs=frozenset({ALL_RUNS})))
    watchers.on_notification(Notification(False, None))
    stop()
    watchers.on_committed("a")
    assert heard == [(("a",), False), ({"b", "c"}, False), (frozenset(), True), (None, False), (None, False)]
