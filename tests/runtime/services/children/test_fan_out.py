"""A body runs another workflow as a child of its run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import TaskCancelled, WorkflowNotFound
from holdwater.model.time import Micros
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Open = Callable[..., DefaultRunner]


def double(context: Context) -> None:
    context["n"] = 2 * context["n"]


def test_a_body_gets_the_result_of_its_child(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    def body(context: Context, handle: TaskHandle) -> None:
        done = [handle.execute("child", {"n": n}) for n in (1, 2)]
        context["sum"] = sum(result.final_context["n"] for result in done)
        context["ids"] = [result.run_id for result in done]

    define("parent", ("a", body, {}))
    result = runner.execute("parent")
    assert result.final_context["sum"] == 6
    for run_id in result.final_context["ids"]:
        assert runner.get_run(run_id).summary.parent_run_id == result.run_id


def test_a_waiting_parent_holds_no_slot(open_runner: Open, define: Define) -> None:
    define("child", ("double", double, {}))
    define("middle", ("a", lambda context, handle: handle.execute("child", {"n": 1}).final_context.to_dict(), {}))
    define("parent", ("a", lambda context, handle: handle.execute("middle").final_context.to_dict(), {}))
    assert open_runner(max_concurrent_tasks=1).execute("parent").final_context["n"] == 2


def test_async_bodies_have_children_too(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    async def body(context: Context, handle: TaskHandle) -> None:
        context["n"] = (await handle.execute_async("child", {"n": 4})).final_context["n"]

    define("parent", ("a", body, {}))
    assert runner.execute("parent").final_context["n"] == 8


def test_a_failed_child_is_a_result(runner: DefaultRunner, define: Define) -> None:
    def fail(context: Context) -> None:
        raise ValueError("no")

    define("child", ("a", fail, {}))
    define("parent", ("a", lambda context, handle: {"was": handle.execute("child").status}, {}))
    assert runner.execute("parent").final_context["was"] == "Failed"


def test_an_unknown_child_fails_the_attempt(runner: DefaultRunner, define: Define) -> None:
    define("parent", ("a", lambda context, handle: handle.execute("nobody"), {}))
    assert WorkflowNotFound.__name__ in str(runner.execute("parent").error_message)


@pytest.mark.parametrize("how", ["cancel", "time out"])
def test_a_child_ends_with_its_parent(open_runner: Open, define: Define, how: str) -> None:
    begun = threading.Event()

    def body(context: Context, handle: TaskHandle) -> None:
        begun.set()
        handle.defer_until(lambda: False, 10)

    define("child", ("a", body, {}))
    define("parent", ("a", lambda context, handle: handle.execute("child"), {}))
    runner = open_runner()
    parent = runner.submit("parent")
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    (child,) = runner.list_runs(workflow_name="child")
    if how == "cancel":
        parent.cancel()
        assert parent.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    else:
        driver = runner._engine.driver
        driver.loop.call_soon_strict(
            lambda: driver.services.deadlines.expire_run(driver.active_runs[parent.run_id], Micros(0))
        )
        assert parent.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    assert runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"


def test_the_next_attempt_after_a_failure_has_a_child_of_its_own(runner: DefaultRunner, define: Define) -> None:
    children: list[str] = []

    def body(context: Context, handle: TaskHandle) -> None:
        result = handle.execute("child", {"n": 1})
        children.append(result.run_id)
        if handle.attempt == 1:
            raise ValueError("once more")

    define("child", ("double", double, {}))
    define("parent", ("a", body, {"retry_attempts": 2, "retry_delay_ms": 0}))
    assert runner.execute("parent").status == "Completed"
    assert len(set(children)) == 2


def test_a_retried_parent_has_a_child_of_its_own(runner: DefaultRunner, define: Define) -> None:
    ill = {"yes"}

    def body(context: Context) -> None:
        if ill:
            raise ValueError("ill")

    def parent(context: Context, handle: TaskHandle) -> Any:
        result = handle.execute("child")
        if result.status != "Completed":
            raise ValueError(result.error_message)
        return {"child": result.run_id}

    define("child", ("a", body, {}))
    define("parent", ("a", parent, {}))
    failed = runner.execute("parent")
    assert failed.status == "Failed"
    ill.clear()
    runner.retry(failed.run_id)
    result = runner.handle(failed.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert len(runner.list_runs(workflow_name="child")) == 2


def test_a_parent_that_is_taken_over_finds_its_child_again(open_runner: Open, define: Define, gate: Gate) -> None:
    seen: list[str] = []

    def body(context: Context) -> None:
        gate()
        context["done"] = True

    def parent(context: Context, handle: TaskHandle) -> Any:
        try:
            result = handle.execute("child")
        except TaskCancelled:
            seen.append("left")
            raise
        return {"child": result.run_id, "done": result.final_context["done"]}

    define("child", ("a", body, {}))
    define("parent", ("a", parent, {}))
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit("parent").run_id
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    second = open_runner()
    result = second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["done"]) == ("Completed", True)
    assert [run.run_id for run in second.list_runs(workflow_name="child")] == [result.final_context["child"]]
