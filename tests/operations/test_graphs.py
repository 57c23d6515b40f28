"""Graphs of runs, read from a database without the code of their workflows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from holdwater import DefaultRunner
from holdwater.drawing.graph_state import BoxState
from holdwater.graphs import END, Graph, interrupt, node, route
from holdwater.model.time import Micros
from holdwater.operations import graphs
from holdwater.operations.databases import Database
from holdwater.operations.graph_states import graph_state, waiting_text
from holdwater.operations.graphs import RunGraph, announced_nodes, graph_of_run
from holdwater.runs.activity import Activity
from holdwater.runs.nodes import AttemptView, NodeState, NodeView
from holdwater.runs.view import RunView
from holdwater.steps import Step, Workflow, WorkflowContext
from tests.suite.runners import Define, define

__all__ = ["define"]


@pytest.fixture
def runner() -> Any:
    made = DefaultRunner("memory://")
    yield made
    made.shutdown()


def view_of(runner: DefaultRunner, run_id: str) -> RunView:
    return runner._engine.reader.view(run_id)


def graph_of(runner: DefaultRunner, run_id: str) -> RunGraph:
    return graph_of_run(view_of(runner, run_id), runner._engine.clock.now())


@node(output_name="count")
def count(count: int) -> int:
    return count + 1


@route(targets=["count", "show", END])
def again(count: int) -> str:
    return "show" if count >= 3 else "count"


@node(output_name="shown")
def show(count: int) -> int:
    return count


def test_a_loop_and_its_gate(runner: DefaultRunner) -> None:
    graph = Graph([count, again, show], name="counter", entrypoint="count")
    drawn = graph_of(runner, runner.execute(graph, {"count": 0}).run_id)
    assert drawn.state.boxes["count"].turn == 3
    assert drawn.state.boxes["count"].about.startswith("turn 3, ")
    assert drawn.state.decisions == {"again": frozenset({"show"})}
    states = {(one.source, one.target): drawn.state.arrow_state(one) for one in drawn.picture.arrows}
    assert states["again", "show"] == "taken"
    assert states["again", "count"] == "faded"
    assert drawn.state.counts() == {"completed": 3}


@interrupt(answer_name="verdict", response_type=str)
def ask(count: int) -> str:
    return f"{count}?"


def test_a_question(runner: DefaultRunner) -> None:
    drawn = graph_of(runner, runner.execute(Graph([show, ask], name="asking"), {"count": 1}).run_id)
    assert drawn.state.boxes["ask"] == BoxState("awaiting_input", "Waiting for a person")
    assert drawn.picture.boxes["ask"].kind == "question"
    assert drawn.to_text("ascii").splitlines()[-1] == "└─ ? ask [interrupt]: Waiting for a person"


def doubled(context: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
    value = context.params["item"]
    if value < 0:
        raise ValueError(f"{value} is negative\nand more")
    return {"doubled": 2 * value}


def test_a_map_of_steps(runner: DefaultRunner) -> None:
    each = Step.map("each", [1, 2, 3], step=Step.lambda_("one", doubled))
    drawn = graph_of(runner, runner.execute(Workflow("maps", [each])).run_id)
    each_state = drawn.state.boxes["each"]
    assert (each_state.mark, each_state.done, each_state.total) == ("completed", 3, 3)
    assert each_state.about.startswith("3 items, ")
    root = ElementTree.fromstring(drawn.to_svg(None))
    assert any("kind-graph" in one.attrib.get("class", "") for one in root.iter())


def test_a_failed_item_is_counted(runner: DefaultRunner) -> None:
    each = Step.map("each", [1, -1], step=Step.lambda_("one", doubled), max_concurrency=1)
    after = Step.lambda_("after", doubled)
    drawn = graph_of(runner, runner.execute(Workflow("fails", [each, after])).run_id)
    assert drawn.state.boxes["each"].about == "2 of 2, 1 failed"
    assert "\n" not in drawn.state.boxes["each"].detail
    assert drawn.state.boxes["after"].mark == "pending"


def test_a_retry_says_when_it_is_due() -> None:
    nodes = (
        NodeView(
            "a",
            "call",
            NodeState.WAITING,
            attempts=(AttemptView(2, 1, "failed", retry_at=Micros(12_000_000)),),
            error="x",
        ),
        NodeView("b", "wait", NodeState.WAITING, deferred_until=Micros(3_600_000_000)),
        NodeView("c", "call", NodeState.RUNNING, attempts=(AttemptView(3, 1, "running"),)),
    )
    run: Any = SimpleNamespace(
        nodes=nodes, fan_outs={}, child_counts={}, decisions={}, ended=False, is_suspended=False, status="running",
        activity=Activity("running"),
    )  # fmt: skip
    state = graph_state(run, Micros(2_000_000))
    assert state.boxes["a"] == BoxState("waiting", "retry in 10.00 s", "x", until=Micros(12_000_000))
    assert state.boxes["b"] == BoxState("waiting", "due in 59 min 58 s", until=Micros(3_600_000_000))
    assert state.boxes["c"] == BoxState("running", "attempt 3")
    assert graph_state(run, Micros(0), {"c": 5}).boxes["c"].about == "attempt 3 of 5"
    assert waiting_text(Micros(1), Micros(2)) == "now"


def always_fails(context: Any) -> None:
    raise ValueError("no")


def test_attempts_are_told_of_those_that_are_allowed(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", always_fails, {"retry_attempts": 3, "retry_delay_ms": 0}))
    run = view_of(runner, runner.execute("w").run_id)
    announced = announced_nodes(Database.of(runner._engine), run)
    assert announced.max_attempts == {"a": 3}
    assert (
        graph_of_run(run, runner._engine.clock.now(), announced).state.boxes["a"].about.startswith("attempt 3 of 3, ")
    )


def test_a_graph_of_too_many_nodes_is_folded(
    runner: DefaultRunner, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MAX_DRAWN_BOXES", 1)
    define("w", ("a", always_fails, {"retry_attempts": 1}), ("b", always_fails, {"dependencies": ["a"]}))
    root = ElementTree.fromstring(graph_of(runner, runner.execute("w").run_id).to_svg("dark"))
    assert [one.attrib["data-level"] for one in root.iter() if "data-level" in one.attrib] == ["0", "1"]
