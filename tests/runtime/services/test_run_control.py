"""Handles, keys, cancel, pause and resume; what is left to the next runner."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

import pytest

import holdwater
from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import IdempotencyConflict, InvalidTransition, RunnerClosed, RunNotFound
from holdwater.model.registry import registry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, assert_no_new_threads
from tests.suite.waiting import poll_pause


def does_nothing(context: Context) -> None:
    pass


def test_submit_returns_before_the_end(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w", {"x": 1})
    gate.wait_started()
    assert handle.status == "Running"
    assert not handle.done()
    with pytest.raises(TimeoutError):
        handle.result(timeout=0.01)
    gate.open.set()
    assert handle.result(timeout=SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert handle.done()
    assert runner.handle(handle.run_id).result().final_context["x"] == 1


def test_awaiting(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))

    async def main() -> list[str]:
        first = asyncio.create_task(runner.execute_async("w"))
        await asyncio.to_thread(gate.wait_started)
        handle = await asyncio.to_thread(runner.submit, "w")
        gate.open.set()
        results = [await first, await handle]
        results.append(await handle)  # again, when it is over
        return [r.status for r in results]

    assert asyncio.run(main()) == ["Completed"] * 3


def test_one_key_one_run(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", does_nothing, {}))
    handles: list[holdwater.WorkflowHandle] = []
    barrier = threading.Barrier(8)

    def submit() -> None:
        barrier.wait()
        handles.extend([runner.submit("w", {"x": 1}, idempotency_key="k") for _ in range(5)])

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({h.run_id for h in handles}) == 1
    assert len(handles) == 40
    assert {h.result(SIGNAL_TIMEOUT_SECONDS).status for h in handles} == {"Completed"}
    assert len(runner.list_runs()) == 1
    with pytest.raises(IdempotencyConflict):
        runner.submit("w", {"x": 2}, idempotency_key="k")


def test_cancel_reaches_the_body_and_stops_the_rest(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        gate.started.release()
        while not handle.cancelled:
            gate.open.wait(0.001)
        handle.raise_if_cancelled()

    define("w", ("a", body, {}), ("b", does_nothing, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    handle.cancel("enough")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Cancelled"
    assert result.reason == "enough"
    assert [t.status for t in result.task_results] == ["Cancelled", "Pending"]
    with pytest.raises(InvalidTransition):
        handle.cancel()


def test_a_body_that_does_not_stop_is_given_up(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    runner = open_runner(cancel_grace_seconds=0.01)
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    handle.cancel()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"


def test_cancel_takes_back_what_waits_for_a_slot(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    define("busy", ("a", lambda context: gate(), {}))
    define("w", ("a", does_nothing, {}))
    busy = runner.submit("busy")
    gate.wait_started()
    waiting = runner.submit("w")
    waiting.cancel()
    result = waiting.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Cancelled"
    assert result.task_results[0].attempt_count == 0
    gate.open.set()
    assert busy.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_pause_and_resume(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    ran: list[str] = []
    define(
        "w",
        ("a", lambda context: gate(), {}),
        ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}),
    )
    handle = runner.submit("w")
    gate.wait_started()
    handle.pause("lunch")
    assert handle.status == "Paused"
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).reason == "lunch"
    gate.open.set()
    with pytest.raises(InvalidTransition):
        handle.pause()
    while handle.info().task_results[0].status != "Completed":
        assert ran == []
    assert ran == []
    assert handle.status == "Paused"
    handle.resume()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert ran == ["b"]
    with pytest.raises(InvalidTransition):
        handle.resume()


def test_unknown_runs(runner: DefaultRunner) -> None:
    for ask in (runner.get_run, runner.handle, runner.cancel, runner.pause, runner.resume):
        with pytest.raises(RunNotFound):
            ask("no-such-run")


def test_listing(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", does_nothing, {}))
    define("v", ("a", does_nothing, {}))
    made = [runner.execute(name).run_id for name in ("w", "v", "w", "w")]
    assert [r.run_id for r in runner.list_runs()] == made[::-1]
    assert [r.run_id for r in runner.list_runs(workflow_name="w", limit=2)] == [made[3], made[2]]
    assert [r.run_id for r in runner.list_runs(before=made[2])] == [made[1], made[0]]
    assert runner.list_runs(status="Failed") == []
    with pytest.raises(ValueError):
        runner.list_runs(status="Odd")


def test_shutdown_drains_and_leaves_the_rest(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    ran: list[str] = []

    def first_body(context: Context) -> None:
        gate()
        ran.append("a")

    define(
        "w",
        ("a", first_body, {}),
        ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}),
    )
    with assert_no_new_threads():
        first = open_runner()
        handle = first.submit("w")
        gate.wait_started()
        closing = threading.Thread(target=first.shutdown)
        closing.start()
        gate.open.set()
        closing.join(SIGNAL_TIMEOUT_SECONDS)
        assert ran == ["a"]
        with pytest.raises(RunnerClosed):
            first.submit("w")
        first.shutdown()
        second = open_runner()
        assert second.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert ran == ["a", "b"]
        second.shutdown()


def test_waiters_are_notified_of_the_shutdown(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    runner = open_runner(shutdown_timeout_seconds=0)
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            handle.result()
        except RunnerClosed as error:
            heard.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    runner.shutdown()
    waiting.join(SIGNAL_TIMEOUT_SECONDS)
    assert len(heard) == 1
    gate.open.set()
    again = open_runner()
    assert again.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_deferred_body_does_not_hold_up_a_shutdown(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    begun, ready = threading.Event(), threading.Event()

    def wait(context: Context, handle: TaskHandle) -> None:
        begun.set()
        handle.defer_until(ready.is_set, poll_interval_ms=5)

    define("w", ("a", wait, {}))
    runner = open_runner(shutdown_timeout_seconds=600)
    run_id = runner.submit("w").run_id
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    while "a" not in [t.task_name for t in runner.get_run(run_id).task_results if t.status == "Running"]:
        poll_pause()
    runner.shutdown()
    ready.set()
    again = open_runner()
    assert again.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_workflow_nobody_knows_is_left_alone_and_picked_up(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", does_nothing, {"dependencies": ["a"]}))
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit("w").run_id
    gate.wait_started()
    first.shutdown()
    registry.unregister("w")
    second = open_runner()
    define("other", ("a", does_nothing, {}))
    assert second.execute("other").status == "Completed"
    assert second.handle(run_id).status == "Running"
    gate.open.set()
    define("w", ("a", does_nothing, {}), ("b", does_nothing, {"dependencies": ["a"]}))
    assert second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_changed_structure_is_parked_and_changed_code_goes_on(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", does_nothing, {"dependencies": ["a"]}))
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit("w").run_id
    gate.wait_started()
    first.shutdown()
    gate.open.set()

    define("w", ("a", does_nothing, {}), ("c", does_nothing, {"dependencies": ["a"]}))
    second = open_runner()
    parked = second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert parked.status == "Paused"
    assert "structure" in (parked.reason or "")
    with pytest.raises(InvalidTransition):
        second.resume(run_id)
    second.shutdown()

    def fixed(context: Context) -> None:
        context["fixed"] = True

    define("w", ("a", fixed, {}), ("b", does_nothing, {"dependencies": ["a"]}))
    third = open_runner()
    third.resume(run_id)
    result = third.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context["fixed"] is True


def test_two_runners_on_one_file(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    define("w", ("a", does_nothing, {}), ("b", does_nothing, {"dependencies": ["a"]}))
    runners = [open_runner(), open_runner()]
    handles = [runners[k % 2].submit("w") for k in range(100)]
    assert {h.result(SIGNAL_TIMEOUT_SECONDS).status for h in handles} == {"Completed"}
    assert runners[0].handle(handles[1].run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_forked_child_is_told_to_make_its_own(runner: DefaultRunner, define: Define, url: str) -> None:
    define("w", ("a", does_nothing, {}))
    assert runner.execute("w").status == "Completed"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            runner.submit("w")
        except RunnerClosed:
            with DefaultRunner(url) as own:
                status = 0 if own.execute("w").status == "Completed" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert runner.execute("w").status == "Completed"
