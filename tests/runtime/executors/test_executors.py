"""Several executors in one runner, and executors of one's own."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import DecodingError, ExecutorNotFound, WorkerCrashed
from holdwater.executors import (
    ExecutorBackend,
    ExecutorMetrics,
    ProcessExecutor,
    Router,
    TaskInvocation,
    ThreadExecutor,
    run_invocation,
)
from holdwater.model import message_framing
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, metrics_when_idle
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]


AWAKE_SELDOM: dict[str, Any] = {
    "cancel_grace_seconds": 0,
    "lease_seconds": 3600,
    "recovery_interval_seconds": 3600,
    "shutdown_timeout_seconds": 3600,
}
"""a runner that is woken by what happens, and by nothing else for as long as a test takes"""


@dataclass
class InThreadBackend:
    """A place in this very thread: the protocol with nothing around it."""

    max_concurrent: int = 2
    errors_to_raise: list[Exception] = field(default_factory=list)
    full_names: list[str] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)
    wait_for_kill: bool = False
    close_count: int = 0

    def open(self, name: str) -> ExecutorBackend:
        self.full_names.append(name)
        return self

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        self.full_names.append(invocation.name)
        if self.errors_to_raise:
            raise self.errors_to_raise.pop()
        answer = run_invocation(invocation.to_bytes())
        if self.wait_for_kill:
            assert self.killed.wait(SIGNAL_TIMEOUT_SECONDS)
        return answer

    def kill(self, invocation: TaskInvocation) -> None:
        assert invocation.is_abandoned
        self.killed.set()

    def close(self) -> None:
        self.close_count += 1


def test_a_custom_executor(open_runner: Open, define: Define) -> None:
    place = InThreadBackend()
    runner = open_runner(executors={"mine": place})
    define("w", ("a", lambda context: {"y": context["x"] * 2}, {"executor": "mine"}), ("b", lambda context: None, {}))
    assert runner.execute("w", {"x": 21}).final_context["y"] == 42
    assert place.full_names == ["mine", "public::embedded::w::a"]
    runner.shutdown()
    assert place.close_count == 1


def test_an_error_of_the_backend_fails_the_attempt(open_runner: Open, define: Define) -> None:
    place = InThreadBackend(errors_to_raise=[WorkerCrashed("lost"), ConnectionError("far away")])
    runner = open_runner(executors={"mine": place})
    options = {"executor": "mine", "retry_attempts": 3, "retry_delay_ms": 0, "retry_condition": "transient"}
    define("w", ("a", lambda context: None, options))
    result = runner.execute("w")
    assert (result.status, result.task_results[0].attempt_count) == ("Completed", 3)
    kinds = [e.event.kind for e in result._run.journal if hasattr(e.event, "kind")]
    assert kinds == ["ConnectionError", "CRASHED"]


def test_an_invalid_answer_of_a_backend_fails_the_run(
    open_runner: Open, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = InThreadBackend()
    monkeypatch.setattr(place, "run_invocation", lambda job: b"\0\0\0\2{}")
    runner = open_runner(executors={"mine": place})
    define("w", ("a", lambda context: None, {"executor": "mine"}))
    assert runner.execute("w").status == "Failed"


def test_a_slot_is_free_again_when_the_task_has_ended(open_runner: Open, define: Define) -> None:
    place = InThreadBackend(max_concurrent=1, wait_for_kill=True)
    runner = open_runner(executors={"mine": place})
    define("w", ("a", lambda context: None, {"executor": "mine", "timeout_seconds": 0.1}))
    assert "ran longer than 0.1 s" in (runner.execute("w").error_message or "")
    place.wait_for_kill = False
    define("w", ("a", lambda context: None, {"executor": "mine"}))
    assert runner.execute("w").status == "Completed"
    metrics = metrics_when_idle(runner, "mine")
    assert (metrics.active_tasks, metrics.total_executed, metrics.total_failed) == (0, 2, 1)


def test_a_shutdown_does_not_wait_longer_than_a_killed_function(
    open_runner: Open, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is delivered to no run: that it is gone wakes the runner."""
    place = InThreadBackend(max_concurrent=2)  # a slot is free: nothing else waits for the other one
    begun, may_end = threading.Event(), threading.Event()

    def stuck(invocation: TaskInvocation) -> bytes:
        begun.set()
        assert may_end.wait(SIGNAL_TIMEOUT_SECONDS)
        raise WorkerCrashed("killed")

    place.run_invocation = stuck  # type: ignore[method-assign]
    runner = open_runner(executors={"mine": place}, **AWAKE_SELDOM)
    handle = runner.submit(define("w", ("a", lambda context: None, {"executor": "mine"})))
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    handle.cancel()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    loop, waits = runner._engine.driver.loop, threading.Event()
    next_timeout = loop._next_timeout

    def note_wait() -> float | None:
        if loop.is_closing:
            waits.set()
        return next_timeout()

    monkeypatch.setattr(loop, "_next_timeout", note_wait)
    closing = threading.Thread(target=runner.shutdown)
    closing.start()
    assert waits.wait(SIGNAL_TIMEOUT_SECONDS)
    wakes_the_loop = runner._engine.driver.dispatcher.executors["mine"]._notify_when_idle
    may_end.set()
    closing.join(SIGNAL_TIMEOUT_SECONDS)
    assert not closing.is_alive()
    assert wakes_the_loop  # nothing else did, but what is due from time to time


def test_metrics_and_capacity(open_runner: Open, define: Define, gate: Gate) -> None:
    runner = open_runner(max_concurrent_tasks=2, enable_recovery=False)  # so that it keeps what waits to itself
    assert runner.executor_metrics() == {"default": ExecutorMetrics(0, 0, 2, 0, 0, 0.0)}

    def body(context: Context) -> None:
        gate()

    def fails(context: Context) -> None:
        raise ValueError

    async def slow(context: Context) -> None:
        pass

    handle = runner.submit(define("w", *[(f"t{k}", body, {}) for k in range(3)]))
    gate.wait_started()
    gate.wait_started()
    dispatched = threading.Event()
    runner._engine.driver.loop.call_soon_strict(dispatched.set)  # comes up when the third has been handed over too
    assert dispatched.wait(SIGNAL_TIMEOUT_SECONDS)
    metrics = runner.executor_metrics()["default"]
    assert (metrics.active_tasks, metrics.waiting_tasks) == (2, 1)
    assert not runner.has_capacity()
    gate.open.set()
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    runner.execute(define("v", ("a", fails, {}), ("b", slow, {})))
    metrics = metrics_when_idle(runner, "default")
    assert (metrics.total_executed, metrics.total_failed) == (5, 1)
    assert runner.has_capacity()
    with pytest.raises(ExecutorNotFound, match="did you mean 'default'"):
        runner.has_capacity("defualt")


def test_one_full_executor_does_not_hold_up_another(open_runner: Open, define: Define, gate: Gate) -> None:
    """And what waits for its slot is not recorded as begun."""
    runner = open_runner(executors={"slow": ThreadExecutor(1)}, max_concurrent_tasks=1)

    def body(context: Context) -> None:
        gate()

    define("s", *[(f"t{k}", body, {"executor": "slow"}) for k in range(3)])
    define("q", ("a", lambda context: None, {}))
    handle = runner.submit("s")
    gate.wait_started()
    assert runner.execute("q").status == "Completed"
    assert sum(row.started for row in runner._engine.store.work_of_run(handle.run_id)) == 1
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_the_default_can_be_given(open_runner: Open, define: Define) -> None:
    runner = open_runner(executors={"default": ThreadExecutor(7)}, max_concurrent_tasks=2)
    assert runner.executor_metrics()["default"].max_concurrent == 7


def test_exceeding_the_slot_limit_is_compensated(open_runner: Open, define: Define) -> None:
    """A coroutine that leaves `defer_until_async` by an exception has a slot at once; nobody begins on that debt."""
    runner = open_runner(executors={"one": ThreadExecutor(1)})
    running: list[str] = []
    most: list[int] = []

    async def defers(context: Context, handle: TaskHandle) -> None:
        def condition() -> bool:
            raise ValueError("no")

        with contextlib.suppress(ValueError):
            await handle.defer_until_async(condition, poll_interval_ms=1)

    def body(context: Context) -> None:
        running.append("x")
        most.append(len(running))
        running.pop()

    one = {"executor": "one"}  # where both kinds of bodies share slots
    rows: list[Any] = [("d", defers, one), *[(f"t{k}", body, one) for k in range(50)]]
    assert runner.execute(define("w", *rows)).status == "Completed"
    assert max(most) == 1
    assert metrics_when_idle(runner, "one").total_executed == 51


@pytest.mark.parametrize("elsewhere", [False, True], ids=["thread", "process"])
def test_a_body_given_up_while_it_waits_for_its_slot(
    open_runner: Open, define: Define, gate: Gate, tmp_path: Path, elsewhere: bool
) -> None:
    kind = ProcessExecutor(1) if elsewhere else ThreadExecutor(1)
    runner = open_runner(executors={"one": kind}, cancel_grace_seconds=0.0)
    begun, end = str(tmp_path / "begun"), str(tmp_path / "end")
    os.mkfifo(begun)
    os.mkfifo(end)

    def waits(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: os.path.exists(begun + ".too"), poll_interval_ms=1)

    def holds(context: Context) -> None:
        open(begun, "w").close()
        open(end).close()

    waiting = runner.submit(define("waits", ("a", waits, {"executor": "one"})))
    holding = runner.submit(define("holds", ("a", holds, {"executor": "one"})))
    open(begun).close()
    (tmp_path / "begun.too").touch()
    while not runner.executor_metrics()["one"].waiting_tasks:  # a moment, bounded by the test's time-out
        poll_pause()
    waiting.cancel()
    assert waiting.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    open(end, "w").close()
    assert holding.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert runner.execute(define("v", ("a", lambda context: None, {"executor": "one"}))).status == "Completed"
    assert metrics_when_idle(runner, "one").waiting_tasks == 0
    assert runner.has_capacity("one")


def test_rules_and_executors_after_a_restart(open_runner: Open, define: Define, gate: Gate) -> None:
    options: dict[str, Any] = {
        "executors": {"cpu": ProcessExecutor(1)},
        "routing": Router([("**::b", "cpu")]),
        "shutdown_timeout_seconds": 0,
    }

    def body(context: Context) -> None:
        gate()

    define("w", ("a", body, {}), ("b", lambda context: {"done": True}, {"dependencies": ["a"]}))
    first = open_runner(**options)
    handle = first.submit("w")
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    second = open_runner(**options)
    assert second.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).final_context == {"done": True}
    assert second.executor_metrics()["cpu"].total_executed == 1


@pytest.mark.parametrize(
    "frame", [b"", b"\0\0\0\5", b"\xff\xff\xff\xff", b"\0\0\0\2{]", message_framing.pack_frame([1], b"xy")[:-1]]
)
def test_broken_frames(frame: bytes) -> None:
    with pytest.raises(DecodingError, match="not a frame"):
        message_framing.unpack_frame(frame)
    assert message_framing.unpack_frame(message_framing.pack_frame({"a": "ü"}, b"", b"xy")) == (
        {"a": "ü"},
        [b"", b"xy"],
    )
