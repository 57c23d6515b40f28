"""What a graph refuses to be, rule by rule, and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import ConflictError, GraphConfigError
from holdwater.graphs import END, FunctionNode, Graph, InterruptNode, node
from tests.graphs.building import fn, gate, make_function

MakeGraph = Callable[[], object]


def loop(*nodes: Any) -> Graph:
    return Graph([fn("a", "y", "x"), fn("b", "x", "y"), *nodes])


RULES: dict[str, tuple[MakeGraph, str]] = {
    "graph name with a dot": (lambda: Graph([], name="a.b"), "cannot contain '.'"),
    "graph name with a slash": (lambda: Graph([], name="a/b"), "cannot contain '/'"),
    "two nodes of one name": (lambda: Graph([fn("a"), fn("a")]), "two nodes are called 'a'"),
    "a node called END": (lambda: Graph([fn("a").with_name("END")]), "cannot be called 'END'"),
    "no identifier": (lambda: Graph([fn("a").with_name("a-b")]), "'a-b' cannot be the name .*no identifier"),
    "a lambda": (lambda: Graph([FunctionNode(lambda x: x, output_name="y")]), "'<lambda>' cannot be the name"),
    "a keyword": (lambda: Graph([fn("a").with_name("class")]), "'class' cannot be the name .*a keyword"),
    "an output that is no identifier": (lambda: Graph([fn("a", "", "x y")]), "'x y' cannot be an output"),
    "an output that is a keyword": (lambda: Graph([fn("a", "", "if")]), "'if' cannot be an output"),
    "a private output": (lambda: Graph([fn("a", "", "_x")]), "'_x' cannot be an output .*private"),
    "an output twice on one node": (lambda: Graph([fn("a", "", ("x", "x"))]), "'x'"),
    "a default in one node only": (
        lambda: Graph([fn("a", "x", "y"), fn("b", "x=1", "z")]),
        "'x' has a default in some nodes",
    ),
    "different defaults": (lambda: Graph([fn("a", "x=1", "y"), fn("b", "x=2", "z")]), "'x' has different defaults"),
    "an unknown target": (lambda: Graph([gate("g", "x", ["lod", END]), fn("load", "x")]), "did you mean 'load'"),
    "a gate that targets itself": (lambda: Graph([gate("g", "x", ["g", END])]), "itself as a target"),
    "targets opened together with one output": (
        lambda: Graph([gate("g", "x", ["a", "b"], multi_target=True), fn("a", "x", "y"), fn("b", "x", "y")]),
        "both make 'y'",
    ),
    "a map over interrupts": (
        lambda: Graph([InterruptNode("ask", "x", "y")], name="inner").as_node().map_over("x"),
        "interrupts",
    ),
    "waiting for nothing": (
        lambda: Graph([fn("a", "x", "y", emit="done"), fn("b", "x", "z", wait_for="dona")]),
        "did you mean 'done'",
    ),
    "two writers": (lambda: Graph([fn("a", "x", "y"), fn("b", "x", "y")]), "multiple nodes produce 'y'"),
    "two writers of one loop": (
        lambda: Graph([fn("a", "x", "y"), fn("b", "y", "y"), fn("c", "y", "y"), fn("d", "y", "z")]),
        "multiple nodes produce 'y'",
    ),
    "several beginnings of a loop": (
        lambda: Graph(
            [
                fn("one", "q", ("n", "rest")),
                fn("other", "rest", "n"),
                fn("aside", "rest", "extra"),
                fn("step", "n, extra", "m"),
                fn("back", "m", "n"),
                gate("g", "m", ["back", END]),
            ],
        ),
        "competing producers: input 'n' of 'step'",
    ),
    "an unknown entry point": (lambda: Graph([fn("load", "x", "y")], entrypoint="lod"), "did you mean 'load'"),
    "a gate as an entry point": (lambda: Graph([gate("g", "x", ["a"]), fn("a", "x")], entrypoint="g"), "is a gate"),
    "no entry point": (lambda: Graph([fn("a", "x")], entrypoint=[]), "needs the name of a node"),
    "an entry point that is no name": (lambda: Graph([fn("a", "x")], entrypoint=7), "needs the name of a node"),  # type: ignore[arg-type]
    "a loop without a gate": (loop, "would never end"),
    "a loop beside a gate": (
        lambda: loop(gate("g", "x", ["c", END]), fn("c", "x, z", "w"), fn("d", "w", "z")),
        "'a', 'b' would never end",
    ),
    "a loop of waiting": (
        lambda: Graph(
            [
                fn("a", "x", "y", emit="a_done", wait_for="b_done"),
                fn("b", "y", "x", emit="b_done", wait_for="a_done"),
                gate("g", "x", ["a", END], wait_for="a_done"),
            ]
        ),
        "can never begin.*\n.*'a' waits for 'b_done'",
    ),
    "a loop of closed gates": (
        lambda: Graph(
            [
                fn("a", "x", ("y", "p")),
                fn("b", "p", ("x", "q")),
                gate("g", "q", ["a", END], default_open=False, wait_for="y"),
                gate("h", "p", ["b", END], default_open=False, wait_for="x"),
            ]
        ),
        "can never begin",
    ),
    "something that is no node": (lambda: Graph([make_function("load", "x")]), "'load' is no node.*\n.*FunctionNode"),  # type: ignore[list-item]
    "a graph that is no node": (lambda: Graph([Graph([], name="inner")]), "as_node"),  # type: ignore[list-item]
    "one node that is no list": (lambda: Graph(fn("load", "x")), "a list of nodes"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str) -> None:
    build, message = RULES[rule]
    with pytest.raises(GraphConfigError, match=message) as caught:
        build()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("rule", ["two writers", "two writers of one loop", "targets opened together with one output"])
def test_writers_that_nothing_separates_are_a_conflict(rule: str) -> None:
    with pytest.raises(ConflictError):
        RULES[rule][0]()


def test_messages_have_a_problem_facts_and_a_hint() -> None:
    with pytest.raises(GraphConfigError) as caught:
        Graph([fn("a", "x", "y"), fn("b", "x", "y")])
    problem, *facts, hint = str(caught.value).splitlines()
    assert "'y'" in problem
    assert facts
    assert all(fact.startswith("  -> ") for fact in facts)
    assert hint.startswith("  hint: ")


# -- what is allowed


def test_a_nested_graph_may_have_a_hyphen_and_the_name_of_an_output() -> None:
    inner = Graph([fn("work", "x", "rag-0".replace("-", "_"))])
    graph = Graph([inner.as_node(name="rag-0"), inner.as_node(name="other").rename_outputs(rag_0="other")])
    assert list(graph.nodes) == ["rag-0", "other"]


def test_equal_defaults_may_be_different_objects() -> None:
    assert Graph([fn("a", "x=[1]", "y"), fn("b", "x=[1]", "z")]).inputs.optional == ("x",)


class Vector:
    """Compares like an array, element by element."""

    def __init__(self, *items: int) -> None:
        self.items = items

    def __eq__(self, other: object) -> Any:
        return Comparison([one == two for one, two in zip(self.items, other.items)])  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]


class Comparison(list[bool]):
    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")

    def all(self) -> bool:
        return all(list(self))


def test_defaults_may_be_arrays() -> None:
    def taking(name: str, vector: Vector) -> FunctionNode[..., Any]:
        def take(x: Vector = vector) -> None: ...

        return FunctionNode(take, name)

    assert Graph([taking("a", Vector(1, 2)), taking("b", Vector(1, 2))]).inputs.optional == ("x",)
    with pytest.raises(GraphConfigError, match="different defaults"):
        Graph([taking("a", Vector(1, 2)), taking("b", Vector(1, 3))])


def test_defaults_need_not_agree_where_a_node_provides_the_value() -> None:
    graph = Graph([fn("a", "x", "y"), fn("b", "y", "z"), fn("c", "y=None", "w")])
    assert graph.inputs.required == ("x",)


def test_a_question_ends_a_loop() -> None:
    graph = Graph([fn("draft", "verdict='none'", "text"), InterruptNode("ask", "text", "verdict")])
    assert graph.loops == (("draft", "ask"),)


def test_a_question_in_a_nested_graph_ends_a_loop() -> None:
    inner = Graph([InterruptNode("ask", "text", "verdict")], name="review")
    assert Graph([fn("draft", "verdict='none'", "text"), inner.as_node()]).loops == (("draft", "review"),)


def test_a_closed_gate_may_begin_a_loop() -> None:
    graph = Graph([gate("more", "n", ["step", END], default_open=False), fn("step", "n", "n")])
    assert graph.scope(provided=["n"]).entrypoints == ("more",)


# -- values bound inside nested graphs


def test_nested_graphs_may_not_bind_one_input_to_different_values() -> None:
    one = Graph([fn("a", "x, model", "y")], name="one")
    other = Graph([fn("b", "y, model", "z")], name="other")
    with pytest.raises(GraphConfigError, match="'model' is bound to different values"):
        Graph([one.bind(model="small").as_node(), other.bind(model="large").as_node()])
    graph = Graph([one.bind(model="small").as_node(), other.bind(model="small").as_node()])
    assert "model" in graph.inputs.optional
    with pytest.warns(UserWarning, match="'model' is bound to another value inside"):
        bound = graph.bind(model="large")
    assert bound.inputs.bound["model"] == "large"


# -- strict types


@node(output_name="count")
def count(text: str) -> int:
    return len(text)


def test_strict_types_asks_for_annotations_that_fit() -> None:
    @node(output_name="square")
    def square(count: int) -> int:
        return count * count

    assert Graph([count, square], strict_types=True).strict_types


def test_strict_types_refuses_what_does_not_fit() -> None:
    @node(output_name="upper")
    def upper(count: str) -> str:
        return count.upper()

    Graph([count, upper])
    with pytest.raises(GraphConfigError, match="'upper' cannot take the 'count' of 'count'") as caught:
        Graph([count, upper], strict_types=True)
    assert "takes str" in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([count, fn("half", "count", "h")], "input 'count' of 'half' has no type"),
        ([fn("make", "x", "text"), count], "output 'text' of 'make' has no type"),
    ],
)
def test_strict_types_refuses_what_is_not_annotated(nodes: list[Any], message: str) -> None:
    with pytest.raises(GraphConfigError, match=message):
        Graph(nodes, strict_types=True)


def test_strict_types_refuses_a_nested_input_of_two_types() -> None:
    @node(output_name="a")
    def one(count: int) -> int:
        return count

    @node(output_name="b")
    def two(count: float) -> float:
        return count

    inner = Graph([one, two], name="inner")
    with pytest.raises(GraphConfigError, match="has two types inside"):
        Graph([count, inner.as_node()], strict_types=True)
