"""Edges: found by name, resolved between several writers, declared, shared."""

from __future__ import annotations

import pytest

from holdwater.errors import ConflictError, GraphConfigError
from holdwater.graphs import END, Graph
from holdwater.graphs.build.wiring import EdgeKind
from tests.graphs.building import fn, gate


def edge_kinds(graph: Graph) -> dict[tuple[str, str], EdgeKind]:
    return {(edge.source, edge.target): edge.kind for edge in graph.edges}


def test_one_edge_per_pair_and_data_comes_first() -> None:
    graph = Graph(
        [
            gate("choose", "x", ["left", END], emit="chosen"),
            fn("left", "x", ("a", "b")),
            fn("both", "a, b", "c", wait_for="chosen"),
            fn("late", "x", "d", wait_for="c"),
        ]
    )
    assert edge_kinds(graph) == {
        ("choose", "left"): "control",
        ("choose", "both"): "ordering",
        ("left", "both"): "data",
        ("both", "late"): "ordering",
    }
    assert next(edge.names for edge in graph.edges if edge.source == "left") == ("a", "b")


def test_producers_of_an_input() -> None:
    graph = Graph([fn("a", "x", "y"), fn("b", "y, z", "w")])
    assert graph.producers("b", "y") == ("a",)
    assert graph.producers("b", "z") == ()
    assert graph.producers("a", "x") == ()


def test_a_writer_behind_another_one_is_not_wired() -> None:
    graph = Graph([fn("load", "path", "rows"), fn("clean", "rows", "rows"), fn("report", "rows", "text")])
    assert graph.producers("clean", "rows") == ("load",)
    assert graph.producers("report", "rows") == ("clean",)
    assert not graph.has_cycles
    assert graph.inputs.all == ("path",)


def test_branches_of_a_gate_may_make_the_same_output() -> None:
    graph = Graph(
        [
            gate("choose", "x", ["left", "right"]),
            fn("left", "x", "half"),
            fn("left_end", "half", "y"),
            fn("right", "x", "y"),
            fn("join", "y", "z"),
        ]
    )
    assert graph.producers("join", "y") == ("left_end", "right")


def test_branches_of_nested_gates_may_make_the_same_output() -> None:
    graph = Graph(
        [
            gate("outer", "x", ["direct", "inner"]),
            gate("inner", "x", ["one", "other"]),
            fn("direct", "x", "y"),
            fn("one", "x", "y"),
            fn("other", "x", "y"),
        ]
    )
    assert graph.outputs == ("y",)


def test_a_merge_may_not_use_the_name_of_its_branches() -> None:
    with pytest.raises(ConflictError, match="'y'"):
        Graph(
            [
                gate("choose", "x", ["left", "right"]),
                fn("left", "x", "y"),
                fn("right", "x", "y"),
                fn("merge", "x", "y", wait_for="y2"),
                fn("signal", "x", "y2"),
            ]
        )


def test_two_nodes_of_one_branch_may_not_make_the_same_output() -> None:
    with pytest.raises(ConflictError, match="'one' and 'two'"):
        Graph(
            [
                gate("choose", "x", ["left", "right"]),
                fn("left", "x", "half"),
                fn("one", "half", "y"),
                fn("two", "half", "y"),
                fn("right", "x", "z"),
            ]
        )


def test_writers_in_an_order_may_make_the_same_output() -> None:
    graph = Graph([fn("first", "x", "y", emit="done"), fn("second", "x", "y", wait_for="done"), fn("end", "y", "z")])
    assert graph.producers("end", "y") == ("second",)


def test_a_loop_reads_its_beginning_and_itself() -> None:
    graph = Graph(
        [
            fn("begin", "prompt", "messages"),
            fn("generate", "messages", "response"),
            fn("accumulate", "messages, response", "messages"),
            gate("again", "messages", ["generate", END]),
        ]
    )
    assert graph.producers("generate", "messages") == ("begin", "accumulate")
    assert graph.producers("again", "messages") == ("accumulate",)
    assert graph.inputs.required == ("prompt",)


def test_targets_of_one_gate_in_a_loop_may_make_the_same_output() -> None:
    graph = Graph(
        [
            fn("think", "notes", "plan"),
            gate("act", "plan", ["search", "compute", END]),
            fn("search", "plan", "notes"),
            fn("compute", "plan", "notes"),
        ]
    )
    assert graph.producers("think", "notes") == ("search", "compute")


# -- declared edges


def test_declared_edges_take_the_place_of_names() -> None:
    graph = Graph([a := fn("a", "x", "y"), b := fn("b", "y", "z"), fn("c", "y", "w")], edges=[(a, b)])
    assert graph.producers("b", "y") == ("a",)
    assert graph.producers("c", "y") == ()
    assert graph.inputs.required == ("x", "y")


def test_no_declared_edges_are_no_data_edges() -> None:
    graph = Graph([fn("a", "x", "y"), fn("b", "y", "z")], edges=[])
    assert graph.edges == ()
    assert graph.inputs.required == ("x", "y")


def test_a_declared_edge_may_name_what_it_carries() -> None:
    nodes = [fn("a", "x", ("y", "z")), fn("b", "y, z", "w")]
    assert Graph(nodes, edges=[("a", "b", "y")]).edges[0].names == ("y",)
    assert Graph(nodes, edges=[("a", "b", ["y", "z"])]).edges[0].names == ("y", "z")
    assert Graph(nodes, edges=[("a", "b", "y")]).inputs.required == ("x", "z")


def test_a_declared_edge_without_a_common_name_is_one_of_order() -> None:
    assert edge_kinds(Graph([fn("a", "x", "y"), fn("b", "z", "w")], edges=[("a", "b")])) == {("a", "b"): "ordering"}


def test_control_edges_and_wait_for_need_no_declaration() -> None:
    graph = Graph(
        [gate("g", "x", ["a", END]), fn("a", "x", "y", emit="done"), fn("b", "x", "z", wait_for="done")], edges=[]
    )
    assert edge_kinds(graph) == {("g", "a"): "control", ("a", "b"): "ordering"}


@pytest.mark.parametrize(
    ("edge", "problem"),
    [
        (("a",), "an edge is"),
        ("ab", "an edge is"),
        (("nobody", "b"), "source of an edge, 'nobody'"),
        (("a", "c"), "target of an edge, 'c'"),
        (("a", "b", "w"), "cannot carry 'w'"),
        (("a", "b", "y2"), "did you mean 'y'"),
    ],
)
def test_edges_that_do_not_fit_the_nodes(edge: object, problem: str) -> None:
    with pytest.raises(GraphConfigError, match=problem):
        Graph([fn("a", "x", "y"), fn("b", "y", "z")], edges=[edge])  # type: ignore[list-item]


def test_declared_edges_order_several_writers() -> None:
    nodes = [fn("ask", "messages, text", "messages"), fn("answer", "messages", "messages")]
    with pytest.raises(ConflictError):
        Graph(nodes)
    assert Graph(nodes, edges=[("ask", "answer")]).producers("answer", "messages") == ("ask",)


# -- shared names


def test_shared_names_make_no_edges() -> None:
    graph = Graph(
        [fn("user", "messages, text", "messages"), fn("model", "messages", "messages"), fn("save", "messages", None)],
        shared=["messages"],
        edges=[("user", "model"), ("model", "save")],
    )
    assert set(edge_kinds(graph).values()) == {"ordering"}
    assert graph.producers("model", "messages") == ()
    assert graph.sources("model", "messages") == ("user",)
    assert graph.sources("save", "messages") == ("user", "model")
    assert graph.inputs.required == ("messages", "text")


def test_a_shared_name_that_somebody_writes_first_is_no_input() -> None:
    graph = Graph([fn("begin", "", "log"), fn("work", "log, x", "log")], shared=["log"], edges=[("begin", "work")])
    assert graph.inputs.required == ("x",)


def test_edges_are_added_to_those_found_if_names_are_shared() -> None:
    graph = Graph(
        [fn("a", "x", ("y", "log")), fn("b", "y", "log"), fn("c", "log", "z")], shared=["log"], edges=[("b", "c")]
    )
    assert edge_kinds(graph) == {("a", "b"): "data", ("b", "c"): "ordering"}


def test_shared_names_must_be_outputs() -> None:
    with pytest.raises(GraphConfigError, match="shared name 'log' is no output"):
        Graph([fn("a", "log", "y")], shared=["log"])


def test_a_graph_with_shared_names_must_hold_together() -> None:
    with pytest.raises(GraphConfigError, match="falls apart") as caught:
        Graph([fn("a", "x", "log"), fn("b", "log", "y")], shared=["log"])
    assert "-> 'a'" in str(caught.value)
    assert "-> 'b'" in str(caught.value)
