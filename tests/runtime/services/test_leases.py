"""Leases for real: processes that are stopped, bodies that hold the interpreter, event loops that are blocked."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from holdwater import Context, DefaultRunner
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from tests.engine.other_runners import SAFETY_SECONDS, OtherProcess, start_other, wait_for_two_renewals
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

__all__ = ["start_other"]

LONG_LEASE_SECONDS = 2.0
"""a lease that is renewed in time on a busy machine, too"""


@pytest.fixture
def taker(open_runner: Callable[..., DefaultRunner], define: Define) -> Callable[..., DefaultRunner]:
    """Opens a runner of this process that knows the other's workflows and ends them at once."""

    def mine(context: Context) -> None:
        context["by"] = "the taker"

    def open_(lease_seconds: float = 1.0) -> DefaultRunner:
        define("pair", ("first", mine, {}), ("second", mine, {}))
        define("queue", ("one", mine, {}), ("two", mine, {}))
        for name in ("hog", "loop", "heeds"):
            define(name, ("body", mine, {}))
        return open_runner(lease_seconds=lease_seconds, recovery_interval_seconds=3600, max_crashes_per_task=1)

    return open_


def watch_expiry_scans(
    runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch, lease_seconds: float
) -> Callable[[], None]:
    """Returns what waits until the runner would have taken an expired lease, were there one."""
    store, looks = runner._engine.store, threading.Semaphore(0)
    real = store.next_lease_expiry

    def counted(owner: str) -> int | None:
        looks.release()
        return real(owner)

    monkeypatch.setattr(store, "next_lease_expiry", counted)

    def wait() -> None:
        clock = SystemClock()
        end = clock.monotonic() + int(2.5e6 * lease_seconds)
        looked = 0
        while clock.monotonic() < end or looked < 5:
            assert looks.acquire(timeout=SAFETY_SECONDS)
            looked += 1

    return wait


def violations(runner: DefaultRunner) -> bool:
    return [str(v) for v in StoreChecker(runner._engine.store, SystemClock().now).find_violations()] == []


def test_a_stopped_runner_that_wakes_up_tells_its_bodies_and_frees_their_slots(
    start_other: Callable[..., OtherProcess], taker: Callable[..., DefaultRunner]
) -> None:
    """Beyond its lease its work was done by another runner, which does not count that as a crash."""
    other = start_other()
    run_id = other.start_run("pair")
    other.wait_for_line("begun first")
    other.suspend()
    runner = taker()
    result = runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["by"]) == ("Completed", "the taker")
    other.continue_()
    other.wait_for_line("told first")
    other.send_line("rest")
    other.wait_for_line("at rest")  # though the body has not returned
    assert "begun second" not in other.output_lines
    assert violations(runner)


def test_a_stopped_runner_that_wakes_up_begins_nothing_it_may_have_lost(
    start_other: Callable[..., OtherProcess], taker: Callable[..., DefaultRunner]
) -> None:
    """Also in the moment in which its loop has not yet noticed anything."""
    other = start_other(enable_recovery=False)  # so that it does not hand back what waits for its slot
    run_id = other.start_run("queue")
    other.wait_for_line("begun one")
    other.send_line("hold")
    other.wait_for_line("held")
    other.suspend()
    runner = taker()
    assert runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).final_context["by"] == "the taker"
    other.continue_()
    other.send_line("go one")
    other.send_line("rest")
    other.wait_for_line("at rest")
    other.send_line("free")
    other.start_run("next")
    other.wait_for_line("begun quick")
    assert "begun two" not in other.output_lines
    assert violations(runner)


def test_leases_are_renewed_as_long_as_a_body_runs(url: str, start_other: Callable[..., OtherProcess]) -> None:
    other = start_other()
    run_id = other.start_run("queue")
    other.wait_for_line("begun one")
    wait_for_two_renewals(url, run_id)
    other.send_line("go one")
    other.wait_for_line("begun two")


def test_a_stopped_runner_that_lost_nothing_goes_on(start_other: Callable[..., OtherProcess]) -> None:
    """Nobody else was there: what runs is not told to stop, and what waited begins."""
    other = start_other(enable_recovery=False)  # so that it does not hand back what waits for its slot
    other.start_run("queue")
    other.wait_for_line("begun one")
    other.send_line("hold")
    other.wait_for_line("held")
    other.suspend()
    ended = threading.Event()
    assert not ended.wait(1.5)  # its lease
    other.continue_()
    other.send_line("go one")
    other.send_line("rest")
    other.wait_for_line("at rest")
    assert "begun two" not in other.output_lines, "nobody knows yet whether it is still its own"
    other.send_line("free")
    other.wait_for_line("begun two")


def test_a_runner_whose_loop_is_blocked_keeps_its_work(
    url: str,
    start_other: Callable[..., OtherProcess],
    taker: Callable[..., DefaultRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For longer than a lease; and what runs there is not told to stop."""
    other = start_other(lease_seconds=LONG_LEASE_SECONDS)
    run_id = other.start_run("heeds")
    other.wait_for_line("begun body")
    other.send_line("block")
    other.wait_for_line("blocked")
    if not url.startswith("sqlite"):
        wait_for_two_renewals(url, run_id)
    runner = taker(LONG_LEASE_SECONDS)
    watch_expiry_scans(runner, monkeypatch, LONG_LEASE_SECONDS)()
    assert runner.handle(run_id).status == "Running"
    other.send_line("go heeds")
    other.send_line("go driver")
    result = runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["by"]) == ("Completed", "the first")
    assert result.task_results[0].attempt_count == 1
    assert "told body" not in other.output_lines
    assert violations(runner)


@pytest.mark.parametrize("name", ["hog", "loop"])
def test_a_healthy_runner_keeps_work_that_takes_longer_than_its_lease(
    name: str,
    url: str,
    start_other: Callable[..., OtherProcess],
    taker: Callable[..., DefaultRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though its body holds the interpreter or blocks the event loop meanwhile."""
    other = start_other(lease_seconds=LONG_LEASE_SECONDS)
    run_id = other.start_run(name)
    other.wait_for_line("begun body")
    if not url.startswith("sqlite") and name == "hog":
        wait_for_two_renewals(url, run_id)
    runner = taker(LONG_LEASE_SECONDS)
    watch_expiry_scans(runner, monkeypatch, LONG_LEASE_SECONDS)()
    assert runner.handle(run_id).status == "Running"
    if name == "hog":
        other.release_interpreter()
    else:
        other.send_line("go loop")
    result = runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["by"]) == ("Completed", "the first")
    assert result.task_results[0].attempt_count == 1
    assert violations(runner)
