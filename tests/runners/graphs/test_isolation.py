"""What a node sets in a context variable, the decimal context too, neither other nodes nor items nor the caller see."""

from __future__ import annotations

import contextvars
import decimal
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, RetryPolicy, SqliteCheckpointer, SyncRunner
from holdwater.events import EventProcessor
from holdwater.graphs import Graph, node, route
from tests.runners.graphs.samples import Ear, wait

tenant = contextvars.ContextVar("tenant", default="default")
Seen = list[Any]


def look() -> Seen:
    seen = [tenant.get(), decimal.getcontext().prec]
    tenant.set("a node's")
    decimal.getcontext().prec = 3
    return seen


@node(output_name="one")
def one(x: int) -> Seen:
    return look()


@node(output_name="two")
def two(x: int, one: Seen) -> list[Seen]:
    return [one, look()]


@node(output_name="three")
def three(two: list[Seen]) -> Iterator[Seen]:
    yield from two
    yield look()


@node(output_name="four", retry=RetryPolicy(max_attempts=2, initial_delay=0))
def four(three: list[Seen], tries: Callable[[], int]) -> list[Seen]:
    seen = look()
    if tries() == 1:
        raise ValueError
    return [*three, seen]


@node(output_name="five")
async def five(four: list[Seen]) -> list[Seen]:
    return [*four, look()]


@route(targets=["last"])
def gate(four: list[Seen]) -> str:
    look()
    return "last"


@node(output_name="seen")
def last(four: list[Seen]) -> list[Seen]:
    return [*four, look()]


GRAPHS: dict[str, Graph] = {
    "straight": Graph([one, two, three], name="straight"),
    "retried": Graph([one, two, three, four], name="retried"),
    "gated": Graph([one, two, three, four, gate, last], name="gated"),
}
GRAPHS["nested"] = Graph([GRAPHS["straight"].as_node(name="inner")], name="nested")
ASYNC = Graph([one, two, three, four, five], name="async")


def counter() -> Callable[[], int]:
    """Counts its calls; a function, because inputs that are data are copied for every attempt."""
    return itertools.count(1).__next__


def alone(call: Any, *, decimals: bool) -> None:
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
@pytest.mark.parametrize("listeners", [[], [Ear()]])
def test_nodes_and_items(name: str, decimals: bool, listeners: list[EventProcessor]) -> None:
    graph = GRAPHS[name]

    def call() -> Iterator[list[Seen]]:
        given = {"x": 1, "tries": counter()} if "tries" in graph.inputs.all else {"x": 1}
        options: dict[str, Any] = {"event_processors": listeners}
        for runner in (SyncRunner(), AsyncRunner()):
            for n in (0, 2, 20):  # a map of many items has a function generated for it
                if n == 0:
                    done = runner.run(graph, given, **options)
                    results = [done if isinstance(done, dict) else wait(done)]
                else:
                    mapped: Any = runner.map(graph, {**given, "x": [1] * n}, map_over="x", **options)
                    results = mapped if isinstance(mapped, list) else wait(mapped)
                for result in results:
                    yield list(result.values())[-1]

    alone(call, decimals=decimals)


@pytest.mark.parametrize("decimals", [True, False])
def test_coroutines_and_recorded_runs(decimals: bool, tmp_path: Path) -> None:
    def call() -> Iterator[list[Seen]]:
        yield wait(AsyncRunner().run(ASYNC, {"x": 1, "tries": counter()}))["five"]
        runner = SyncRunner(checkpointer=SqliteCheckpointer(tmp_path / "a.db"))
        yield runner.run(GRAPHS["straight"], {"x": 1})["three"]

    alone(call, decimals=decimals)
