"""Two runners write to one run: what one of them has decided is not lost because the other was faster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import InvalidTransition
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]


def open_runner_without_notifications(open_runner: Open) -> DefaultRunner:
    """A runner that hears nothing of what others write, until its commit meets it."""
    runner = open_runner(recovery_interval_seconds=3600)
    runner._engine.driver._handle_notification = lambda notification: None  # type: ignore[method-assign]
    return runner


def open_runner_without_recovery(open_runner: Open) -> DefaultRunner:
    """A runner that takes no work of others over."""
    return open_runner(enable_recovery=False, recovery_interval_seconds=3600)


def test_the_result_of_a_task_survives_a_conflict(open_runner: Open, define: Define, gate: Gate) -> None:
    ran: list[str] = []

    def first(context: Context) -> None:
        ran.append("first")
        gate()
        context["by"] = "first"

    define("w", ("a", first, {}), ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    elsewhere.pause(handle.run_id, "wait")  # on disk: the next commit of the first runner is a conflict
    gate.open.set()
    while handle.info().task_results[0].status != "Completed":  # bounded by the test's time-out
        poll_pause()
    assert handle.status == "Paused"
    assert ran == ["first"]
    runner.resume(handle.run_id)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["by"], ran) == ("Completed", "first", ["first", "b"])


def test_the_failure_of_a_task_survives_a_conflict(open_runner: Open, define: Define, gate: Gate) -> None:
    tries: list[int] = []

    def fails_once(context: Context, handle: TaskHandle) -> None:
        tries.append(handle.attempt)
        if handle.attempt == 1:
            gate()
            raise ConnectionError("once")

    define("w", ("a", fails_once, {"retry_attempts": 2, "retry_delay_ms": 0}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    elsewhere.pause(handle.run_id)
    gate.open.set()
    while not handle.info().task_results[0].error_message:
        poll_pause()
    runner.resume(handle.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert tries == [1, 2]


def test_a_cancel_survives_a_pause_by_another_runner(open_runner: Open, define: Define, gate: Gate) -> None:
    def until_told(context: Context, handle: TaskHandle) -> None:
        gate.started.release()
        while not handle.cancelled:
            handle._wait_for_cancel(SIGNAL_TIMEOUT_SECONDS)
        handle.raise_if_cancelled()

    define("w", ("a", until_told, {}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    elsewhere.pause(handle.run_id)
    runner.cancel(handle.run_id, "enough")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.reason) == ("Cancelled", "enough")


def test_a_pause_after_another_pause_is_rejected(open_runner: Open, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    elsewhere.pause(handle.run_id, "theirs")
    with pytest.raises(InvalidTransition, match="it is paused: theirs"):
        runner.pause(handle.run_id, "ours")
    gate.open.set()


def test_results_of_several_tasks_survive_conflicts(open_runner: Open, define: Define) -> None:
    """Each of them meets a conflict of its own: between two, the run is paused and resumed from elsewhere."""
    gates = [Gate() for _ in range(3)]

    def body(k: int) -> Callable[[Context], None]:
        def run(context: Context) -> None:
            gates[k]()
            context[f"k{k}"] = k

        return run

    define(
        "w", *[(f"t{k}", body(k), {}) for k in range(3)], ("end", lambda c: None, {"dependencies": ["t0", "t1", "t2"]})
    )
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    for gate in gates:
        gate.wait_started()
    for k, gate in enumerate(gates):
        elsewhere.pause(handle.run_id)
        elsewhere.resume(handle.run_id)
        gate.open.set()
        while handle.info().task_results[k].status != "Completed":
            poll_pause()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert {name: result.final_context[name] for name in ("k0", "k1", "k2")} == {"k0": 0, "k1": 1, "k2": 2}
    assert {t.attempt_count for t in result.task_results} == {1}
