"""One view of a run, for tasks, steps and graphs, in this process and in one without the code of the workflow."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, TaskHandle
from holdwater.errors import RunNotFound, TaskNotFound
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.model.statuses import RunStatus
from holdwater.operations.databases import open_for_reading
from holdwater.operations.runs import show_run
from holdwater.runs.nodes import NodeState
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext
from tests.suite.runners import Define, Gate

HERE = f"{os.uname().nodename}:{os.getpid()}"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"


def reader_of(runner: DefaultRunner) -> RunReader:
    return runner._engine.reader


def fails_first(times: int) -> Callable[..., Any]:
    left = [times]

    def body(context: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ValueError(f"{left[0]} more")
        context["done"] = True

    return body


def test_attempts_of_tasks(runner: DefaultRunner, define: Define) -> None:
    retry = {"retry_attempts": 3, "retry_delay_ms": 0}
    define(
        "w",
        ("a", fails_first(2), retry),
        ("b", fails_first(1), {"dependencies": ["a"], "retry_attempts": 1}),
        ("c", fails_first(0), {"dependencies": ["b"]}),
    )
    run = reader_of(runner).view(runner.execute("w").run_id)
    assert (run.status, run.ended, run.info.workflow, run.info.style) == (RunStatus.FAILED, True, "w", "tasks")
    a, b, c = run.nodes
    assert (a.name, a.kind, a.state, a.attempt_count, a.iterations, a.error) == (
        "a", "call", NodeState.COMPLETED, 3, 1, None,
    )  # fmt: skip
    assert [(one.number, one.outcome, one.error, one.category) for one in a.attempts] == [
        (1, "failed", "ValueError: 1 more", "ValueError"),
        (2, "failed", "ValueError: 0 more", "ValueError"),
        (3, "completed", None, None),
    ]
    assert a.attempts[0].retry_at == 0
    assert [run.journal[(one.entry or 0) - 1].started_at for one in a.attempts] == [
        one.started_at for one in a.attempts
    ]
    assert (b.state, b.error, b.category) == (NodeState.FAILED, "ValueError: 0 more", "ValueError")
    assert b.traceback is not None
    assert "in body" in b.traceback
    assert b.attempts[0].traceback == b.traceback
    assert b.failure is not None
    assert (b.failure.category, b.failure.message) == ("ValueError", "ValueError: 0 more")
    assert (c.state, c.reason, c.attempts) == (NodeState.SKIPPED, "upstream failed: b", ())
    assert run.result["done"].copy() is True
    assert run.activity.state == "failed"
    assert (run.pauses, run.children) == ((), ())
    assert run.node("b") is b
    with pytest.raises(TaskNotFound, match="did you mean"):
        run.node("B")


def test_a_retried_run_keeps_the_attempts_of_earlier_ones(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(1), {"retry_attempts": 1}))
    handle = runner.submit("w")
    assert handle.result(20).status == "Failed"
    handle.retry()
    assert handle.result(20).status == "Completed"
    (a,) = reader_of(runner).view(handle.run_id).nodes
    assert [(one.number, one.iteration, one.outcome) for one in a.attempts] == [(1, 1, "failed"), (2, 1, "completed")]
    assert (a.attempt_count, a.iterations, a.error) == (2, 1, None)


def test_a_running_attempt_names_its_worker(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("w", ("a", lambda context: gate(), {}))
    handle = runner.submit("w")
    gate.wait_started()
    run = reader_of(runner).view(handle.run_id)
    (a,) = run.nodes
    assert (a.state, a.is_outstanding, a.attempt_count) == (NodeState.RUNNING, True, 0)
    (attempt,) = a.attempts
    assert (attempt.number, attempt.outcome, attempt.entry) == (1, "running", None)
    assert attempt.worker is not None
    assert attempt.worker.endswith(f":{os.getpid()}")
    assert (run.activity.state, run.activity.pid) == ("running", os.getpid())
    gate.open.set()
    assert handle.result(20).status == "Completed"
    assert (a.state, run.status) == (NodeState.RUNNING, RunStatus.RUNNING)  # as it was read


def test_a_view_cannot_be_changed(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(0), {}))
    run = reader_of(runner).view(runner.execute("w").run_id)
    for one in (run, run.info, run.nodes[0], run.nodes[0].attempts[0], run.activity):
        name = dataclasses.fields(one)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, name, None)
    with pytest.raises(TypeError):
        run.result["x"] = 1  # type: ignore[index]


def load(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
    return StepResult.ok(output={"rows": 3})


def test_steps(runner: DefaultRunner) -> None:
    workflow = Workflow(
        name="etl",
        steps=[Step.lambda_("load", load), Step.lambda_("check", lambda context, config: StepResult.fail("too few"))],
    )
    run = reader_of(runner).view(runner.execute(workflow).run_id)
    assert run.info.style == "steps"
    assert [(one.name, one.state) for one in run.nodes] == [("load", "completed"), ("check", "failed")]
    failure = run.node("check").failure
    assert failure is not None
    assert "too few" in failure.message
    assert run.result["load"].copy() == {"rows": 3}
    assert [event.type for event in run.events][-1] == "workflow_failed"


@node(output_name="topic")
def choose(words: list[str]) -> str:
    return words[0]


@interrupt(answer_name="verdict", response_type=str)
def ask(topic: str) -> str | None:
    return f"print {topic}?"


@node(output_name="count")
def count(count: int) -> int:
    return count + 1


@route(targets=["count", END])
def again(count: int) -> str:
    return END if count >= 3 else "count"


def test_a_graph_that_waits(runner: DefaultRunner) -> None:
    graph = Graph([choose, ask], name="press")
    run = reader_of(runner).view(runner.execute(graph, {"words": ["rain", "sun"]}).run_id)
    assert (run.status, run.ended, run.is_suspended) == (RunStatus.PAUSED, False, False)
    assert [(one.name, one.state) for one in run.nodes] == [("choose", "completed"), ("ask", "waiting")]
    (pause,) = run.pauses
    assert (pause.pause_id, pause.value) == ("ask", "print rain?")
    assert [one.outcome for one in run.node("ask").attempts] == ["awaiting_input"]
    assert run.inputs["words"].copy() == ["rain", "sun"]
    assert {name: stored.copy() for name, stored in run.outputs_of("choose").items()} == {"topic": "rain"}
    assert run.downstream_of(["words"]) == {"choose", "ask"}
    assert run.last_given("words").copy() == ["rain", "sun"]
    runner.answer(run.id, None, "yes")
    after = reader_of(runner).view(runner.handle(run.id).result(20).run_id)
    assert (after.status, after.result["verdict"].copy()) == (RunStatus.COMPLETED, "yes")
    assert run.status == RunStatus.PAUSED


def test_a_loop(runner: DefaultRunner) -> None:
    graph = Graph([count, again], name="counter", entrypoint="count")
    run = reader_of(runner).view(runner.execute(graph, {"count": 0}).run_id)
    assert run.status == RunStatus.COMPLETED, run.info.error
    assert run.node("count").loop == ("count", "again")
    assert (run.node("count").iterations, run.node("count").completions) == (3, 3)
    assert [one.iteration for one in run.node("count").attempts] == [1, 2, 3]
    assert run.supersteps >= 6


def test_what_a_fork_runs_again(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", fails_first(0), {}), ("b", fails_first(0), {"dependencies": ["a"]}), ("c", fails_first(0), {}))
    run = reader_of(runner).view(runner.execute("w").run_id)
    assert run.from_node("a") == {"a", "b"}
    assert run.from_node("c") == {"c"}
    loop = Graph([count, again], name="counter", entrypoint="count")
    assert reader_of(runner).view(runner.execute(loop, {"count": 0}).run_id).from_node("again") == {"count", "again"}


def test_child_runs(runner: DefaultRunner, define: Define) -> None:
    define("child", ("a", fails_first(0), {}))

    def parent(context: Any, handle: TaskHandle) -> None:
        handle.execute("child")

    define("parent", ("start", parent, {}))
    run = reader_of(runner).view(runner.execute("parent").run_id)
    (child,) = run.children
    assert (child.workflow, child.status, child.parent_id) == ("child", RunStatus.COMPLETED, run.id)


def test_items_of_a_fan_out(runner: DefaultRunner) -> None:
    @node(output_name="share")
    def share(number: int) -> int:
        return 6 // number

    inner = Graph([share], name="shares")
    graph = Graph([inner.as_node().map_over("number")], name="outer")
    run = reader_of(runner).view(runner.execute(graph, {"number": [2, 0]}).run_id)
    first, second = run.fan_outs["shares"]
    assert (first.index, first.status, first.values["share"].copy()) == (0, "completed", 3)
    assert (second.index, second.status, dict(second.values)) == (1, "failed", {})
    assert "ZeroDivisionError" in second.error
    assert [child.id for child in run.children] == [first.run_id, second.run_id]


def test_a_run_that_is_not_there(runner: DefaultRunner) -> None:
    reader = reader_of(runner)
    with pytest.raises(RunNotFound):
        reader.view("none")
    assert reader.find("none") is None


MODULE = """
from dataclasses import dataclass

from holdwater import WorkflowBuilder, task

@dataclass
class Point:
    x: int

with WorkflowBuilder("points"):
    @task()
    def make(context):
        context["point"] = Point(3)
        context["n"] = 1
"""
STRANGER = """
import json, sys
from holdwater.operations.databases import open_for_reading
from holdwater.operations.runs import show_run
with open_for_reading(sys.argv[1]) as database:
    run = show_run(database.runs, "@last")
print(json.dumps({
    "workflow": run.info.workflow, "states": [node.state for node in run.nodes], "names": sorted(run.result),
    "n": run.result["n"].copy(), "attempts": [one.outcome for one in run.nodes[0].attempts],
    "imported": [name for name in ("flows",) if name in sys.modules],
    "events": [event.type for event in run.events],
}))
"""


def test_another_process_without_the_code(tmp_path: Path) -> None:
    (tmp_path / "flows.py").write_text(MODULE)
    url = f"sqlite:///{tmp_path}/runs.db"
    start = f"import flows, holdwater; holdwater.DefaultRunner({url!r}).execute('points')"
    subprocess.run([sys.executable, "-c", start], cwd=tmp_path, check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    seen = json.loads(
        subprocess.run(
            [sys.executable, "-c", STRANGER, url], cwd=elsewhere, check=True, capture_output=True, text=True
        ).stdout
    )
    assert seen == {
        "workflow": "points", "states": ["completed"], "names": ["n", "point"], "n": 1, "attempts": ["completed"],
        "imported": [], "events": seen["events"],
    }  # fmt: skip
    assert seen["events"][-1] == "workflow_completed"


def test_a_shown_run_outlives_its_store(tmp_path: Path, define: Define) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    define("w", ("a", fails_first(0), {}))
    with DefaultRunner(url) as runner:
        run_id = runner.execute("w").run_id
    with open_for_reading(url) as database:
        run: RunView = show_run(database.runs, run_id[-8:])
    assert (run.activity.state, run.pauses, run.nodes[0].state) == ("completed", (), "completed")


def plain(values: Any) -> dict[str, Any]:
    return {name: None if value is None else value.copy() for name, value in values.items()}


def test_values_of_tasks(runner: DefaultRunner, define: Define) -> None:
    def make(context: Any) -> None:
        context["b"] = 2

    def drop(context: Any) -> None:
        del context["a"]

    define("w", ("make", make, {}), ("drop", drop, {"dependencies": ["make"]}))
    run = reader_of(runner).view(runner.execute("w", {"a": 1}).run_id)
    assert plain(run.starting_values) == {"a": 1}
    assert plain(run.input_values("make")) == {"a": 1}
    assert plain(run.output_values("make")) == {"b": 2}
    assert plain(run.input_values("drop")) == {"a": 1, "b": 2}
    assert plain(run.output_values("drop")) == {"a": None}
    assert plain(run.result) == {"b": 2}


def test_values_of_steps(runner: DefaultRunner) -> None:
    def add(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        return StepResult.ok(output={"rows": context.params["n"] + 1}, context_updates={"n": 5})

    steps = [Step.lambda_("add", add), Step.lambda_("again", add)]
    run = reader_of(runner).view(runner.execute(Workflow(name="etl", steps=steps), {"n": 1}).run_id)
    assert plain(run.starting_values) == {"n": 1}
    assert plain(run.output_values("add")) == {"add": {"rows": 2}, "n": 5}
    assert plain(run.input_values("again")) == {"n": 5}


def test_values_of_graphs(runner: DefaultRunner) -> None:
    run = reader_of(runner).view(
        runner.execute(Graph([count, again], name="c", entrypoint="count"), {"count": 1}).run_id
    )
    assert plain(run.starting_values) == {"count": 1}
    assert plain(run.output_values("count")) == {"count": 3}
    assert plain(run.input_values("again")) == {"count": 3}
    assert plain(run.output_values("again")) == {}
