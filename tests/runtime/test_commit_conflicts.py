"""Two runners write to one run: what one of them has decided is not lost because the other was faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, TaskHandle, WorkflowHandle
from holdwater.errors import InvalidTransition
from holdwater.graphs import Graph, InterruptNode, node, register_graph
from holdwater.model.registry import registry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]


def open_runner_without_notifications(open_runner: Open, **options: Any) -> DefaultRunner:
    """A runner that hears nothing of what others write, until its commit meets it."""
    runner = open_runner(recovery_interval_seconds=3600, **options)
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


# -- requests to a runner that has not heard yet of what another one wrote


def fails_once(tries: list[int]) -> Callable[[Context, TaskHandle], None]:
    """A function whose second attempt comes in an hour, unless its run is tried again."""

    def body(context: Context, handle: TaskHandle) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("once")
        context["tries"] = len(tries)

    return body


LATER: dict[str, Any] = {"retry_attempts": 2, "retry_delay_ms": 3_600_000}


def submit_waiting(runner: DefaultRunner, workflow: str) -> WorkflowHandle:
    """A run in the memory of its runner, whose task waits for its second attempt."""
    handle = runner.submit(workflow)
    while not handle.info().task_results[0].error_message:  # bounded by the test's time-out
        poll_pause()
    return handle


def assert_outdated(runner: DefaultRunner, run_id: str) -> None:
    """The runner has the run in memory as it was before."""
    known, stored = runner._engine.driver.active_runs[run_id], runner._engine.reader.row(run_id)
    assert known.row.seq < stored.seq


def test_a_retry_just_after_the_end_by_another_runner(open_runner: Open, define: Define) -> None:
    tries: list[int] = []
    define("w", ("a", fails_once(tries), LATER))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = submit_waiting(runner, "w")
    elsewhere.cancel(handle.run_id)
    assert elsewhere.handle(handle.run_id).status == "Cancelled"
    assert_outdated(runner, handle.run_id)
    runner._engine.control.retry(handle.run_id)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["tries"]) == ("Completed", 2)


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_a_request_just_after_the_end_by_another_runner_is_told_the_end(
    open_runner: Open, define: Define, verb: str
) -> None:
    define("w", ("a", fails_once([]), LATER))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = submit_waiting(runner, "w")
    elsewhere.cancel(handle.run_id)
    assert_outdated(runner, handle.run_id)
    with pytest.raises(InvalidTransition, match="it is cancelled"):
        getattr(runner._engine.control, verb)(handle.run_id, "ours")


def test_a_resume_just_after_a_pause_by_another_runner(open_runner: Open, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    elsewhere.pause(handle.run_id)
    assert_outdated(runner, handle.run_id)
    runner.resume(handle.run_id)
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_pause_just_after_a_resume_by_another_runner(open_runner: Open, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = runner.submit("w")
    gate.wait_started()
    runner.pause(handle.run_id)
    elsewhere.resume(handle.run_id)
    assert_outdated(runner, handle.run_id)
    runner.pause(handle.run_id, "again")
    assert (handle.status, handle.info().reason) == ("Paused", "again")
    gate.open.set()
    runner.resume(handle.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_an_answer_to_a_question_that_another_runner_asked(open_runner: Open) -> None:
    tries: list[int] = []

    @node(output_name="draft", retry=RetryPolicy(max_attempts=2, initial_delay=3600, max_delay=3600))
    def write() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("once")
        return "rain"

    register_graph(Graph([write, InterruptNode("ask", "draft", "verdict", bool)], name="asks"))
    try:
        runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
        handle = submit_waiting(runner, "asks")
        elsewhere.cancel(handle.run_id)
        elsewhere._engine.control.retry(handle.run_id)
        assert elsewhere.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
        assert_outdated(runner, handle.run_id)
        runner._engine.control.answer(handle.run_id, None, True)
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    finally:
        registry.unregister("asks")


def test_an_answer_to_a_child_whose_pause_another_runner_told_its_parent(open_runner: Open, gate: Gate) -> None:
    @node(output_name="held")
    def hold() -> int:
        gate()
        return 1

    @node(output_name="draft")
    def write() -> list[str]:
        return ["rain"]

    each = Graph([InterruptNode("ask", "draft", "verdict", bool)], name="each").as_node()
    register_graph(Graph([hold, write, each.map_over("draft", on_pause="item")], name="asks"))
    try:
        runner = open_runner_without_notifications(open_runner, max_concurrent_tasks=1)
        handle = runner.submit("asks")
        gate.wait_started()
        elsewhere = open_runner(recovery_interval_seconds=3600)  # executes all but what is held here
        while not any('"paused"' in row.entries for row in elsewhere._engine.store.read_journal(handle.run_id)):
            poll_pause()  # bounded by the test's time-out
        assert_outdated(runner, handle.run_id)
        runner._engine.control.answer(handle.run_id, None, True)
        gate.open.set()
        result = handle.result(SIGNAL_TIMEOUT_SECONDS)
        assert (result.status, result.final_context["verdict"]) == ("Completed", [True])
    finally:
        registry.unregister("asks")


def test_a_fork_of_what_another_runner_has_executed(open_runner: Open, define: Define) -> None:
    tries: list[int] = []
    ran: list[str] = []
    define("w", ("a", fails_once(tries), LATER), ("b", lambda context: ran.append("b"), {"dependencies": ["a"]}))
    runner, elsewhere = open_runner_without_notifications(open_runner), open_runner_without_recovery(open_runner)
    handle = submit_waiting(runner, "w")
    elsewhere.cancel(handle.run_id)
    elsewhere._engine.control.retry(handle.run_id)
    assert elsewhere.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert_outdated(runner, handle.run_id)
    fork = runner._engine.fork(handle.run_id, "b", {}, ())
    result = runner.handle(fork.info.id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.final_context["tries"], ran, len(tries)) == ("Completed", 2, ["b", "b"], 2)
