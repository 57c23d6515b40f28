from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater.events import (
    EventProcessor,
    NodeEndEvent,
    NodeErrorEvent,
    NodeStartEvent,
    RouteDecisionEvent,
    RunEndEvent,
    RunStartEvent,
)
from holdwater.events.types import BaseEvent
from holdwater.graphs import FunctionNode, Graph, ifelse, node
from holdwater.runners.graphs import AsyncRunner, RunResult, SyncRunner
from tests.runners.graphs.samples import RecordingProcessor, counter_graph, run_with_timeout, small_graph

Run = Callable[..., RunResult]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "sync":
        return SyncRunner().run
    return lambda *args, **options: run_with_timeout(AsyncRunner().run(*args, **options))


def test_payloads_and_spans(run: Run) -> None:
    ear = RecordingProcessor()
    result = run(small_graph(), {"x": 2}, event_processors=[ear], session_id="s")
    assert ear.event_names == [
        "RunStart", "NodeStart double", "NodeEnd double", "NodeStart add", "NodeEnd add", "RunEnd",
    ]  # fmt: skip
    (start,), (end,) = ear.of_type(RunStartEvent), ear.of_type(RunEndEvent)
    assert (start.inputs, start.session_id, start.node_count, start.graph_name) == ({"x": 2}, "s", 2, "small")
    assert (end.outputs, end.status, end.error) == ({"total": 5}, "completed", None)
    assert start.span_id == end.span_id
    first, second = ear.of_type(NodeStartEvent)
    assert (first.inputs, second.inputs) == ({"x": 2}, {"doubled": 4, "y": 1})
    assert [event.outputs for event in ear.of_type(NodeEndEvent)] == [{"doubled": 4}, {"total": 5}]
    assert [event.span_id for event in ear.of_type(NodeEndEvent)] == [first.span_id, second.span_id]
    assert {event.parent_span_id for event in ear.events} == {None}
    assert {event.run_id for event in ear.events} == {result.run_id}
    assert ear.shutdowns == 1


def test_iterations_are_counted(run: Run) -> None:
    ear = RecordingProcessor()
    run(counter_graph(), {"m": 0}, event_processors=[ear])
    (end,) = ear.of_type(RunEndEvent)
    assert end.iterations == 9  # three turns of bump, keep and more
    assert [event.decision for event in ear.of_type(RouteDecisionEvent)] == ["bump", "bump", "END"]


def test_decisions_come_within_their_gate(run: Run) -> None:
    @ifelse("low", "high")
    def is_low(x: int) -> bool:
        return x < 10

    graph = Graph(
        [
            is_low,
            FunctionNode(lambda x: x, name="low", output_name="a"),
            FunctionNode(lambda x: x, name="high", output_name="b"),
        ]
    )
    ear = RecordingProcessor()
    run(graph, {"x": 1}, event_processors=[ear])
    assert ear.event_names[1:4] == ["NodeStart is_low", "RouteDecision is_low", "NodeEnd is_low"]
    (decision,) = ear.of_type(RouteDecisionEvent)
    assert (decision.gate_name, decision.decision) == ("is_low", "low")


def test_errors(run: Run) -> None:
    problem = KeyError("lost")

    @node(output_name="y")
    def fail(x: int) -> int:
        raise problem

    ear = RecordingProcessor()
    with pytest.raises(KeyError):
        run(Graph([fail]), {"x": 1}, event_processors=[ear])
    assert ear.event_names == ["RunStart", "NodeStart fail", "NodeError fail", "RunEnd"]
    (error,), (end,) = ear.of_type(NodeErrorEvent), ear.of_type(RunEndEvent)
    assert error.error is problem
    assert error.error_type == "KeyError"
    assert (end.status, end.error) == ("failed", problem)
    assert ear.shutdowns == 1


def test_nested_runs_share_the_run_id_and_hang_below_their_node(run: Run) -> None:
    ear = RecordingProcessor()
    result = run(Graph([small_graph().as_node()], name="outer"), {"x": 2}, event_processors=[ear])
    assert {event.run_id for event in ear.events} == {result.run_id}
    outer = next(event for event in ear.of_type(NodeStartEvent) if event.node_name == "small")
    assert outer.parent_span_id is None
    inner = [event for event in ear.events if event.graph_name == "small"]
    assert len(inner) == 6
    assert {event.parent_span_id for event in inner} == {outer.span_id}


def test_explicit_runners_emit_events_too() -> None:
    ear = RecordingProcessor()
    SyncRunner().run(Graph([small_graph().as_node(runner=AsyncRunner())]), {"x": 2}, event_processors=[ear])
    run_with_timeout(
        AsyncRunner().run(Graph([small_graph().as_node(runner=SyncRunner())]), {"x": 2}, event_processors=[ear])
    )
    first, second = ear.event_names[: len(ear.event_names) // 2], ear.event_names[len(ear.event_names) // 2 :]
    assert first == second
    assert first.count("NodeEnd add") == 1


@pytest.mark.parametrize("awaited", [False, True])
def test_items_of_a_map(awaited: bool) -> None:
    ear = RecordingProcessor()
    given: dict[str, Any] = {"map_over": "x", "event_processors": [ear]}
    if awaited:
        results = run_with_timeout(AsyncRunner().map(small_graph(), {"x": [1, 2]}, max_concurrency=1, **given))
    else:
        results = SyncRunner().map(small_graph(), {"x": [1, 2]}, **given)
    whole, *items = ear.of_type(RunStartEvent)
    assert (whole.is_map, whole.map_size) == (True, 2)
    assert [(item.is_map, item.item_index, item.parent_span_id) for item in items] == [
        (False, 0, whole.span_id),
        (False, 1, whole.span_id),
    ]
    assert ear.event_names[-1] == "RunEnd"
    assert {event.run_id for event in ear.events} == {results.run_id} == {result.run_id for result in results}
    assert ear.shutdowns == 1
    silent = RecordingProcessor()
    assert SyncRunner(event_processors=[silent]).map(small_graph(), {"x": []}, map_over="x") == []
    assert silent.events == []


def test_processors_of_the_runner_come_before_those_of_the_call() -> None:
    order: list[str] = []

    class Named(EventProcessor):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_event(self, event: BaseEvent) -> None:
            if isinstance(event, RunStartEvent):
                order.append(self.name)

    SyncRunner(event_processors=[Named("runner")]).run(small_graph(), {"x": 1}, event_processors=[Named("call")])
    assert order == ["runner", "call"]


def test_a_failing_processor_changes_nothing_and_is_noted(run: Run) -> None:
    class Broken(EventProcessor):
        def on_event(self, event: BaseEvent) -> None:
            raise RuntimeError("broken")

    ear = RecordingProcessor()
    result = run(small_graph(), {"x": 2}, event_processors=[Broken(), ear])
    assert result == {"total": 5}
    assert len(ear.events) == 6
    assert len(result.notes) == 6
    assert "broken" in result.notes[0]
