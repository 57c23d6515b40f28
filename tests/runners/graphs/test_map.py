from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import GraphConfigError, MapOverError
from holdwater.graphs import FunctionNode, Graph, NodeContext, node
from holdwater.runners.graphs import AsyncRunner, MapResult, RunResult, RunStatus, SyncRunner
from tests.runners.graphs.samples import RecordingProcessor, counter_graph, review_graph, run_with_timeout, small_graph

Map = Callable[..., MapResult]


def _async_map(graph: Graph, *args: Any, **options: Any) -> MapResult:
    return run_with_timeout(AsyncRunner().map(graph, *args, **options))


@pytest.fixture(params=["sync", "listening", "async"])
def mapped(request: pytest.FixtureRequest) -> Map:
    """The short way, the machine, and the loop."""
    if request.param == "async":
        return _async_map
    return SyncRunner(event_processors=[RecordingProcessor()] if request.param == "listening" else None).map


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100])
def test_order_and_columns(mapped: Map, size: int) -> None:
    results = mapped(small_graph(), {"x": list(range(size)), "y": 5}, map_over="x", select=["*"])
    assert results == [{"doubled": 2 * k, "total": 2 * k + 5} for k in range(size)]
    assert results["total"] == [2 * k + 5 for k in range(size)]
    assert results.status is RunStatus.COMPLETED
    assert isinstance(results, list)
    assert all(type(result) is RunResult for result in results)
    assert results[:1] == results[0:1]
    assert results.map_over == ("x",)


def test_column_nobody_has(mapped: Map) -> None:
    results = mapped(small_graph(), {"x": [1]}, map_over="x")
    with pytest.raises(KeyError, match="total"):
        results["nothing"]
    assert results.get("nothing", 0) == [0]


@pytest.mark.parametrize("size", [2, 4])
def test_zip_and_product(mapped: Map, size: int) -> None:
    xs, ys = list(range(size)), [10 * k for k in range(size)]
    zipped = mapped(small_graph(), {"x": xs, "y": ys}, map_over=["x", "y"])
    assert zipped["total"] == [2 * x + y for x, y in zip(xs, ys)]
    product = mapped(small_graph(), {"x": xs, "y": ys}, map_over=["x", "y"], map_mode="product")
    assert product["total"] == [2 * x + y for x in xs for y in ys]


@pytest.mark.parametrize(
    ("inputs", "options", "says"),
    [
        ({"x": [1, 2], "y": [1]}, {"map_over": ["x", "y"]}, "x: 2, y: 1"),
        ({"x": [1]}, {"map_over": "z"}, "'z'"),
        ({"x": 1}, {"map_over": "x"}, "no list"),
        ({"x": "word"}, {"map_over": "x"}, "no list"),
        ({"x": [1]}, {"map_over": []}, "at least one"),
        ({"x": [1]}, {"map_over": "x", "map_mode": "cross"}, "cross"),
        ({"x": [1]}, {"map_over": "x", "clone": ["x"]}, "clone"),
    ],
)
def test_what_does_not_fit(mapped: Map, inputs: dict[str, Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(MapOverError, match=says):
        mapped(small_graph(), inputs, **options)


def failing_graph() -> Graph:
    @node(output_name="half")
    def halve(x: int) -> int:
        if x % 2:
            raise ValueError(x)
        return x // 2

    @node(output_name="seen")
    def see(x: int) -> int:
        return x

    return Graph([see, halve])


@pytest.mark.parametrize("size", [4, 20])
def test_failing_items(mapped: Map, size: int) -> None:
    graph, xs = failing_graph(), list(range(size))
    results = mapped(graph, {"x": xs}, map_over="x", error_handling="continue")
    assert results.get("half") == [k // 2 if k % 2 == 0 else None for k in xs]
    assert results["seen"] == xs  # what an item had before it failed
    assert results.status is RunStatus.PARTIAL
    assert [str(result.error) for result in results.failures] == [str(k) for k in xs if k % 2]
    with pytest.raises(ValueError, match="1"):
        mapped(graph, {"x": xs}, map_over="x")
    assert mapped(graph, {"x": [1, 3]}, map_over="x", error_handling="continue").status is RunStatus.FAILED


def test_clone(mapped: Map) -> None:
    @node(output_name="size")
    def grow(x: int, bag: list[int]) -> int:
        bag.append(x)
        return len(bag)

    for size in (3, 10):
        shared: list[int] = []
        together = mapped(Graph([grow]), {"x": list(range(size)), "bag": shared}, map_over="x")
        assert sorted(together["size"]) == list(range(1, size + 1))
        apart: list[int] = []
        assert (
            mapped(Graph([grow]), {"x": list(range(size)), "bag": apart}, map_over="x", clone=True)["size"]
            == [1] * size
        )
        assert apart == []


def test_loops_can_be_mapped(mapped: Map) -> None:
    assert mapped(counter_graph(), {"m": [0, 2, 9]}, map_over="m")["m"] == [3, 3, 10]


def test_every_kind_of_node_in_the_generated_function() -> None:
    """Keyword-only parameters, defaults, several outputs, renames, bound values, generators, effects."""
    effects: list[int] = []

    def split(x: int, *, by: int = 3) -> tuple[int, int]:
        return divmod(x, by)

    def spread(n: int) -> Any:
        yield from range(n)

    def effect(p: int) -> None:
        effects.append(p)

    def weigh(items: list[int], factor: int, extra: list[int] = []) -> int:  # noqa: B006 - must be fresh
        extra.append(1)
        return factor * (sum(items) + len(extra))

    def make() -> int:
        return 7

    def watched(seven: int, context: NodeContext) -> int:
        context.stream(seven)
        return -seven

    inner = Graph([FunctionNode(lambda v: v + 1, name="plus", output_name="w")], name="inner")
    graph = Graph(
        [
            FunctionNode(split, output_name=("quotient", "remainder"), emit="split_done"),
            FunctionNode(spread, output_name="items", rename_inputs={"n": "quotient"}),
            FunctionNode(effect, rename_inputs={"p": "remainder"}),
            FunctionNode(weigh, output_name="weight"),
            FunctionNode(make, output_name="seven", wait_for="split_done"),
            FunctionNode(watched, output_name="negative"),
            inner.as_node().rename_inputs(v="weight"),
        ]
    ).bind(factor=2)
    given = {"x": list(range(20))}
    quick = SyncRunner().map(graph, given, map_over="x", select=["*"])
    told, effects[:] = list(effects), []
    slow = SyncRunner().map(graph, given, map_over="x", select=["*"], event_processors=[RecordingProcessor()])
    assert quick == slow
    assert told == effects
    assert quick[10] == {
        "quotient": 3, "remainder": 1, "items": [0, 1, 2], "weight": 8, "seven": 7, "negative": -7, "w": 9,
    }  # fmt: skip


def test_interrupts_cannot_be_mapped_unless_item_by_item() -> None:
    with pytest.raises(GraphConfigError, match="interrupts"):
        run_with_timeout(AsyncRunner().map(review_graph(), {"topic": ["a", "b"]}, map_over="topic"))
    results = run_with_timeout(
        AsyncRunner().map(review_graph(), {"topic": ["a", "b"]}, map_over="topic", on_pause="item")
    )
    assert results.status is RunStatus.PAUSED
    assert [result.pause.value for result in results if result.pause] == ["about a", "about b"]


def test_items_run_at_once() -> None:
    async def main() -> MapResult:
        meeting = asyncio.Barrier(3)

        async def meet(x: int) -> int:
            await meeting.wait()
            return x

        return await AsyncRunner().map(Graph([FunctionNode(meet, output_name="y")]), {"x": [1, 2, 3]}, map_over="x")

    assert run_with_timeout(main())["y"] == [1, 2, 3]


def test_after_a_failure_bounded_workers_take_no_more_items() -> None:
    began: list[int] = []

    async def work(x: int) -> int:
        began.append(x)
        if x == 1:
            raise ValueError("one")
        return x

    graph = Graph([FunctionNode(work, output_name="y")])
    with pytest.raises(ValueError, match="one"):
        run_with_timeout(AsyncRunner().map(graph, {"x": list(range(50))}, map_over="x", max_concurrency=2))
    assert len(began) < 10
