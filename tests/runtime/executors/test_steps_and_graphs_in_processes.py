"""Steps and nodes of graphs in worker processes: what they get, what they may do, and what cannot be sent."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, WorkflowBuilder, task
from holdwater.executors import ProcessExecutor, Router
from holdwater.graphs import END as END_OF_GRAPH
from holdwater.graphs import Graph, interrupt, node, register_graph, route
from holdwater.steps import QualityMetrics, Step, StepResult, Workflow, WorkflowContext, register_workflow
from holdwater.steps.pipelines import pipeline_registry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

Open = Callable[..., DefaultRunner]
Config = dict[str, Any]


@dataclass
class Point:
    x: int


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Workers see no database."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(open_runner: Open) -> DefaultRunner:
    return open_runner(executors={"cpu": ProcessExecutor(1)}, routing=Router([("**", "cpu")]))


def test_a_step_sees_its_context_and_gives_a_result(runner: DefaultRunner) -> None:
    def first(context: WorkflowContext, config: Config) -> StepResult:
        return StepResult.ok({"pid": os.getpid(), "p": Point(1)}, {"given": 7}, QualityMetrics(10), [{"e": 1}])

    def second(context: WorkflowContext, config: Config) -> Config:
        quality = context.get_quality("first")
        return {
            "seen": [
                context.get_param("n"),
                context.get_param("given"),
                context.get_output("first", "p").x,
                config["c"],
            ],
            "quality": None if quality is None else quality.record_count,
            "run": [context.run_id, context.workflow_name, context.execution_id],
            "began": context.started_at.year,
        }

    async def third(context: WorkflowContext, config: Config) -> StepResult:
        return StepResult.skip("no need")

    steps = [Step.lambda_("first", first), Step.lambda_("second", second, {"c": [1]}), Step.lambda_("third", third)]
    register_workflow(Workflow("shop", steps, defaults={"n": 1}))
    result = runner.execute("shop")
    assert result.status == "Completed", result.error_message
    made = result.final_context
    assert made["first"]["pid"] != os.getpid()
    assert made["second"]["seen"] == [1, 7, 1, [1]]
    assert made["second"]["quality"] == 10
    assert made["second"]["run"] == [result.run_id, "shop", result.run_id]
    assert made["second"]["began"] >= 2026
    assert made["third"]["skip_reason"] == "no need"


def test_the_policy_of_a_step_sees_category_and_cause(runner: DefaultRunner, tmp_path: Path) -> None:
    def count(name: str) -> int:
        with open(tmp_path / name, "a") as file:
            file.write("x")
        return len((tmp_path / name).read_text())

    def recovers(context: WorkflowContext, config: Config) -> Any:
        return {"tries": 2} if count("recovers") == 2 else StepResult.fail("not yet", "TRANSIENT")

    class NeverAgain(ValueError):
        retryable = False

    def final(context: WorkflowContext, config: Config) -> None:
        count("final")
        raise NeverAgain("no")

    policy = RetryPolicy(max_attempts=3, initial_delay=0, retryable_errors=["TRANSIENT"])
    every = RetryPolicy(max_attempts=3, initial_delay=0)
    steps = [Step.lambda_("recovers", recovers, retry=policy), Step.lambda_("final", final, retry=every)]
    register_workflow(Workflow("retried", steps))
    result = runner.execute("retried")
    assert [task.attempt_count for task in result.task_results] == [2, 1]
    assert result.error_message == "task 'final' failed: NeverAgain: no"


def test_choices_waits_and_pipelines(runner: DefaultRunner) -> None:
    import datetime as dt

    def condition(context: WorkflowContext) -> bool:
        return bool(os.getpid() == context.params["runner"])

    def until(context: WorkflowContext) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=5)

    pipeline_registry.register("counting", lambda params: {"n": params["n"], "pid": os.getpid()})
    steps = [
        Step.choice("choose", condition, "here", "elsewhere", join="elsewhere"),
        Step.lambda_("here", lambda context, config: {"pid": os.getpid()}),
        Step.wait("elsewhere", until=until),
        Step.pipeline("count", pipeline_name="counting", params={"n": 3}),
    ]
    register_workflow(Workflow("kinds", steps))
    result = runner.execute("kinds", {"runner": os.getpid()})
    pipeline_registry.unregister("counting")
    assert result.status == "Completed", result.error_message
    assert [task.status for task in result.task_results] == ["Completed", "Skipped", "Completed", "Completed"]
    assert result.final_context["choose"]["branch"] == "else"
    assert result.final_context["count"]["n"] == 3
    assert result.final_context["count"]["pid"] != os.getpid()


def test_nodes_of_every_kind(runner: DefaultRunner) -> None:
    @node(output_name=("pid", "p"), emit="ready")
    def plain(n: int, offset: int, step: list[int] = [1]) -> tuple[int, Point]:  # noqa: B006 - copied for each call
        step.append(2)
        return os.getpid(), Point(n + offset + len(step))

    @node(output_name="items", wait_for="ready")
    def generator(p: Point) -> Iterator[int]:
        yield from range(p.x)

    @node(output_name="more")
    async def agenerator(items: list[int]) -> AsyncIterator[int]:
        for item in items:
            yield item + 1

    @node(output_name="total")
    async def coroutine(more: list[int]) -> int:
        return sum(more)

    @route(["shown", END_OF_GRAPH])
    def gate(total: int) -> Any:
        return "shown" if total > 1 else END_OF_GRAPH

    @node(output_name="text")
    def shown(total: int) -> str:
        return f"{total}"

    @interrupt(answer_name="verdict", response_type=bool)
    def ask(text: str) -> dict[str, Any]:
        return {"text": text, "pid": os.getpid()}

    @node(output_name="end")
    def end(verdict: bool) -> bool:
        return not verdict

    graph = Graph([plain, generator, agenerator, coroutine, gate, shown, ask, end], name="kinds").bind(offset=1)
    register_graph(graph)
    handle = runner.submit("kinds", {"n": 1})
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
    (pause,) = runner.pauses(handle.run_id)
    assert pause.value["text"] == "10"
    assert pause.value["pid"] != os.getpid()
    assert pause.answer_schema == {"type": "boolean"}
    runner.answer(handle.run_id, pause.pause_id, True)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed", result.error_message
    made = result.final_context
    assert made["pid"] != os.getpid()
    assert (made["p"], made["items"], made["more"], made["end"]) == (Point(4), [0, 1, 2, 3], [1, 2, 3, 4], False)


def test_spreads_are_made_where_the_runner_is(open_runner: Open) -> None:
    """Items of mapped tasks, steps and graphs are in workers, all that starts and collects them is not."""
    runner = open_runner(executors={"default": ProcessExecutor(1)})

    with WorkflowBuilder("tasks"):

        @task(map_over="items", map_result="pids")
        def each(item: int) -> int:
            return os.getpid()

    one = Step.lambda_("one", lambda context, config: {"pid": os.getpid(), "n": context.params["item"]})
    register_workflow(Workflow("steps", [Step.map("each", items=lambda context: [1, 2], step=one)]))

    @node(output_name="pid")
    def pid(x: int) -> int:
        return os.getpid()

    mapped = Graph([pid], name="inner").as_node(name="each").map_over("x").rename_outputs(pid="pids")
    register_graph(Graph([mapped], name="graphs"))
    by_tasks = runner.execute("tasks", {"items": [1, 2]}).final_context["pids"]
    by_steps = runner.execute("steps").final_context["each"]["results"]
    by_graphs = runner.execute("graphs", {"x": [1, 2]}).final_context["pids"]
    assert [row["n"] for row in by_steps] == [1, 2]
    assert len({*by_tasks, *[row["pid"] for row in by_steps], *by_graphs}) == 1
    assert os.getpid() not in by_graphs


def test_a_rule_matches_nodes_of_every_style(open_runner: Open, define: Define) -> None:
    rules = [("public::embedded::graph/inner::deep", "cpu"), ("**::steps::a", "cpu"), ("public::**::mine", "cpu")]
    runner = open_runner(executors={"cpu": ProcessExecutor(1)}, routing=Router(rules))

    @node(output_name="deep")
    def deep(n: int) -> int:
        return os.getpid()

    @node(output_name="flat")
    def flat(n: int) -> int:
        return os.getpid()

    register_graph(Graph([flat, Graph([deep], name="inner").as_node()], name="graph"))
    register_workflow(
        Workflow("steps", [Step.lambda_(name, lambda context, config: {"pid": os.getpid()}) for name in ("a", "b")])
    )
    define("tasks", ("mine", lambda context: {"pid": os.getpid()}, {}))
    made = runner.execute("graph", {"n": 1}).final_context
    assert (made["flat"] == os.getpid(), made["deep"] == os.getpid()) == (True, False)
    steps = runner.execute("steps").final_context
    assert (steps["a"]["pid"] == os.getpid(), steps["b"]["pid"] == os.getpid()) == (False, True)
    assert runner.execute("tasks").final_context["pid"] != os.getpid()


PROGRAM = """
import dataclasses, os
from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.executors import ProcessExecutor, Router
from holdwater.graphs import Graph, TypeRouteNode, node, register_graph
from holdwater.steps import Pipeline, Step, Workflow, pipeline, register_workflow

@dataclasses.dataclass
class Money:
    amount: int

def helper(x):
    return x + 1

@node(output_name="m")
def make(n: int) -> Money:
    return Money(helper(n))

@node(output_name="seen")
def look(m: Money) -> list:
    return [type(m) is Money, os.getpid()]

@pipeline
class Sum(Pipeline):
    name = "sum"
    def run(self):
        return {"sum": self.params["a"] + 1}

class Handler:
    def __call__(self, context, config):
        return {"m": Money(3)}

register_graph(Graph([make, TypeRouteNode("kind", "m", {Money: "look"}), look], name="graph"))
looks = Step.lambda_("looks", lambda context, config: {"is": type(context.outputs["makes"]["m"]) is Money})
register_workflow(Workflow("steps", [Step.lambda_("makes", Handler()), looks, Step.pipeline("p", "sum", {"a": 1})]))
config = DefaultRunnerConfig(executors={"cpu": ProcessExecutor(1)}, routing=Router([("**", "cpu")]))
with DefaultRunner("memory://", config=config) as runner:
    graph = runner.execute("graph", {"n": 1}).final_context
    print(graph["m"], graph["seen"][0], graph["seen"][1] == os.getpid())
    steps = runner.execute("steps").final_context
    print(steps["makes"], steps["looks"], steps["p"]["sum"])
"""


def test_steps_and_graphs_of_a_program_without_a_file() -> None:
    done = subprocess.run([sys.executable, "-"], input=PROGRAM, capture_output=True, text=True, check=False)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["Money(amount=2) True False", "{'m': Money(amount=3)} {'is': True} 2"],
        "",
    )


MODULE_LOCK = threading.Lock()


@node(output_name="seen")
def uses_the_module(n: int) -> list[Any]:
    with MODULE_LOCK:
        return [os.getpid(), n]


def test_a_node_of_a_module_is_imported_with_all_that_it_uses(runner: DefaultRunner) -> None:
    """Its function is not there under its name: the node is."""
    register_graph(Graph([uses_the_module.with_name("mine").rename_inputs(n="m")], name="imported"))
    result = runner.execute("imported", {"m": 3})
    assert result.status == "Completed", result.error_message
    pid, n = result.final_context["seen"]
    assert (n, pid == os.getpid()) == (3, False)


def locked_task(define: Define, lock: Any) -> str:
    def body(context: Context) -> None:
        with lock:
            pass

    return define("locked", ("a", body, {}))


def locked_step(define: Define, lock: Any) -> str:
    def handler(context: WorkflowContext, config: Config) -> None:
        with lock:
            pass

    register_workflow(Workflow("locked", [Step.lambda_("a", handler)]))
    return "locked"


def configured_step(define: Define, lock: Any) -> str:
    register_workflow(Workflow("locked", [Step.lambda_("a", lambda context, config: None, {"lock": lock})]))
    return "locked"


def locked_node(define: Define, lock: Any) -> str:
    @node(name="a", output_name="out")
    def body() -> int:
        with lock:
            return 1

    register_graph(Graph([body], name="locked"))
    return "locked"


def bound_node(define: Define, lock: Any) -> str:
    @node(name="a", output_name="out")
    def body(lock: Any) -> int:
        return 1

    register_graph(Graph([body], name="locked").bind(lock=lock))
    return "locked"


@pytest.mark.parametrize("make", [locked_task, locked_step, configured_step, locked_node, bound_node])
def test_what_cannot_be_pickled_is_named(make: Any, runner: DefaultRunner, define: Define) -> None:
    """The lock of a closure, of a configuration, or that is bound."""
    result = runner.execute(make(define, threading.Lock()))
    (task,) = result.task_results
    said = str(task.error_message)
    assert task.attempt_count == 1
    assert said.startswith("TaskNotPortable: task 'a' cannot be sent to another process: TypeError: cannot pickle")
    assert "it refers to 'lock'" in said
    assert "hint: create such things inside the function" in said


def test_a_result_that_cannot_be_stored_is_reported(runner: DefaultRunner) -> None:
    @node(output_name="out")
    def body() -> object:
        return object()

    register_graph(Graph([body], name="odd"))
    register_workflow(Workflow("odd-steps", [Step.lambda_("a", lambda context, config: {"x": object()})]))
    assert "EncodingError: output 'out' of 'body'" in str(runner.execute("odd").error_message)
    assert "EncodingError: the output of step 'a'" in str(runner.execute("odd-steps").error_message)
