"""Runs that ended long ago are deleted, when somebody says so or by the runner itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner
from holdwater.errors import ConfigError, RunnerClosed, RunNotFound
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
