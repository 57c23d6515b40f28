"""Two runners on one database: each hears what the other writes, and nobody looks again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import holdwater.engine.waiting
from holdwater import Context, DefaultRunner, TaskHandle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Open = Callable[..., DefaultRunner]


@pytest.fixture(autouse=True)
def only_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but news can end a wait in time."""
    monkeypatch.setattr(holdwater.engine.waiting, "RECHECK_SECONDS", 600.0)


def open_runner_without_recovery(open_runner: Open) -> DefaultRunner:
    """A runner that takes no work of others over."""
    return open_runner(enable_recovery=False, recovery_interval_seconds=600)


def test_a_wait_for_a_run_of_another_runner_ends_with_it(open_runner: Open, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    first, second = open_runner(), open_runner_without_recovery(open_runner)
    run_id = first.submit("w").run_id
    gate.wait_started()
    results: list[str] = []
    waiter = threading.Thread(target=lambda: results.append(second.handle(run_id).result().status))
    waiter.start()
    gate.open.set()
    waiter.join(SIGNAL_TIMEOUT_SECONDS)
    assert results == ["Completed"]


def test_cancel_from_elsewhere_reaches_the_body(open_runner: Open, define: Define) -> None:
    begun, told = threading.Event(), threading.Event()

    def body(context: Context, handle: TaskHandle) -> None:
        begun.set()
        while not handle.cancelled:
            told.wait(0.005)
        told.set()
        handle.raise_if_cancelled()

    define("w", ("a", body, {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    first, second = open_runner(), open_runner_without_recovery(open_runner)
    handle = first.submit("w")
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    second.cancel(handle.run_id, "enough")
    assert told.wait(SIGNAL_TIMEOUT_SECONDS)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.reason) == ("Cancelled", "enough")
    assert {t.task_name: t.status for t in result.task_results} == {"a": "Cancelled", "b": "Pending"}


def test_pause_and_resume_from_elsewhere(open_runner: Open, define: Define, gate: Gate) -> None:
    ran: list[str] = []

    def first_body(context: Context) -> None:
        gate()

    define("w", ("a", first_body, {}), ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}))
    first, second = open_runner(), open_runner_without_recovery(open_runner)
    handle = first.submit("w")
    gate.wait_started()
    second.pause(handle.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
    gate.open.set()
    second.resume(handle.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert ran == ["b"]


def test_another_runner_claims_the_backlog(open_runner: Open, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    small: dict[str, Any] = dict(max_concurrent_tasks=1, prefetch_tasks=1, recovery_interval_seconds=600)
    first, *_ = [open_runner(**small) for _ in range(3)]
    handles = [first.submit("w") for _ in range(12)]
    for _ in range(3):
        gate.wait_started()
    gate.open.set()
    assert {h.result(SIGNAL_TIMEOUT_SECONDS).status for h in handles} == {"Completed"}
