"""Heartbeats: the row of a runner while it lives, while it drains, and after its end."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import StoreError, StoreUnavailable
from holdwater.model.catalog import RunnerRow
from holdwater.model.time import Micros
from holdwater.operations import RunnerInfo, list_runners, open_for_reading
from holdwater.operations.runners import GONE_AFTER_SECONDS
from holdwater.runners.tasks import health
from holdwater.runners.tasks.health import RunnerHealth
from holdwater.runtime import heartbeat
from holdwater.storage.sqlite.store import SQLiteStore
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, define, gate
from tests.suite.waiting import poll_pause

__all__ = ["define", "gate"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


def runners(url: str, later_seconds: float = 0.0) -> tuple[RunnerInfo, ...]:
    """The runners as they are seen so much later."""
    with open_for_reading(url) as opened:
        now = opened.clock.now

        class Later:
            def now(self) -> Micros:
                return Micros(now() + int(later_seconds * 1e6))

        return list_runners(type(opened)(opened.store, Later(), opened.runs))  # type: ignore[arg-type]


def test_the_row_of_a_runner(url: str, define: Define) -> None:
    define("w", ("a", lambda context: None, {}))
    config = DefaultRunnerConfig(runner_name="blue", max_concurrent_tasks=3)
    with (
        DefaultRunner(url, config=config) as runner,
        DefaultRunner(url, config=DefaultRunnerConfig(own_runs_only=True)) as own,
    ):
        runner.announce()
        own.announce()
        first, second = runners(url)
        assert (first.name, first.status, first.executors, "w" in first.workflows) == (
            "blue",
            "running",
            {"default": 3},
            True,
        )
        assert (first.takes("w"), first.takes("nothing"), second.takes("w")) == (True, False, False)
        assert (first.own_runs_only, second.own_runs_only) == (False, True)
        assert second.name == f"{second.host}:{second.pid}"
        late = runners(url, GONE_AFTER_SECONDS + 5)
        assert [one.status for one in late] == ["unresponsive", "unresponsive"], "their processes are there"
    assert runners(url) == ()


def test_a_short_lived_runner_writes_no_row(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    monkeypatch.setattr(SQLiteStore, "put_runner", lambda self, *row: written.append(row))
    monkeypatch.setattr(SQLiteStore, "delete_runner", lambda self, owner: written.append(owner))
    monkeypatch.setattr(heartbeat, "FIRST_HEARTBEAT_SECONDS", 3600.0)
    with DefaultRunner(url):
        pass
    assert written == []


def test_a_runner_that_drains_says_so(url: str, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    runner = DefaultRunner(url, config=DefaultRunnerConfig(shutdown_timeout_seconds=600))
    runner.announce()
    assert runner.health() == RunnerHealth(True, True)
    runner.submit("w")
    gate.wait_started()
    closing = threading.Thread(target=runner.shutdown)
    closing.start()
    while [one.status for one in runners(url)] != ["draining"]:
        poll_pause()
    (one,) = runners(url)
    assert not one.takes("w")
    health = runner.health()
    assert (health.is_alive, health.is_ready) == (True, False)
    gate.open.set()
    closing.join()
    assert runners(url) == ()
    assert runner.health().is_alive


def test_a_heartbeat_that_fails_is_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = SQLiteStore.put_runner
    failures = iter([StoreUnavailable("the disk is full"), StoreError("no such table")])

    def fail_first(self: SQLiteStore, row: RunnerRow, forget_before: Micros) -> None:
        for error in failures:
            raise error
        write(self, row, forget_before)

    monkeypatch.setattr(SQLiteStore, "put_runner", fail_first)
    monkeypatch.setattr(heartbeat, "HEARTBEAT_SECONDS", 0.01)
    with DefaultRunner(url) as runner:
        with pytest.raises(StoreUnavailable):
            runner.announce(timeout=0.0)
        runner.announce()
        assert len(runners(url)) == 1
        assert [error.where for error in runner.internal_errors()] == ["the heartbeat of the runner, tried again later"]


def test_rows_of_runners_that_died_long_ago_are_deleted(url: str) -> None:
    with DefaultRunner(url) as runner:
        runner.announce()
        store = runner._engine.store
        (row,) = store.list_runners()
        died = replace(
            row, owner="dead", started_at=Micros(0), seen_at=Micros(row.seen_at - heartbeat.FORGOTTEN_AFTER_US - 1)
        )
        store.put_runner(died, Micros(0))
        assert [one.status for one in runners(url)] == ["gone", "running"]
        runner.announce()
        assert [one.status for one in runners(url)] == ["running"]


def test_a_loop_that_hangs_is_no_heartbeat_and_no_health(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def wait() -> None:
        let_go.wait(SIGNAL_TIMEOUT_SECONDS)

    with DefaultRunner(url) as runner:
        runner.announce()
        monkeypatch.setattr(health, "STUCK_AFTER_SECONDS", 0.0)
        runner._engine.driver.loop.call_soon(wait)
        found = runner.health()
        assert (found.is_alive, found.is_ready) == (False, False)
        assert "has not answered" in found.reason
        with pytest.raises(StoreUnavailable):
            runner.announce(timeout=0.05)
        let_go.set()
        runner.announce()
        assert runner.health().is_ready
