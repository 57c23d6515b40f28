"""Nested graphs in rows, and rows of a DataFrame for a nested graph."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdwater import AsyncRunner, DaftRunner, Graph, SyncRunner, ifelse, node
from holdwater.graphs.map_items import MapItems
from holdwater.runners.graphs.daft.row_functions import CallOptions, generate_rows_function
from holdwater.runners.graphs.local import sync_driver
from holdwater.runners.graphs.local.prepare import prepare_nested


@node(output_name="y")
def invert(x: int) -> float:
    return 1 / x


@node(output_name="z")
def shift(y: float, by: int = 1) -> float:
    return y + by


@node(output_name="y")
async def invert_later(x: int) -> float:
    await asyncio.sleep(0)
    return 1 / x


def inner(use_async: bool = False) -> Graph:
    return Graph([invert_later.with_name("invert") if use_async else invert, shift], name="inner")


@pytest.mark.parametrize("use_async", [False, True])
def test_nested_graphs(use_async: bool) -> None:
    graph = Graph([Graph([inner(use_async).as_node()], name="middle").as_node()])
    found = DaftRunner().map(graph, {"x": [1, 0, 2], "by": 2}, map_over="x", select=["*"]).to_pydict()
    assert found["y"] == [1.0, None, 0.5]
    assert found["z"] == [3.0, None, 2.5]
    assert found["_error"][1] == "ZeroDivisionError: division by zero (in node 'middle/inner/invert', inputs: x)"


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("mode", ["zip", "product"])
def test_mapped_graphs(mode: Any, use_async: bool) -> None:
    mapped = inner(use_async).as_node().map_over("x", "by", mode=mode)
    given = {"x": [[1, 2], [2, 0], []], "by": [10, 20]}
    expected = SyncRunner().map(
        Graph([inner().as_node().map_over("x", "by", mode=mode)]),
        given,
        map_over="x",
        select=["*"],
        error_handling="continue",
    )
    found = DaftRunner().map(Graph([mapped]), given, map_over="x", select=["*"]).to_pydict()
    for index, one in enumerate(expected):
        assert found["z"][index] == one.get("z")
        if one.error is not None:
            location = one.error.__notes__[0].replace(f", item {index}", "")
            assert found["_error"][index].endswith(f"({location})") or mode == "zip"


def test_mapped_graphs_that_go_on() -> None:
    for use_async in (False, True):
        mapped = inner(use_async).as_node().map_over("x", error_handling="continue")
        frame = DaftRunner().map(Graph([mapped]), {"x": [[1, 0, 2]]}, map_over="x", select=["*"])
        assert frame.to_pydict()["z"] == [[2.0, None, 1.5]]


def test_clones_of_a_mapped_graph() -> None:
    @node(output_name="seen")
    def push(x: int, stack: list[int]) -> list[int]:
        stack.append(x)
        return list(stack)

    mapped = Graph([push], name="inner").as_node().map_over("x", clone=["stack"])
    frame = DaftRunner().map(Graph([mapped]), {"x": [[1, 2]], "stack": [0]}, map_over="x")
    assert frame.to_pydict()["seen"] == [[[0, 1], [0, 2]]]


def test_many_rows_with_one_failure() -> None:
    """As bench/daft_runner.py does with a million."""
    size = 50_000
    numbers = [*range(1, size + 1)]
    numbers[7_000] = 0
    found = DaftRunner().map(Graph([inner().as_node()]), {"x": numbers}, map_over="x", select=["z"]).to_pydict()
    assert found["z"] == [None if x == 0 else 1 / x + 1 for x in numbers]
    assert [index for index, text in enumerate(found["_error"]) if text] == [7_000]


def test_nothing_is_interpreted_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the machine ran a row")

    monkeypatch.setattr(sync_driver, "run_graph", refuse)
    graph = Graph([inner().as_node(), inner().as_node(name="mapped", namespaced=True).map_over("x")])
    frame = DaftRunner().map(graph, {"x": [1], "mapped.x": [[1, 2]]}, map_over=["x", "mapped.x"], select=["*"])
    assert frame.to_pydict()["mapped.z"] == [[2.0, 1.5]]


def test_generated_functions_have_a_line_per_node() -> None:
    prepared = prepare_nested(inner(), ["x"], ("z",))
    function = generate_rows_function(prepared, MapItems(("x",), (), {}), CallOptions(None, is_async=False))
    made: list[float] = []
    function([1, 4], None, None, None, made.append)
    assert made == [2.0, 1.25]


RUNNERS = {"sync": SyncRunner, "async": AsyncRunner, "daft": DaftRunner}


@pytest.mark.parametrize("child", RUNNERS)
@pytest.mark.parametrize("mapped", [False, True])
def test_an_explicit_runner_inside(child: str, mapped: bool) -> None:
    one = inner(child == "async").as_node(runner=RUNNERS[child]())
    graph = Graph([one.map_over("x") if mapped else one])
    given: dict[str, Any] = {"x": [[1, 2], [2]] if mapped else [1, 2]}
    found = DaftRunner().map(graph, given, map_over="x", select=["z"]).to_pydict()
    assert found == {**given, "z": [[2.0, 1.5], [1.5]] if mapped else [2.0, 1.5], "_error": [None, None]}


def test_an_explicit_runner_with_features_of_its_own() -> None:
    @ifelse("small", "large")
    def is_small(x: int) -> bool:
        return x < 10

    @node(output_name="size")
    def small(x: int) -> str:
        return "small"

    @node(output_name="size")
    def large(x: int) -> str:
        return "large"

    chosen = Graph([is_small, small, large], name="chosen")
    graph = Graph([chosen.as_node(runner=SyncRunner())])
    assert DaftRunner().map(graph, {"x": [1, 20]}, map_over="x").to_pydict()["size"] == ["small", "large"]


@pytest.mark.parametrize("parent", ["sync", "async"])
def test_rows_for_a_nested_graph(parent: str) -> None:
    def run(graph: Graph, inputs: dict[str, Any], **options: Any) -> Any:
        if parent == "sync":
            return SyncRunner().run(graph, inputs, select=["z"], **options)
        return asyncio.run(AsyncRunner().run(graph, inputs, select=["z"], **options))

    one = inner().as_node(runner=DaftRunner())
    assert run(Graph([one]), {"x": 2}) == {"z": 1.5}
    assert run(Graph([one.map_over("x")]), {"x": [1, 2]}) == {"z": [2.0, 1.5]}
    assert run(Graph([one.map_over("x")]), {"x": []}) == {"z": []}
    assert run(Graph([one.map_over("x", error_handling="continue")]), {"x": [1, 0]}) == {"z": [2.0, None]}
    with pytest.raises(ZeroDivisionError) as caught:
        run(Graph([one.map_over("x")]), {"x": [1, 0]})
    assert caught.value.__notes__ == ["in node 'inner[1]/invert', inputs: x"]
    with pytest.raises(ZeroDivisionError) as caught:
        run(Graph([one]), {"x": 0})
    assert caught.value.__notes__ == ["in node 'inner/invert', inputs: x"]


def test_coroutine_functions_below_a_sync_runner() -> None:
    graph = Graph([inner(use_async=True).as_node(runner=DaftRunner()).map_over("x")])
    assert SyncRunner().run(graph, {"x": [1, 2]}, select=["z"]) == {"z": [2.0, 1.5]}


def test_graphs_that_need_their_machine() -> None:
    """A name that several nodes write in turn."""
    for use_async in (False, True):

        @node(output_name="text")
        def begin(x: int) -> str:
            return str(x)

        @node(output_name="text", name="go_on")
        async def go_on_later(text: str) -> str:
            return f"{text}!"

        @node(output_name="text")
        def go_on(text: str) -> str:
            return f"{text}!"

        second = go_on_later if use_async else go_on
        graph = Graph([begin, second], edges=[("begin", "go_on", "text")])
        found = DaftRunner().map(graph, {"x": [1, 2]}, map_over="x").to_pydict()
        assert found == {"x": [1, 2], "text": ["1!", "2!"], "_error": [None, None]}
