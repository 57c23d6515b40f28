"""Child runs that functions in worker processes start."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import IdempotencyConflict, TaskCancelled, WorkflowError, WorkflowNotFound
from holdwater.executors import ProcessExecutor, Router
from holdwater.graphs import Graph, NodeContext, node, register_graph
from holdwater.steps import WorkflowContext
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

Open = Callable[..., DefaultRunner]


@dataclass
class Point:
    x: int


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Workers see no database."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(open_runner: Open) -> DefaultRunner:
    """Parents in worker processes, children in threads."""
    return open_runner(executors={"cpu": ProcessExecutor(2)}, routing=Router([("**::parent::**", "cpu")]))


def double(context: Context) -> None:
    context["n"] = 2 * context["n"]


def children_of(runner: DefaultRunner, run_id: str) -> list[Any]:
    return [run for run in runner.list_runs() if run.parent_run_id == run_id]


def test_a_worker_gets_the_result_of_its_child(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    def body(context: Context, handle: TaskHandle) -> None:
        done = [handle.execute("child", {"n": n, "p": Point(n)}) for n in (1, 2)]
        context["pid"] = os.getpid()
        context["found"] = [[r.run_id, r.workflow_name, r.status, r.final_context["n"], r.notes] for r in done]
        context["points"] = [result.final_context["p"].x for result in done]
        first = done[0]
        context["times"] = [first.start_time < (first.end_time or ""), (first.duration or 0) == first.duration]
        context["rest"] = [first.error_message, first.traceback, first.reason, first.to_dict()["tasks"][0]["task_name"]]

    define("parent", ("a", body, {}))
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    told = result.final_context
    ids = sorted(row[0] for row in told["found"])
    assert told["pid"] != os.getpid()
    assert [row[1:] for row in told["found"]] == [["child", "Completed", 2, []], ["child", "Completed", 4, []]]
    assert (told["points"], told["times"]) == ([1, 2], [True, True])
    assert told["rest"] == [None, None, None, "double"]
    assert ids == sorted(run.run_id for run in children_of(runner, result.run_id))


def test_the_identity_of_a_child_is_that_of_a_function_in_a_thread(open_runner: Open, define: Define) -> None:
    """The idempotency key of a call differs in nothing but the run it belongs to."""
    given = {"n": 3, "p": Point(1), "rows": [1.5, None, "ü"]}
    define("child", ("double", double, {}))

    def body(context: Context, handle: TaskHandle) -> None:
        handle.execute("child", given)
        handle.execute("child", given)
        handle.execute("child", {**given, "n": 4}, key="mine")

    define("parent", ("a", body, {}))
    digests = []
    for options in ({}, {"executors": {"cpu": ProcessExecutor(1)}, "routing": Router([("**::parent::**", "cpu")])}):
        runner = open_runner(**options)
        result = runner.execute("parent")
        rows = [runner._engine.store.get_run(run.run_id) for run in children_of(runner, result.run_id)]
        digests.append(
            sorted((row.inputs_digest, (row.idempotency_key or "").partition(":")[0]) for row in rows if row)
        )
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_a_waiting_worker_holds_no_slot(open_runner: Open, define: Define) -> None:
    runner = open_runner(executors={"cpu": ProcessExecutor(1)}, routing=Router([("**", "cpu")]))
    define("child", ("double", double, {}))
    define("middle", ("a", lambda context, handle: handle.execute("child", {"n": 1}).final_context.to_dict(), {}))
    define("parent", ("a", lambda context, handle: handle.execute("middle").final_context.to_dict(), {}))
    assert runner.execute("parent").final_context["n"] == 2


def test_threads_and_coroutines_of_a_worker_wait_at_once(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    def threads(context: Context, handle: TaskHandle) -> None:
        found: list[int] = []
        waiting = [
            threading.Thread(target=lambda n=n: found.append(handle.execute("child", {"n": n}).final_context["n"]))
            for n in range(8)
        ]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        context["found"] = [sorted(found), handle.is_slot_held()]

    async def coroutines(context: Context, handle: TaskHandle) -> None:
        done = await asyncio.gather(*[handle.execute_async("child", {"n": n}) for n in range(8)])
        context["done"] = [[result.final_context["n"] for result in done], handle.is_slot_held()]

    define("parent", ("a", threads, {}), ("b", coroutines, {"dependencies": ["a"]}))
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    wanted = [[2 * n for n in range(8)], True]
    assert (result.final_context["found"], result.final_context["done"]) == (wanted, wanted)


def test_a_coroutine_function_does_not_block_its_loop(runner: DefaultRunner, define: Define) -> None:
    async def body(context: Context, handle: TaskHandle) -> None:
        handle.execute("child")

    define("child", ("double", double, {}))
    define("parent", ("a", body, {}))
    assert "await handle.execute_async" in str(runner.execute("parent").error_message)


def test_inputs_of_a_namespaced_node_inside_a_mapping(runner: DefaultRunner, define: Define) -> None:
    @node(output_name="y")
    def add(x: int, z: int) -> int:
        return x + z

    inner = Graph([add], name="inner").as_node(namespaced=True)
    register_graph(Graph([inner], name="child"))

    def body(context: Context, handle: TaskHandle) -> None:
        context["y"] = handle.execute("child", {"inner": {"x": 1, "z": 2}}).final_context.to_dict()

    define("parent", ("a", body, {}))
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    assert result.final_context["y"] == {"inner.y": 3}
    assert runner.execute("child", {"inner": {"x": 1, "z": 2}}).final_context == {"inner.y": 3}


def test_a_failed_child_is_a_result(runner: DefaultRunner, define: Define) -> None:
    def fail(context: Context) -> None:
        raise ValueError("no")

    define("child", ("a", fail, {}))
    define("parent", ("a", lambda context, handle: {"was": handle.execute("child").error_message}, {}))
    assert runner.execute("parent").final_context["was"] == "task 'a' failed: ValueError: no"


def test_errors_of_a_call_are_raised_in_the_worker(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    def body(context: Context, handle: TaskHandle) -> None:
        def kind_of(call: Callable[[], Any]) -> str:
            try:
                call()
            except Exception as error:
                return type(error).__name__
            return ""

        handle.execute("child", {"n": 1}, key="k")
        context["kinds"] = [
            kind_of(lambda: handle.execute("nobody")),
            kind_of(lambda: handle.execute("child", {"n": 2}, key="k")),
            kind_of(lambda: handle.execute("child", {"n": object()})),
            kind_of(lambda: handle.execute("child", WorkflowContext())),
            kind_of(lambda: handle.execute("child", key="x" * 10_000)),
        ]

    define("parent", ("a", body, {}))
    kinds = [WorkflowNotFound, IdempotencyConflict]
    assert runner.execute("parent").final_context["kinds"] == [
        *[kind.__name__ for kind in kinds],
        "EncodingError",
        WorkflowError.__name__,
        "InvalidArgument",
    ]


@pytest.mark.parametrize("how", ["cancel", "time out", "death"])
def test_a_child_ends_with_its_parent(runner: DefaultRunner, define: Define, how: str) -> None:
    begun = threading.Event()

    def waits(context: Context, handle: TaskHandle) -> None:
        begun.set()
        handle.defer_until(lambda: False, 10)

    def body(context: Context, handle: TaskHandle) -> None:
        if how == "death":
            threading.Thread(target=handle.execute, args=("child",), daemon=True).start()
            handle.execute("last")
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "time out":
            threading.Thread(target=handle.execute, args=("child",), daemon=True).start()
            handle.execute("last")
            handle.defer_until(lambda: False, 10, timeout_ms=1)
        handle.execute("child")

    define("child", ("a", waits, {}))
    define("last", ("a", lambda context: begun.wait(SIGNAL_TIMEOUT_SECONDS) and None, {}))
    define("parent", ("a", body, {}))
    handle = runner.submit("parent")
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    if how == "cancel":
        handle.cancel("enough")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == ("Cancelled" if how == "cancel" else "Failed")
    (child,) = [run for run in children_of(runner, handle.run_id) if run.workflow_name == "child"]
    assert runner.handle(child.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"


def test_a_cancelled_worker_gets_task_cancelled(runner: DefaultRunner, define: Define) -> None:
    begun = threading.Event()

    def waits(context: Context, handle: TaskHandle) -> None:
        begun.set()
        handle.defer_until(lambda: False, 10)

    def body(context: Context, handle: TaskHandle) -> None:
        try:
            handle.execute("child")
        except TaskCancelled as error:
            raise ValueError(f"seen: {error}") from error

    define("child", ("a", waits, {}))
    define("parent", ("a", body, {}))
    handle = runner.submit("parent")
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    handle.cancel("enough")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Cancelled"
    assert "seen: task 'a' of run" in str(result.task_results[0].error_message)


def test_a_node_of_a_graph_starts_a_child_from_a_worker(runner: DefaultRunner, define: Define) -> None:
    define("child", ("double", double, {}))

    @node(output_name="found")
    def ask(n: int, context: NodeContext) -> list[int]:
        return [os.getpid(), context.execute("child", {"n": n}).final_context["n"]]

    register_graph(Graph([ask], name="parent"))
    result = runner.execute("parent", {"n": 21})
    assert result.status == "Completed", result.error_message
    pid, doubled = result.final_context["found"]
    assert (doubled, pid != os.getpid()) == (42, True)
