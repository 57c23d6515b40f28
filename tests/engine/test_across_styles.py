"""Workflows of one style run those of another as children: linked, retried, cancelled and taken over together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, RetryPolicy, TaskHandle, WorkflowBuilder, WorkflowRunner, task
from holdwater.errors import WorkflowError
from holdwater.executors import ProcessExecutor
from holdwater.graphs import Graph, interrupt, node, register_graph
from holdwater.model.registry import registry
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.engine.fake_clock import FakeClock
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Open = Callable[..., DefaultRunner]
Config = dict[str, Any]


def etl(name: str = "etl") -> Workflow:
    """Reads as many rows as a param says, and counts them."""

    def extract(ctx: WorkflowContext, config: Config) -> Config:
        return {"rows": list(range(ctx.get_param("n", 0)))}

    def load(ctx: WorkflowContext, config: Config) -> Config:
        return {"count": len(ctx.get_output("extract", "rows"))}

    return Workflow(name, [Step.lambda_("extract", extract), Step.lambda_("load", load)])


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


@node(output_name="text")
def show(doubled: int, unit: str = "m") -> str:
    return f"{doubled} {unit}"


def doubling(name: str | None = "doubling") -> Graph:
    return Graph([double, show], name=name)


def failing(times: int, calls: list[int]) -> Workflow:
    """Its step fails so often."""

    def body(ctx: WorkflowContext, config: Config) -> StepResult | None:
        calls.append(1)
        return StepResult.fail("not yet", "TRANSIENT") if len(calls) <= times else None

    return Workflow("fickle", [Step.lambda_("only", body)])


def parent_ids(runner: DefaultRunner, name: str) -> list[str | None]:
    """The parents of the runs of a workflow."""
    return [run.parent_run_id for run in runner.list_runs(workflow_name=name)]


# -- a task runs them by name


def test_a_body_runs_a_workflow_of_steps_and_a_graph(runner: DefaultRunner, define: Define) -> None:
    register_workflow(etl())
    register_graph(doubling())

    def body(context: Context, handle: TaskHandle) -> None:
        context["count"] = handle.execute("etl", {"n": 3}).final_context["load"]["count"]
        context["text"] = handle.execute("doubling", {"x": 4}).final_context["text"]

    define("parent", ("a", body, {}))
    result = runner.execute("parent")
    assert result.final_context.to_dict() == {"count": 3, "text": "8 m"}
    assert parent_ids(runner, "etl") == parent_ids(runner, "doubling") == [result.run_id]


def test_a_failed_step_is_the_result_of_the_child(runner: DefaultRunner, define: Define) -> None:
    register_workflow(failing(1, []))

    def body(context: Context, handle: TaskHandle) -> None:
        result = handle.execute("fickle")
        context["was"] = [result.status, result.error_message]

    define("parent", ("a", body, {}))
    status, error = runner.execute("parent").final_context["was"]
    assert status == "Failed"
    assert "not yet" in error


# -- a task that invokes


def test_what_is_invoked_is_added_to_the_context(runner: DefaultRunner) -> None:
    order: list[str] = []

    def after(context: Context) -> dict[str, Any]:
        order.append("after")
        return {"kept": context["load"]["count"], "load": None}

    with WorkflowBuilder("parent"):

        @task(invokes=etl(), post_invocation=after)
        def call(context: Context) -> dict[str, int]:
            order.append("body")
            context["seen"] = True
            return {"n": 5}

    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    assert result.final_context.to_dict() == {
        "seen": True,
        "n": 5,
        "extract": {"rows": [0, 1, 2, 3, 4]},
        "load": None,
        "kept": 5,
    }
    assert order == ["body", "after"]
    assert parent_ids(runner, "etl") == [result.run_id]


@pytest.mark.parametrize("how", ["name", "definition"])
@pytest.mark.parametrize("style", ["tasks", "steps", "graph"])
def test_every_style_can_be_invoked(runner: DefaultRunner, style: str, how: str) -> None:
    definition: Any
    expected: dict[str, Any]
    with WorkflowBuilder("child") as builder:

        @task()
        def triple(context: Context) -> None:
            context["n"] = 3 * context["n"]

    registry.unregister("child")
    if style == "tasks":
        definition, expected = builder.build(), {"n": 6, "x": 1}
    elif style == "steps":
        definition, expected = etl("child"), {"n": 2, "x": 1, "extract": {"rows": [0, 1]}, "load": {"count": 2}}
    else:
        definition, expected = doubling("child"), {"n": 2, "x": 1, "doubled": 2, "text": "2 m"}
    if how == "name":
        registry.register(definition.program())
    with WorkflowBuilder("parent"):
        task(id="call", invokes="child" if how == "name" else definition)(lambda context: None)
    result = runner.execute("parent", {"n": 2, "x": 1})
    assert result.status == "Completed", result.error_message
    assert result.final_context.to_dict() == expected


def test_a_graph_is_given_its_inputs_and_makes_the_rest_itself(runner: DefaultRunner) -> None:
    graph = doubling().bind(unit="km")
    with WorkflowBuilder("parent"):
        task(id="call", invokes=graph)(lambda context: None)
        task(id="again", invokes=graph, dependencies=["call"])(lambda context: {"x": 10})
    result = runner.execute("parent", {"x": 2, "doubled": "stale", "unit": "mile", "more": 1})
    assert result.final_context["text"] == "20 km"
    assert result.final_context["unit"] == "mile"


def test_an_async_body_invokes_too(runner: DefaultRunner) -> None:
    with WorkflowBuilder("parent"):

        @task(invokes=etl())
        async def call(context: Context, handle: TaskHandle) -> None:
            context["n"] = handle.attempt

    assert runner.execute("parent").final_context["load"] == {"count": 1}


def test_a_failed_child_fails_the_attempt_and_the_next_has_its_own(runner: DefaultRunner) -> None:
    calls: list[int] = []
    seen: list[str] = []
    with WorkflowBuilder("parent"):
        task(
            id="call",
            invokes=failing(1, calls),
            retry_attempts=2,
            retry_delay_ms=0,
            on_failure=lambda task_id, error, context: seen.append(error),
        )(lambda context: None)
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    assert len(calls) == 2
    assert [run.status for run in runner.list_runs(workflow_name="fickle")] == ["Completed", "Failed"]
    assert "'fickle' was invoked and is Failed" in seen[0]
    assert "not yet" in seen[0]


def test_a_failed_child_fails_the_run(runner: DefaultRunner) -> None:
    with WorkflowBuilder("parent"):
        task(id="call", invokes=failing(9, []), post_invocation=lambda context: {"never": 1})(lambda context: None)
    result = runner.execute("parent")
    assert result.status == "Failed"
    assert "'fickle' was invoked and is Failed" in str(result.error_message)
    assert "never" not in result.final_context


def test_a_definition_is_what_runs_whatever_had_its_name(runner: DefaultRunner) -> None:
    register_workflow(failing(9, []), "etl")
    with WorkflowBuilder("parent"):
        task(id="call", invokes=etl())(lambda context: {"n": 1})
    assert runner.execute("parent").final_context["load"] == {"count": 1}


def test_a_task_that_invokes_is_known_by_its_function(runner: DefaultRunner) -> None:
    with WorkflowBuilder("parent"):

        @task(id="reading", invokes=etl())
        def read(context: Context) -> dict[str, int]:
            return {"n": 4}

        @task(dependencies=[read])
        def double_it(context: Context) -> None:
            context["twice"] = 2 * context["load"]["count"]

        task(id="reading", invokes=etl())(read)  # the same once more
    assert runner.execute("parent").final_context["twice"] == 8
    assert read(Context()) == {"n": 4}


def test_a_worker_process_invokes(open_runner: Open) -> None:
    with WorkflowBuilder("parent"):
        task(id="call", invokes=etl(), executor="cpu")(lambda context: None)
    runner = open_runner(executors={"cpu": ProcessExecutor(1)})
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    (child,) = [run for run in runner.list_runs() if run.parent_run_id == result.run_id]
    assert (child.workflow_name, child.status) == (etl().name, "Completed")


def test_nobody_is_invoked(runner: DefaultRunner) -> None:
    with WorkflowBuilder("parent"):
        task(id="call", invokes="nobody")(lambda context: None)
    assert "WorkflowNotFound" in str(runner.execute("parent").error_message)


@pytest.mark.parametrize("given", [None, 7, [1]])
def test_a_body_or_an_observer_that_returns_nonsense(runner: DefaultRunner, given: Any) -> None:
    with WorkflowBuilder("parent"):
        task(id="call", invokes=etl(), post_invocation=lambda context: given)(lambda context: None)
    result = runner.execute("parent")
    assert (result.error_message is None) == (given is None)
    if given is not None:
        assert "post_invocation returned" in str(result.error_message)


def test_what_cannot_be_invoked() -> None:
    async def later(context: Context) -> None: ...

    for options, says in (
        ({"invokes": object()}, "invokes="),
        ({"invokes": doubling(None)}, "invokes="),
        ({"invokes": ""}, "invokes="),
        ({"invokes": "etl", "post_invocation": 7}, "post_invocation="),
        ({"invokes": "etl", "post_invocation": later}, "post_invocation="),
        ({"post_invocation": print}, "requires invokes="),
    ):
        with pytest.raises(WorkflowError, match=says), WorkflowBuilder("parent"):
            task(id="call", **options)(lambda context: None)
    assert registry.find("parent") is None


# -- a step runs them


@pytest.mark.parametrize("how", ["name", "definition"])
def test_a_step_runs_a_workflow_of_tasks_and_a_graph(runner: DefaultRunner, how: str) -> None:
    with WorkflowBuilder("tripling") as builder:

        @task()
        def triple(context: Context) -> None:
            context["n"] = 3 * context["n"]

    graph = register_graph(doubling())
    tasks = builder.build()
    register_workflow(
        Workflow(
            "parent",
            [
                Step.pipeline("tasks", "tripling" if how == "name" else tasks),
                Step.pipeline("graph", "doubling" if how == "name" else graph, params={"unit": "s"}),
                Step.pipeline("steps", etl()),
            ],
        )
    )
    result = runner.execute("parent", {"n": 2, "x": 4, "doubled": "stale"})
    assert result.status == "Completed", result.error_message
    outputs = result.final_context
    assert outputs["tasks"]["n"] == 6
    assert outputs["tasks"]["pipeline_result"]["status"] == "completed"
    assert (outputs["graph"]["doubled"], outputs["graph"]["text"]) == (8, "8 s")
    assert outputs["steps"]["count"] == 2
    children = [run for run in runner.list_runs() if run.run_id != result.run_id]
    assert {run.parent_run_id for run in children} == {result.run_id}
    assert len(children) == 3


@interrupt(answer_name="decision")
def approve(text: str) -> str:
    return text


def test_questions_of_a_graph_below_a_step_and_a_map(runner: DefaultRunner) -> None:
    review = Workflow("review", [Step.pipeline("graph", doubling().add_nodes(approve))])
    each = Step.map("each", [1, 2], item_param="x", iterator=review)
    register_workflow(Workflow("parent", [Step.pipeline("one", review), each]))
    handle = runner.submit("parent", {"x": 5})
    asked = []
    for open_questions in (1, 2):
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
        pauses = handle.pauses()
        assert len(pauses) == open_questions
        for pause in pauses:
            asked.append((pause.pause_id, pause.value))
            handle.answer(pause.pause_id, f"{pause.value}!")
    assert asked == [
        ("one/graph/approve", "10 m"),
        ("each/0/graph/approve", "2 m"),
        ("each/1/graph/approve", "4 m"),
    ]
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed", result.error_message
    assert [one["decision"] for one in result.final_context["each"]["results"]] == ["2 m!", "4 m!"]


def test_a_step_is_tried_again_with_its_child(runner: DefaultRunner, define: Define) -> None:
    calls: list[int] = []

    def body(context: Context) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("no network")

    define("child", ("a", body, {}))
    retry = RetryPolicy(max_attempts=2, initial_delay=0.0)
    register_workflow(Workflow("parent", [Step.pipeline("call", "child", retry=retry)]))
    result = runner.execute("parent")
    assert result.status == "Completed", result.error_message
    assert len(calls) == 2


def test_a_failed_child_fails_its_step(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> None:
        raise ValueError("no such row")

    define("child", ("a", body, {}))
    register_workflow(Workflow("parent", [Step.pipeline("call", "child")]))
    result = runner.execute("parent")
    assert result.status == "Failed"
    assert "no such row" in str(result.error_message)


# -- cron


def test_a_schedule_starts_a_workflow_of_steps(open_runner: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock("2026-11-21T00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: clock)
    ran = threading.Event()

    def body(ctx: WorkflowContext, config: Config) -> Config:
        ran.set()
        return {"n": ctx.get_param("n"), "at": ctx.get_param("scheduled_time")}

    register_workflow(Workflow("nightly", [Step.lambda_("only", body)]))
    runner = open_runner()
    schedule = runner.register_cron_workflow("nightly", "0 2 * * *", "UTC", context={"n": 7})
    clock.set("2026-11-21T02:00:00")
    assert ran.wait(SIGNAL_TIMEOUT_SECONDS)
    (fire,) = runner.get_cron_execution_history(schedule)
    result = runner.handle(fire["workflow_execution_id"]).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.final_context["only"] == {"n": 7, "at": "2026-11-21T02:00:00.000000Z"}


# -- together to the end


@pytest.mark.parametrize("outer", ["tasks", "steps"])
def test_a_child_of_another_style_is_cancelled_with_its_parent(
    runner: DefaultRunner, define: Define, outer: str
) -> None:
    begun = threading.Event()

    def waits(context: Context, handle: TaskHandle) -> None:
        begun.set()
        handle.defer_until(lambda: False, 10)

    define("inner", ("a", waits, {}))
    register_workflow(Workflow("middle", [Step.pipeline("call", "inner")]))
    if outer == "tasks":
        define("outer", ("a", lambda context: None, {"invokes": "middle"}))
    else:
        register_workflow(Workflow("outer", [Step.pipeline("call", "middle")]))
    handle = runner.submit("outer")
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    handle.cancel()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    runs = runner.list_runs()
    assert len(runs) == 3
    assert {runner.handle(run.run_id).result(SIGNAL_TIMEOUT_SECONDS).status for run in runs} == {"Cancelled"}


def test_a_wait_of_a_child_goes_on_with_the_next_runner(open_runner: Open, gate: Gate) -> None:
    seen: list[str] = []

    def early(ctx: WorkflowContext, config: Config) -> None:
        seen.append("early")

    def late(ctx: WorkflowContext, config: Config) -> None:
        seen.append("late")
        gate()

    child = Workflow("child", [Step.lambda_("early", early), Step.wait("pause", 0.01), Step.lambda_("late", late)])
    with WorkflowBuilder("parent"):
        task(id="call", invokes=child)(lambda context: None)
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit("parent").run_id
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    second = open_runner()
    assert second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert seen == ["early", "late", "late"]
    assert len(second.list_runs(workflow_name="child")) == 1


def test_killed_at_the_innermost_and_taken_over(url: str, tmp_path: Path) -> None:
    effects = tmp_path / "effects"

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.engine.cross_process", url, str(tmp_path), *arguments]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    first = start()
    try:
        give_up = time.monotonic() + SIGNAL_TIMEOUT_SECONDS
        while not effects.exists() or "square" not in effects.read_text():  # a sign from another process
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.005)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    with DefaultRunner(url) as runner:
        (run,) = runner.list_runs(workflow_name="across.tasks")
    (tmp_path / "go").touch()
    second = start(run.run_id)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    end = json.loads((tmp_path / "end").read_text())
    assert (end["status"], end["error"]) == ("Completed", None)
    assert end["runs"] == ["across.steps", "across.steps/compute", "across.tasks"]
    assert end["context"]["conclude"] == {"answer": 36}
    done = effects.read_text().split()
    twice = {name for name in done if done.count(name) == 2}
    assert twice == {"call", "square"}, "what was under way is done again, and what had finished is not"
    assert sorted(set(done)) == ["call", "conclude", "double", "first", "last", "prepare", "square"]


@pytest.mark.parametrize("shape", ["registered tasks", "definition", "map"])
@pytest.mark.parametrize("how", ["retry", "resume"])
def test_a_workflow_runner_tries_a_child_again(url: str, shape: str, how: str) -> None:
    calls: list[str] = []

    def fine(*_: Any) -> None:
        calls.append("fine")

    def fails_once(*_: Any) -> None:
        calls.append("ill")
        if calls.count("ill") == 1:
            raise ConnectionError("no network")

    retry = RetryPolicy(max_attempts=2, initial_delay=0.0) if how == "retry" else None
    inner = Workflow("inner", [Step.lambda_("a", fine), Step.lambda_("b", fails_once)])
    if shape == "map":
        step: Step = Step.map("call", [1], iterator=inner, retry=retry)
    elif shape == "definition":
        step = Step.pipeline("call", inner, retry=retry)
    else:
        with WorkflowBuilder("child"):
            task(id="a")(lambda context: fine())
            task(id="b", dependencies=["a"])(lambda context: fails_once())
        step = Step.pipeline("call", "child", retry=retry)
    workflow = Workflow("parent", [step])
    with WorkflowRunner(url) as first:
        result = first.execute(workflow)
    if how == "resume":
        assert (result.status, calls) == ("failed", ["fine", "ill"])
        with WorkflowRunner(url) as second:
            result = second.resume(result.run_id, workflow=workflow)
    assert result.status == "completed", result.error
    assert calls.count("ill") == 2
    assert how == "retry" or calls.count("fine") == 1


def test_a_question_below_a_workflow_runner(url: str) -> None:
    workflow = Workflow("parent", [Step.pipeline("graph", doubling().add_nodes(approve))])
    with WorkflowRunner(url) as first:
        waiting = first.execute(workflow, params={"x": 1})
        assert waiting.status == first.resume(waiting.run_id).status == "stopped"
    with DefaultRunner(url) as runner:
        runner.answer(waiting.run_id, None, "yes")
    with WorkflowRunner(url) as second:
        result = second.resume(waiting.run_id, workflow=workflow)
    assert result.status == "completed", result.error
    assert result.context.get_output("graph", "decision") == "yes"
