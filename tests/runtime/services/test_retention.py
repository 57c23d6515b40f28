"""Runs that ended long ago are deleted, when somebody says so or by the runner itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner
from holdwater.errors import ConfigError, InvalidArgument, RunnerClosed, RunNotFound
from holdwater.model.retention import RetentionRule
from holdwater.operations import pruning
from holdwater.operations.databases import Database
from holdwater.operations.pruning import apply_retention, preview_retention, set_retention
from holdwater.runtime.services.retention import BATCH_SIZE_RUNS
from tests.engine.fake_clock import FakeClock, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Open = Callable[..., DefaultRunner]
DAY = 86_400


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock("2026-11-21T00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


@pytest.fixture
def sums(define: Define) -> str:
    define("square", ("a", lambda context: context.set("y", context["x"] ** 2), {}))

    def add(context: Context, handle: Any) -> None:
        context["sum"] = sum(handle.execute("square", {"x": x}).final_context["y"] for x in (3, 4))

    return define("sums", ("add", add, {}), ("half", _halve, {"dependencies": ["add"]}))


@pytest.fixture(autouse=True)
def fails(define: Define) -> str:
    def fail(context: Context) -> None:
        raise ValueError("no")

    return define("fails", ("a", fail, {"retry_attempts": 1}))


def _halve(context: Context) -> None:
    context["half"] = context["sum"] / 2


def list_run_ids(runner: DefaultRunner) -> list[str]:
    return [run.run_id for run in runner.list_runs(top_level=True)]


def test_an_old_run_is_pruned_and_its_fork_stays(runner: DefaultRunner, sums: str, clock: FakeClock) -> None:
    old, kept = runner.execute(sums), runner.execute(sums)
    fork = runner.fork(old.run_id, "half").result(SIGNAL_TIMEOUT_SECONDS)
    clock.advance(2 * DAY)
    new = runner.execute(sums)
    assert len(runner.list_runs(parent_run_id=old.run_id)) == 2
    assert runner.prune(older_than_days=3) == 0
    assert runner.prune(older_than_days=2, keep=[kept.run_id, fork.run_id]) == 0, "it ended not before, but then"
    clock.advance(1)
    assert runner.prune(older_than_days=2, keep=[kept.run_id, fork.run_id]) == 3
    assert list_run_ids(runner) == [new.run_id, *sorted([fork.run_id, kept.run_id], reverse=True)]
    with pytest.raises(RunNotFound):
        runner.get_run(old.run_id)
    assert runner.list_runs(parent_run_id=old.run_id) == []
    assert runner.get_run(fork.run_id).final_context.to_dict() == {"sum": 25, "half": 12.5}
    assert runner.fork(fork.run_id, "half").result(SIGNAL_TIMEOUT_SECONDS).final_context["half"] == 12.5
    assert runner.execute(sums).status == "Completed", "its plan is still there"


def test_what_has_not_ended_stays(runner: DefaultRunner, define: Define, clock: FakeClock) -> None:
    gate = Gate()
    handle = runner.submit(define("waits", ("a", lambda context: gate(), {})))
    gate.wait_started()
    clock.advance(1)
    assert runner.prune(older_than_days=0) == 0
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


@pytest.mark.parametrize("days", [-1, float("nan"), float("inf")])
def test_no_age_at_all(runner: DefaultRunner, days: float) -> None:
    with pytest.raises(ConfigError, match="older_than_days"):
        runner.prune(older_than_days=days)


def test_a_runner_that_was_shut_down_does_not_prune(runner: DefaultRunner, sums: str) -> None:
    runner.shutdown()
    with pytest.raises(RunnerClosed):
        runner.prune(older_than_days=0)


def test_a_runner_prunes_once_an_hour(open_runner: Open, sums: str, clock: FakeClock) -> None:
    runner = open_runner(run_retention_days=1)
    first = runner.execute(sums).run_id
    clock.advance(1800)
    second = runner.execute(sums).run_id
    clock.advance(DAY - 1799)
    wait_until_idle(runner)
    assert list_run_ids(runner) == [second]
    clock.advance(1801)
    wait_until_idle(runner)
    assert list_run_ids(runner) == [second], "it was looked at less than an hour ago"
    clock.advance(1800)
    wait_until_idle(runner)
    assert list_run_ids(runner) == []
    with pytest.raises(RunNotFound):
        runner.get_run(first)


def test_a_runner_prunes_in_small_batches(open_runner: Open, sums: str, clock: FakeClock) -> None:
    runner = open_runner()
    for handle in [runner.submit("square", {"x": x}) for x in range(BATCH_SIZE_RUNS + 3)]:
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    clock.advance(2 * DAY)
    wait_until_idle(runner)
    assert len(list_run_ids(runner)) == BATCH_SIZE_RUNS + 3, "a runner that was not told to forgets nothing"
    other = open_runner(run_retention_days=1)
    wait_until_idle(other)
    assert len(list_run_ids(other)) == 3
    clock.advance(0.1)
    wait_until_idle(other)
    assert list_run_ids(other) == []


def test_a_runner_obeys_the_rule_of_its_database(open_runner: Open, sums: str, clock: FakeClock) -> None:
    runner = open_runner(run_retention_days=1)
    failing = runner.execute("fails").run_id
    kept = runner.submit(sums, labels={"audit": "yes"})
    kept.result(SIGNAL_TIMEOUT_SECONDS)
    plain = runner.execute(sums).run_id
    database = Database.of(runner._engine)
    rule = RetentionRule(days=3, days_failed=10, keep_labels=("audit",))
    set_retention(database, rule, by="cli:alice")
    clock.advance(2 * DAY)
    wait_until_idle(runner)
    assert plain in list_run_ids(runner), "the rule comes before the runner's own option"
    clock.advance(2 * DAY)
    before = preview_retention(database, rule)
    assert {status: count.count for status, count in before.counts.items()} == {"completed": 1}
    wait_until_idle(runner)
    assert sorted(list_run_ids(runner)) == sorted([failing, kept.run_id])
    clock.advance(7 * DAY)
    wait_until_idle(runner)
    assert list_run_ids(runner) == [kept.run_id]
    set_retention(database, RetentionRule())
    clock.advance(90 * DAY)
    wait_until_idle(runner)
    assert list_run_ids(runner) == [kept.run_id], "an empty rule keeps everything"
    assert (apply_retention(database, rule), apply_retention(database, RetentionRule(days=1))) == (0, 3)


def test_logs_go_before_their_runs(open_runner: Open, clock: FakeClock) -> None:
    runner = open_runner()
    old = runner.execute("fails").run_id
    set_retention(Database.of(runner._engine), RetentionRule(logs_days=1))
    clock.advance(2 * DAY)
    wait_until_idle(runner)
    assert runner._engine.store.read_logs(old) == []
    assert list_run_ids(runner) == [old]
    second = runner.execute("fails").run_id
    clock.advance(2 * DAY)
    wait_until_idle(runner)
    assert runner._engine.store.read_logs(second) == []


def test_a_preview_estimates_the_bytes_of_many_runs(open_runner: Open, sums: str, clock: FakeClock) -> None:
    runner = open_runner()
    for x in range(5):
        runner.execute("square", {"x": x})
    database = Database.of(runner._engine)
    clock.advance(DAY)
    exact = preview_retention(database, RetentionRule(days=0.5))
    assert (exact.total.count, exact.is_size_estimated) == (5, False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "MEASURED_RUNS", 2)
        about = preview_retention(database, RetentionRule(days=0.5))
    assert about.is_size_estimated
    assert abs(about.size_bytes - exact.size_bytes) < exact.size_bytes / 5


@pytest.mark.parametrize(
    "rule",
    [
        RetentionRule(days=-1),
        RetentionRule(days=float("nan")),
        RetentionRule(days_failed=40_000),
        RetentionRule(days=3, logs_days=4),
        RetentionRule(days=3, keep_labels=("=x",)),
        RetentionRule(days=3, keep_labels=("a=\n",)),
        RetentionRule(days=3, keep_labels=("a",) * 33),
    ],
)
def test_rules_that_cannot_be(runner: DefaultRunner, rule: RetentionRule) -> None:
    with pytest.raises(InvalidArgument):
        set_retention(Database.of(runner._engine), rule)
