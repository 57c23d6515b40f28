"""What a graph knows of itself."""

from __future__ import annotations

import pytest

from holdwater.graphs import END, Graph, InterruptNode, node
from tests.graphs.building import fn, gate


def etl_graph() -> Graph:
    return Graph([fn("load", "path", "rows"), fn("clean", "rows", "table"), fn("report", "table", "text")], name="etl")


def chat_graph() -> Graph:
    return Graph(
        [
            fn("generate", "messages", "response"),
            fn("accumulate", "messages, response", "messages"),
            gate("again", "messages", ["generate", END]),
        ],
        name="chat",
    )


def test_everything_stands_in_the_order_of_the_list() -> None:
    graph = etl_graph()
    assert list(graph.nodes) == ["load", "clean", "report"]
    assert [(edge.source, edge.target, edge.names, edge.kind) for edge in graph.edges] == [
        ("load", "clean", ("rows",), "data"),
        ("clean", "report", ("table",), "data"),
    ]
    assert graph.outputs == ("rows", "table", "text")
    assert graph.leaf_outputs == ("text",)
    assert graph.inputs.required == ("path",)
    assert graph.inputs.all == ("path",)


def test_nodes_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        etl_graph().nodes["more"] = fn("more")  # type: ignore[index]


def test_repr_counts_nodes_and_edges() -> None:
    assert repr(etl_graph()) == "Graph: etl | 3 nodes | 2 edges | no cycles"
    assert repr(Graph([fn("one", "", "x")])) == "Graph | 1 node | 0 edges | no cycles"
    assert repr(chat_graph()).endswith("| has cycles")


def test_what_a_graph_contains() -> None:
    graph = chat_graph()
    assert graph.has_cycles
    assert graph.has_gates
    assert not graph.has_async_nodes
    assert not graph.has_interrupts
    assert graph.loops == (("generate", "accumulate", "again"),)
    assert graph.controlled_by == {"generate": ("again",)}
    assert etl_graph().loops == ()
    assert not etl_graph().has_cycles
    assert not etl_graph().has_gates


def test_a_node_that_reads_itself_is_a_cycle_but_no_loop() -> None:
    graph = Graph([fn("count", "n", "n")])
    assert graph.has_cycles
    assert graph.loops == ()
    assert graph.inputs.required == ("n",)
    assert graph.inputs.seeds == ("n",)


def test_async_nodes_and_interrupts_of_nested_graphs_count() -> None:
    @node(output_name="page")
    async def fetch(url: str) -> str:
        return url

    inner = Graph([fetch, InterruptNode("ask", "page", "verdict")], name="review")
    outer = Graph([inner.as_node()])
    assert outer.has_async_nodes
    assert outer.has_interrupts
    assert outer.interrupt_nodes == ()
    assert inner.interrupt_nodes[0].name == "ask"
    assert outer.interrupt_outputs == inner.interrupt_outputs == {"verdict"}
    assert [(one.node_name, one.graph, one.explicit_runner) for one in outer.nested_graphs] == [("review", inner, None)]


def test_leaves_are_read_by_nobody_outside_their_loop() -> None:
    graph = Graph([*chat_graph().nodes.values(), fn("title", "messages", "headline")])
    assert graph.leaf_outputs == ("response", "headline")


def test_what_is_written_last_may_be_a_leaf() -> None:
    graph = Graph([fn("load", "path", "rows"), fn("clean", "rows", "rows")])
    assert graph.leaf_outputs == ("rows",)
    assert graph.add_nodes(fn("report", "rows", "text")).leaf_outputs == ("text",)
    assert chat_graph().add_nodes(fn("begin", "prompt", "messages")).leaf_outputs == ("response", "messages")


def test_hashes_do_not_depend_on_order_or_bindings() -> None:
    nodes = list(etl_graph().nodes.values())
    one, other = Graph(nodes), Graph(nodes[::-1]).bind(path="x")
    assert one.definition_hash == other.definition_hash
    assert one.structural_hash == other.structural_hash
    assert one.code_hash == other.code_hash
    assert len(one.definition_hash) == len(one.structural_hash) == len(one.code_hash) == 64


def test_another_function_changes_the_code_and_not_the_structure() -> None:
    def plus() -> Graph:
        @node(output_name="y")
        def work(x: int) -> int:
            return x + 1

        return Graph([work])

    def minus() -> Graph:
        @node(output_name="y")
        def work(x: int) -> int:
            return x - 1

        return Graph([work])

    assert plus().structural_hash == minus().structural_hash
    assert plus().code_hash != minus().code_hash
    assert plus().definition_hash != minus().definition_hash
    assert plus().definition_hash == plus().definition_hash


def test_another_edge_changes_the_structure() -> None:
    one = Graph([fn("a", "x", "y"), fn("b", "y", "z")])
    other = Graph([fn("a", "x", "y"), fn("b", "w", "z")])
    assert one.structural_hash != other.structural_hash


def test_describe_shows_inputs_outputs_and_a_chain() -> None:
    @node(output_name="rows")
    def load(path: str, limit: int = 10) -> list[str]:
        return [path] * limit

    graph = Graph([load, fn("count", "rows, unit", "total")], name="etl").bind(unit="rows")
    text = graph.describe()
    assert text.splitlines()[0] == "# etl"
    assert "required: path: str" in text
    assert "optional: limit: int" in text
    assert "bound: unit" in text
    assert "total" in text
    assert "load -> count" in text
    assert "path: str" not in graph.describe(show_types=False)


def test_describe_lists_nodes_that_are_no_chain() -> None:
    text = chat_graph().describe()
    assert "accumulate(messages, response) -> messages" in text
    assert "again(messages) -> generate, END" in text


def test_an_empty_graph_is_a_graph() -> None:
    graph = Graph([])
    assert graph.inputs.all == ()
    assert graph.scope().active == ()
    assert repr(graph) == "Graph | 0 nodes | 0 edges | no cycles"
