"""What a node sets in a context variable, the decimal context too, neither other nodes nor items nor the caller see."""

from __future__ import annotations

import contextvars
import decimal
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, RetryPolicy, SyncRunner
from holdwater.checkpointers import SqliteCheckpointer
from holdwater.events import EventProcessor
from holdwater.graphs import Graph, node, route
from tests.runners.graphs.samples import RecordingProcessor, run_with_timeout

tenant = contextvars.ContextVar("tenant", default="default")
ContextSnapshot = list[Any]


def read_and_change_context() -> ContextSnapshot:
    seen = [tenant.get(), decimal.getcontext().prec]
    tenant.set("a node's")
    decimal.getcontext().prec = 3
    return seen


@node(output_name="one")
def one(x: int) -> ContextSnapshot:
    return read_and_change_context()


@node(output_name="two")
def two(x: int, one: ContextSnapshot) -> list[ContextSnapshot]:
    return [one, read_and_change_context()]


@node(output_name="three")
def three(two: list[ContextSnapshot]) -> Iterator[ContextSnapshot]:
    yield from two
    yield read_and_change_context()


@node(output_name="four", retry=RetryPolicy(max_attempts=2, initial_delay=0))
def four(three: list[ContextSnapshot], tries: Callable[[], int]) -> list[ContextSnapshot]:
    seen = read_and_change_context()
    if tries() == 1:
        raise ValueError
    return [*three, seen]


@node(output_name="five")
async def five(four: list[ContextSnapshot]) -> list[ContextSnapshot]:
    return [*four, read_and_change_context()]


@route(targets=["last"])
def gate(four: list[ContextSnapshot]) -> str:
    read_and_change_context()
    return "last"


@node(output_name="seen")
def last(four: list[ContextSnapshot]) -> list[ContextSnapshot]:
    return [*four, read_and_change_context()]


GRAPHS: dict[str, Graph] = {
    "straight": Graph([one, two, three], name="straight"),
    "retried": Graph([one, two, three, four], name="retried"),
    "gated": Graph([one, two, three, four, gate, last], name="gated"),
}
GRAPHS["nested"] = Graph([GRAPHS["straight"].as_node(name="inner")], name="nested")
ASYNC = Graph([one, two, three, four, five], name="async")


def make_counter() -> Callable[[], int]:
    """Counts its calls; a function, because inputs that are data are copied for every attempt."""
    return itertools.count(1).__next__


def assert_caller_context_unchanged(call: Any, *, decimals: bool) -> None:
    """Call as a caller with variables of its own, and see that they are as they were."""

    def caller() -> None:
        tenant.set("the caller's")
        if decimals:
            decimal.getcontext().prec = 9
        for results in call():
            for seen in results:
                assert seen == ["the caller's", 9 if decimals else decimal.DefaultContext.prec]
        assert tenant.get() == "the caller's"
        assert decimal.getcontext().prec == (9 if decimals else decimal.DefaultContext.prec)

    contextvars.Context().run(caller)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("decimals", [True, False])
@pytest.mark.parametrize("listeners", [[], [RecordingProcessor()]])
def test_nodes_and_items(name: str, decimals: bool, listeners: list[EventProcessor]) -> None:
    graph = GRAPHS[name]

    def call() -> Iterator[list[ContextSnapshot]]:
        given = {"x": 1, "tries": make_counter()} if "tries" in graph.inputs.all else {"x": 1}
        options: dict[str, Any] = {"event_processors": listeners}
        for runner in (SyncRunner(), AsyncRunner()):
            for n in (0, 2, 20):  # a map of many items has a function generated for it
                if n == 0:
                    done = runner.run(graph, given, **options)
                    results = [done if isinstance(done, dict) else run_with_timeout(done)]
                else:
                    mapped: Any = runner.map(graph, {**given, "x": [1] * n}, map_over="x", **options)
                    results = mapped if isinstance(mapped, list) else run_with_timeout(mapped)
                for result in results:
                    yield list(result.values())[-1]

    assert_caller_context_unchanged(call, decimals=decimals)


@pytest.mark.parametrize("decimals", [True, False])
def test_coroutines_and_recorded_runs(decimals: bool, tmp_path: Path) -> None:
    def call() -> Iterator[list[ContextSnapshot]]:
        yield run_with_timeout(AsyncRunner().run(ASYNC, {"x": 1, "tries": make_counter()}))["five"]
        runner = SyncRunner(checkpointer=SqliteCheckpointer(tmp_path / "a.db"))
        yield runner.run(GRAPHS["straight"], {"x": 1})["three"]

    assert_caller_context_unchanged(call, decimals=decimals)
