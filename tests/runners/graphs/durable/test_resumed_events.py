"""`RunStartEvent.is_resume`: true when a run was recorded by an earlier call, and false otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater.events import EventProcessor, RunStartEvent
from holdwater.graphs import END, Graph, InterruptNode, node, route
from holdwater.runners.graphs import AsyncRunner, SyncRunner
from holdwater.runners.graphs.durable.checkpointers import Checkpointer, MemoryCheckpointer, SqliteCheckpointer
from tests.runners.graphs.samples import run_with_timeout

Call = tuple[dict[str, Any], str]
"""inputs and workflow id of one call"""


class RunStartRecorder(EventProcessor):
    def __init__(self) -> None:
        self.started_runs: list[tuple[str | None, bool]] = []

    def on_event(self, event: Any) -> None:
        if isinstance(event, RunStartEvent):
            self.started_runs.append((event.graph_name, event.is_resume))


def completing_graph() -> Graph:
    return Graph([node(lambda x: x + 1, output_name="y", name="add")], name="g")


def graph_without_recorded_values() -> Graph:
    return Graph([InterruptNode("ask", "shown", "answer").rename_inputs(shown="x")], name="g").bind(x=1)


def failing_graph() -> Graph:
    @node(output_name="y")
    def halve(x: int) -> float:
        return 1 / x

    return Graph([halve], name="g")


def graph_asking_inside() -> Graph:
    use = node(lambda answer: answer, output_name="z", name="use")
    inner = Graph([InterruptNode("ask", "x", "answer"), use], name="inner").as_node()
    return Graph([Graph([inner], name="middle").as_node(), node(lambda z: z, output_name="w", name="last")], name="g")


def graph_with_failing_items() -> Graph:
    broken: set[int] = {1, 2}

    @node(output_name="y")
    def fail_once(x: int) -> int:
        if x in broken:
            broken.remove(x)
            raise ValueError(x)
        return x

    inner = Graph([fail_once], name="inner").as_node()
    return Graph([inner.map_over("x")], name="g")


def nesting_graph() -> Graph:
    return Graph([completing_graph().as_node(name="inner"), InterruptNode("ask", "y", "answer")], name="g")


CASES: dict[str, tuple[Callable[[], Graph], list[Call], list[tuple[str, bool]]]] = {
    "completed, again": (completing_graph, [({"x": 1}, "w"), ({}, "w")], [("g", False), ("g", True)]),
    "completed, with new inputs": (completing_graph, [({"x": 1}, "w"), ({"x": 2}, "w")], [("g", False), ("g", True)]),
    "another id": (completing_graph, [({"x": 1}, "w"), ({"x": 1}, "v")], [("g", False), ("g", False)]),
    "failed": (failing_graph, [({"x": 0}, "w"), ({"x": 2}, "w")], [("g", False), ("g", True)]),
    "nothing recorded but the run": (
        graph_without_recorded_values,
        [({}, "w"), ({"answer": 1}, "w")],
        [("g", False), ("g", True)],
    ),
    "asking inside": (
        graph_asking_inside,
        [({"x": 1}, "w"), ({"answer": 1}, "w")],
        [("g", False), ("middle", False), ("inner", False), ("g", True), ("middle", True), ("inner", True)],
    ),
    "nested": (
        nesting_graph,
        [({"x": 1}, "w"), ({"answer": 1}, "w")],
        [("g", False), ("inner", False), ("g", True)],
    ),
}


@pytest.mark.parametrize("how", ["run", "iter", "sync"])
@pytest.mark.parametrize("case", CASES)
def test_on_the_record(case: str, how: str, tmp_path: Path) -> None:
    build, calls, expected = CASES[case]
    graph, heard = build(), RunStartRecorder()
    if how == "sync" and graph.has_interrupts:
        pytest.skip("a SyncRunner runs no graph with interrupts")
    for inputs, workflow_id in calls:
        with SqliteCheckpointer(tmp_path / "runs.db") as kept:  # what is recorded is all that a call knows of another
            options: dict[str, Any] = {"workflow_id": workflow_id, "event_processors": [heard]}
            _run_graph(how, kept, graph, inputs, {**options, "error_handling": "continue"})
    assert heard.started_runs == expected


def _run_graph(
    method: str, checkpointer: Checkpointer, graph: Graph, inputs: dict[str, Any], options: dict[str, Any]
) -> None:
    if method == "sync":
        SyncRunner(checkpointer=checkpointer).run(graph, inputs, **options)
    elif method == "run":
        run_with_timeout(AsyncRunner(checkpointer=checkpointer).run(graph, inputs, **options))
    else:

        async def iterate() -> None:
            async with AsyncRunner(checkpointer=checkpointer).iter(graph, inputs, **options) as run:
                async for _ in run:
                    pass

        asyncio.run(iterate())


def test_a_fork_goes_on_with_what_it_was_forked_from() -> None:
    heard = RunStartRecorder()
    with MemoryCheckpointer() as kept:
        runner = SyncRunner(checkpointer=kept, event_processors=[heard])
        runner.run(completing_graph(), {"x": 1}, workflow_id="w")
        runner.run(completing_graph(), {}, workflow_id=kept.fork("w", "add", {"x": 5}))
    assert heard.started_runs == [("g", False), ("g", True)]


def test_off_the_record_and_in_maps() -> None:
    heard = RunStartRecorder()
    for _ in range(2):
        SyncRunner(event_processors=[heard]).run(completing_graph(), {"x": 1})
        SyncRunner(event_processors=[heard]).map(completing_graph(), {"x": [1]}, map_over="x")
    assert {is_resume for _, is_resume in heard.started_runs} == {False}


def test_events_of_resumed_nested_graphs_are_emitted_again(tmp_path: Path) -> None:
    """Every event of a nested run that goes on, in spans that are those of this call."""
    heard: list[Any] = []

    class Ear(EventProcessor):
        def on_event(self, event: Any) -> None:
            heard.append(event)

    with SqliteCheckpointer(tmp_path / "runs.db") as kept:
        runner = AsyncRunner(checkpointer=kept, event_processors=[Ear()])
        run_with_timeout(runner.run(graph_asking_inside(), {"x": 1}, workflow_id="w"))
        heard.clear()
        run_with_timeout(runner.run(graph_asking_inside(), {"answer": 5}, workflow_id="w"))
    told = [
        (type(event).__name__.removesuffix("Event"), event.graph_name, getattr(event, "node_name", ""))
        for event in heard
    ]
    inside = [("NodeStart", "inner", "use"), ("NodeEnd", "inner", "use")]
    assert told == [
        ("RunStart", "g", ""),
        ("NodeStart", "g", "middle"),
        ("RunStart", "middle", ""),
        ("NodeStart", "middle", "inner"),
        ("RunStart", "inner", ""),
        *inside,
        ("RunEnd", "inner", ""),
        ("NodeEnd", "middle", "inner"),
        ("RunEnd", "middle", ""),
        ("NodeEnd", "g", "middle"),
        ("NodeStart", "g", "last"),
        ("NodeEnd", "g", "last"),
        ("RunEnd", "g", ""),
    ]
    spans = {event.span_id for event in heard}
    assert {event.parent_span_id for event in heard} <= spans | {None}


def test_items_that_are_tried_again(tmp_path: Path) -> None:
    graph, heard = graph_with_failing_items(), RunStartRecorder()
    with SqliteCheckpointer(tmp_path / "runs.db") as kept:
        runner = SyncRunner(checkpointer=kept, event_processors=[heard])
        while runner.run(graph, {"x": [0, 1, 2]}, workflow_id="w", error_handling="continue").failed:
            pass
        assert kept.get_state("w")["y"] == [0, 1, 2]
    first, *later = [k for k, begun in enumerate(heard.started_runs) if begun[0] == "g"]
    assert not any(resumes for _, resumes in heard.started_runs[first : later[0]])
    assert all(resumes for _, resumes in heard.started_runs[later[0] :])
    assert ("inner", True) in heard.started_runs


def test_every_iteration_of_a_loop_with_a_question_inside_emits_events(tmp_path: Path) -> None:
    """Each call tells of runs and nodes that begin before they end, and of none twice."""

    @node(output_name="said")
    def hear(answer: str, messages: list[str]) -> list[str]:
        return [*messages, answer]

    @route(["inner", END])
    def more(messages: list[str]) -> Any:
        return END if messages[-1] == "bye" else "inner"

    asking = Graph([InterruptNode("ask", "messages", "answer"), hear], name="inner")
    graph = Graph([asking.as_node().rename_outputs(said="messages"), more], name="g")
    heard: list[Any] = []

    class Ear(EventProcessor):
        def on_event(self, event: Any) -> None:
            heard.append(event)

    for given in ({"messages": ["hello"]}, {"answer": "well"}, {"answer": "so"}, {"answer": "bye"}):
        heard.clear()
        with SqliteCheckpointer(tmp_path / "runs.db") as kept:
            runner = AsyncRunner(checkpointer=kept, event_processors=[Ear()])
            result = run_with_timeout(runner.run(graph, given, workflow_id="w"))
        names = [type(event).__name__ for event in heard]
        spans = {kind: [e.span_id for e in heard if type(e).__name__ == kind] for kind in {*names}}
        assert spans["RunStartEvent"][0] == heard[0].span_id
        assert sorted(spans["RunStartEvent"]) == sorted(spans["RunEndEvent"])
        assert {*spans.get("NodeEndEvent", ())} <= {*spans["NodeStartEvent"]}
        assert all(len({*ids}) == len(ids) for ids in spans.values())
        begun = [(e.graph_name, e.is_resume) for e in heard if isinstance(e, RunStartEvent)]
        first = given.get("messages") is not None
        assert begun[:2] == [("g", not first), ("inner", not first)]
        assert first or next(e.node_name for e in heard if type(e).__name__ == "NodeEndEvent") == "hear"
        assert result.paused is (given.get("answer") != "bye")
    assert result["messages"] == ["hello", "well", "so", "bye"]
