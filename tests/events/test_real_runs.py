"""What processors make of the events of real runs."""

from __future__ import annotations

import asyncio
import io
import re

import pytest

from holdwater.events import BaseEvent, EventProcessor, MapLog, RichProgressProcessor, RunLog, RunLogProcessor
from holdwater.graphs import END, Graph, node, route
from holdwater.runners.graphs import AsyncRunner, SyncRunner


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


@node(output_name="z")
def plus_one(y: int) -> int:
    return y + 1


@node(output_name="n")
def count(n: int, z: int) -> int:
    return n + 1


@route(targets=["count", END])
def more(n: int) -> str:
    return "count" if n < 3 else END


INNER = Graph([double, plus_one], name="inner")
FAN = INNER.as_node(name="fan").map_over("x").rename_inputs(x="xs").rename_outputs(y="ys", z="zs")
GRAPH = Graph([INNER.as_node(), FAN, count, more], name="app")
INPUTS = {"x": 1, "n": 0, "xs": [1, 2, 3]}


class Collector(EventProcessor):
    def __init__(self) -> None:
        self.events: list[BaseEvent] = []

    def on_event(self, event: BaseEvent) -> None:
        self.events.append(event)


def run(kind: str, *processors: EventProcessor) -> None:
    if kind == "sync":
        SyncRunner(event_processors=list(processors)).run(GRAPH, INPUTS)
    else:
        asyncio.run(AsyncRunner(event_processors=list(processors)).run(GRAPH, INPUTS))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_log_has_loops_nested_graphs_and_maps_where_they_ran(kind: str) -> None:
    recorder = RunLogProcessor()
    run(kind, recorder)
    log = recorder.log
    assert isinstance(log, RunLog)
    assert {name: stats.count for name, stats in log.node_stats.items()} == {
        "inner": 1,
        "fan": 1,
        "count": 3,
        "more": 3,
    }
    assert [step.decision for step in log.steps if step.node_name == "more"] == ["count", "count", "END"]
    inner = next(step for step in log.steps if step.node_name == "inner").inner[0]
    fan = next(step for step in log.steps if step.node_name == "fan").inner[0]
    assert isinstance(inner, RunLog)
    assert [step.node_name for step in inner.steps] == ["double", "plus_one"]
    assert isinstance(fan, MapLog)
    assert [item.item_index for item in fan.items] == [0, 1, 2]
    assert len(recorder.logs) == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_progress_of_a_run_reaches_the_end(kind: str) -> None:
    stream = io.StringIO()
    run(kind, RichProgressProcessor(stream=stream))
    last = stream.getvalue().splitlines()[-1]
    if kind == "sync":
        assert last == "app: 100 % (4/4 nodes)"
    else:  # how often the loop had called its nodes by then depends on what ran beside it
        assert re.fullmatch(r"app: 100 % \(4/4 nodes(, [5-8] calls)?\)", last)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_outermost_run_and_its_nodes_have_no_parent_and_all_share_the_run_id(kind: str) -> None:
    collector = Collector()
    run(kind, collector)
    first, last = collector.events[0], collector.events[-1]
    assert first.scope == last.scope
    assert first.parent_span_id is None
    assert {event.run_id for event in collector.events} == {first.run_id}
    outermost = {getattr(event, "node_name", None) for event in collector.events if event.parent_span_id is None}
    assert outermost == {None, "inner", "fan", "count", "more"}
