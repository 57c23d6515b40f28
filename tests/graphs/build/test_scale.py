"""Large graphs build in work that grows with their edges: counted, not timed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from holdwater.graphs import END, FunctionNode, Graph, RouteNode
from tests.graphs.building import fn, gate, make_function
from tests.suite.effort import LONG

NodeList = list[Any]


def _no_op(x: Any) -> None: ...


def make_node(name: str, source: str, output: str) -> FunctionNode[..., Any]:
    return FunctionNode(_no_op, name, output, rename_inputs={"x": source})


def make_gate_node(name: str, source: str, targets: list[str]) -> RouteNode[..., Any]:
    return RouteNode(_no_op, targets, name=name, rename_inputs={"x": source})


def chain(size: int) -> NodeList:
    return [make_node(f"n{i}", f"x{i}", f"x{i + 1}") for i in range(size)]


def fan(size: int) -> NodeList:
    join = fn("join", ", ".join([f"y{i}" for i in range(size)]), "z")
    return [fn("start", "x", "s"), *[make_node(f"w{i}", "s", f"y{i}") for i in range(size)], join]


def gates(size: int) -> NodeList:
    nodes: NodeList = []
    for i in range(size):
        nodes += [make_gate_node(f"g{i}", f"x{i}", [f"a{i}", f"b{i}"])]
        nodes += [make_node(f"{side}{i}", f"x{i}", f"x{i + 1}") for side in "ab"]
    return nodes


def ring(size: int) -> NodeList:
    last = FunctionNode(_no_op, "last", (f"x{size}", "x0"), rename_inputs={"x": f"x{size - 1}"})
    return [*chain(size - 1), last, gate("more", f"x{size}", ["n0", END])]


def loops(size: int) -> NodeList:
    nodes: NodeList = []
    for i in range(size):
        nodes += [
            FunctionNode(make_function("f", "c, p"), f"i{i}", (f"c{i}", f"p{i + 1}")).rename_inputs(
                c=f"c{i}", p=f"p{i}"
            )
        ]
        nodes += [gate(f"g{i}", f"c{i}", [f"i{i}", END])]
    return nodes


def count_executed_lines(action: Callable[[], object]) -> int:
    """How many lines of ours are run."""
    count = 0

    def look(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if "holdwater" not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def build_and_inspect(nodes: NodeList) -> Graph:
    graph = Graph(nodes)
    graph.inputs
    graph.leaf_outputs
    graph.structural_hash
    repr(graph)
    return graph


@pytest.mark.parametrize("made", [chain, fan, gates, ring, loops])
def test_the_work_grows_with_the_size(made: Callable[[int], NodeList]) -> None:
    small, large = made(100), made(400)
    assert count_executed_lines(lambda: build_and_inspect(large)) < 5 * count_executed_lines(
        lambda: build_and_inspect(small)
    )


SIZES = [
    (chain, 10_000),
    *[(fan, 3_000), (gates, 300), (ring, 3_000)],
    *[pytest.param(*case, marks=LONG) for case in [(fan, 10_000), (gates, 1_000), (ring, 10_000)]],
]


@pytest.mark.parametrize(("made", "size"), SIZES)
def test_large_graphs_are_built(made: Callable[[int], NodeList], size: int) -> None:
    nodes = made(size)
    graph = build_and_inspect(nodes)
    assert len(graph.scope().active) == len(nodes)
    assert graph.bind({graph.inputs.all[0]: 1}).inputs.required == ()


def test_a_selection_of_a_large_graph_is_found() -> None:
    graph = Graph(chain(10_000)).select("x5000")
    assert len(graph.scope().active) == 5000


def test_an_output_in_the_middle_of_a_large_graph_is_given() -> None:
    scope = Graph(chain(10_000)).scope(provided=["x5000"])
    assert len(scope.active) == 5000
    assert scope.inputs.required == ("x5000",)
