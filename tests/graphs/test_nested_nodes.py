"""Graphs as nodes: what is seen of them from outside, under which names, and how they are mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from holdwater import SyncRunner
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.errors import GraphConfigError, IncompatibleRunnerError, MapOverError, RenameError
from holdwater.graphs import (
    END,
    Graph,
    GraphNode,
    InterruptNode,
    ifelse,
    node,
    route,
    validate_map_compatible,
    validate_runner_compatibility,
)


@node(output_name="vector")
def embed(text: str, model: str = "small") -> list[float]:
    return [float(len(text))]


@node(output_name="documents")
def search(vector: list[float], limit: int) -> list[str]:
    return []


@node(output_name="found")
async def search_later(vector: list[float]) -> list[str]:
    return []


@ifelse("embed", END)
def worth_it(text: str) -> bool:
    return bool(text)


@pytest.fixture
def rag() -> Graph:
    return Graph([embed, search], name="rag")


@dataclass
class FakeFeatures:
    supports_cycles: bool = True
    supports_gates: bool = True
    supports_interrupts: bool = True
    supports_async_nodes: bool = True


class FakeRunner:
    def __init__(self, **lacking: bool) -> None:
        self.capabilities = FakeFeatures(**lacking)


# -- as a node


def test_its_ports_are_those_of_the_graph(rag: Graph) -> None:
    inner = rag.as_node()
    assert isinstance(inner, GraphNode)
    assert inner.name == "rag"
    assert set(inner.inputs) == {"text", "limit", "model"}
    assert inner.outputs == inner.data_outputs == inner.inner_selection == ("vector", "documents")
    assert inner.graph is rag
    assert (inner.cache, inner.is_gate, inner.is_interrupt, inner.is_async) == (False,) * 4
    assert inner.map_config is None
    assert inner.explicit_runner is None
    assert Graph([search_later], name="g").as_node().is_async


def test_it_needs_a_name_without_dots() -> None:
    nameless = Graph([embed])
    assert nameless.as_node(name="e").name == "e"
    with pytest.raises(GraphConfigError, match="needs a name"):
        nameless.as_node()
    for name in ("a.b", "a/b"):
        with pytest.raises(GraphConfigError, match="cannot contain"):
            nameless.as_node(name=name)
        with pytest.raises(ValueError, match="cannot contain"):
            nameless.as_node(name="e").with_name(name)


def test_it_shows_what_is_selected_or_runs(rag: Graph) -> None:
    assert rag.select("documents").as_node().outputs == ("documents",)
    entered = rag.with_entrypoint("search").as_node()
    assert (entered.inputs, entered.outputs) == (("vector", "limit"), ("documents",))


def test_defaults_and_bound_values_are_inside(rag: Graph) -> None:
    inner = rag.bind(limit=3).as_node()
    assert inner.has_default_for("limit")
    assert inner.get_default_for("limit") == 3
    assert not inner.has_signature_default_for("limit")
    assert inner.has_default_for("model")
    assert inner.get_default_for("model") == inner.get_signature_default_for("model") == "small"
    assert not inner.has_default_for("text")
    assert not inner.has_default_for("unheard_of")
    with pytest.raises(KeyError):
        inner.get_default_for("text")
    with pytest.raises(KeyError):
        inner.get_signature_default_for("limit")


def test_types_come_from_inside(rag: Graph) -> None:
    inner = rag.as_node().rename_inputs(text="query").rename_outputs(documents="hits")
    assert inner.get_input_type("query") is str
    assert inner.get_output_type("hits") == list[str]


def test_of_several_types_the_first_node_by_name_speaks() -> None:
    @node(output_name="b_out")
    def b(x: int) -> int:
        return x

    @node(output_name="a_out")
    def a(x):  # type: ignore[no-untyped-def]
        return x

    @node(output_name="c_out")
    def c(x: str) -> str:
        return x

    inner = Graph([c, b, a], name="g").as_node()
    assert inner.get_input_type("x") is int
    assert inner.input_types("x") == (int, str)
    assert inner.get_output_type("a_out") is None


def test_values_cross_the_boundary_by_their_names(rag: Graph) -> None:
    inner = rag.as_node().rename_inputs(text="query", model="text").rename_outputs(documents="hits")
    assert inner.inner_inputs({"query": "q", "text": "m"}) == {"text": "q", "model": "m"}
    assert inner.param("query") == "text"
    assert inner.outer_outputs({"documents": ["d"], "other": 1}) == {"hits": ["d"]}
    assert inner.outer_output("documents") == "hits"
    with pytest.raises(KeyError):
        inner.outer_output("hits")
    assert rag.as_node().inputs != inner.inputs


def test_fingerprints_include_the_boundary(rag: Graph) -> None:
    plain = rag.as_node()
    hashes = {
        plain.definition_hash,
        plain.rename_inputs(text="query").definition_hash,
        plain.map_over("text").definition_hash,
        plain.map_over("text", mode="product").definition_hash,
        rag.as_node(namespaced=True).definition_hash,
        rag.select("documents").as_node().definition_hash,
    }
    assert len(hashes) == 6
    assert plain.with_name("other").definition_hash == plain.definition_hash
    assert plain.with_runner(FakeRunner()).definition_hash == plain.definition_hash


# -- runners


def test_a_runner_of_its_own(rag: Graph) -> None:
    runner = FakeRunner()
    assert rag.as_node(runner=runner).explicit_runner is runner
    other = rag.as_node().with_runner(runner)
    assert other.explicit_runner is runner
    assert other.with_runner(None).explicit_runner is None


def loop_graph() -> Graph:
    @node(output_name="n")
    def grow(n: int) -> int:
        return n + 1

    @route(["grow", END])
    def again(n: int) -> str:
        return END

    return Graph([grow, again], name="loop")


def interrupt_graph() -> Graph:
    return Graph([InterruptNode("ask", "draft", "answer")], name="asking")


@pytest.mark.parametrize(
    ("graph", "capability", "culprit"),
    [
        (Graph([embed, search_later], name="late"), "supports_async_nodes", "search_later"),
        (Graph([worth_it, embed], name="gated"), "supports_gates", "worth_it"),
        (loop_graph(), "supports_cycles", ""),
        (interrupt_graph(), "supports_interrupts", "ask"),
    ],
)
def test_a_runner_that_cannot_run_it_is_refused_at_once(graph: Graph, capability: str, culprit: str) -> None:
    runner = FakeRunner(**{capability: False})
    with pytest.raises(IncompatibleRunnerError, match=f"'{graph.name}' has .*Runner doesn't support") as raised:
        graph.as_node(runner=runner)
    assert (raised.value.capability, raised.value.node_name) == (capability, culprit)
    with pytest.raises(IncompatibleRunnerError):
        graph.as_node().with_runner(runner)
    with pytest.raises(IncompatibleRunnerError):
        validate_runner_compatibility(Graph([graph.as_node()]), runner)


def test_a_nested_runner_answers_for_its_graph() -> None:
    late = Graph([search_later], name="late")
    plain = FakeRunner(supports_async_nodes=False)
    validate_runner_compatibility(Graph([late.as_node(runner=FakeRunner())]), plain)
    with pytest.raises(IncompatibleRunnerError, match="'late' has async nodes"):
        validate_runner_compatibility(Graph([late.as_node()]), plain)


def test_a_pause_inside_must_be_possible_outside() -> None:
    outer = Graph([interrupt_graph().as_node(runner=FakeRunner())])
    with pytest.raises(IncompatibleRunnerError, match="interrupts") as raised:
        validate_runner_compatibility(outer, FakeRunner(supports_interrupts=False))
    assert raised.value.node_name == "asking"


# -- maps


def test_mapped_it_takes_and_gives_lists(rag: Graph) -> None:
    mapped = rag.as_node().map_over("text", "limit", mode="product", error_handling="continue", clone=["model"])
    config = mapped.map_config
    assert config is not None
    assert (config.params, config.mode, config.error_handling, config.clone) == (
        ("text", "limit"),
        "product",
        "continue",
        ("model",),
    )
    assert mapped.get_input_type("text") == list[str]
    assert mapped.get_input_type("model") is str
    assert mapped.get_output_type("documents") == list[list[str]]
    assert rag.as_node().map_config is None


def test_a_map_follows_renames(rag: Graph) -> None:
    mapped = rag.as_node().rename_inputs(text="q").map_over("q", clone=["model"]).rename_inputs(q="query", model="m")
    config = mapped.map_config
    assert config is not None
    assert (config.params, config.clone) == (("query",), ("m",))
    assert [mapped.param(name) for name in config.params] == ["text"]


@pytest.mark.parametrize(
    ("params", "options", "text"),
    [
        ((), {}, "at least one"),
        (("txet",), {}, "did you mean 'text'"),
        (("vector",), {}, "none of its inputs"),
        (("text", "text"), {}, "twice"),
        (("text",), {"mode": "all"}, "'zip', 'product'"),
        (("text",), {"error_handling": "ignore"}, "'raise', 'continue'"),
        (("text",), {"on_pause": "wait"}, "on_pause"),
        (("text",), {"clone": ["text"]}, "mapped"),
        (("text",), {"clone": ["nothing"]}, "clone of node 'rag'"),
    ],
)
def test_maps_that_make_no_sense(rag: Graph, params: tuple[str, ...], options: dict[str, Any], text: str) -> None:
    with pytest.raises(MapOverError, match=text) as raised:
        rag.as_node().map_over(*params, **options)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("clone", ["model", 5])
def test_clone_is_a_list(rag: Graph, clone: Any) -> None:
    with pytest.raises(TypeError, match="clone"):
        rag.as_node().map_over("text", clone=clone)


def test_interrupts_are_not_mapped_unless_asked_for() -> None:
    outer = Graph([interrupt_graph().as_node()], name="outer")
    for graph in (interrupt_graph(), outer):
        with pytest.raises(GraphConfigError) as raised:
            graph.as_node(name="each").map_over("draft")
        text = str(raised.value)
        assert "node 'each' maps over 'draft'" in text
        assert "problem:" in text
        assert "for item in items:" in text
        mapped = graph.as_node(name="each").map_over("draft", on_pause="item")
        assert mapped.map_config is not None
        assert mapped.map_config.on_pause == "item"


def test_whoever_maps_says_what_it_wants() -> None:
    with pytest.raises(GraphConfigError, match=r"^runner\.map\(\) was called, but graph 'asking' has interrupts"):
        validate_map_compatible(interrupt_graph(), "runner.map() was called")


# -- namespaces


@pytest.fixture
def hidden(rag: Graph) -> GraphNode:
    return rag.as_node(namespaced=True)


def test_ports_are_below_the_name_of_the_node(hidden: GraphNode) -> None:
    assert set(hidden.inputs) == {"rag.text", "rag.limit", "rag.model"}
    assert hidden.outputs == ("rag.vector", "rag.documents")
    assert hidden.inner_inputs({"rag.text": "q"}) == {"text": "q"}
    assert hidden.outer_outputs({"documents": []}) == {"rag.documents": []}
    assert hidden.has_default_for("rag.model")
    assert hidden.get_input_type("rag.text") is str
    assert set(hidden.with_name("other").inputs) == {"other.text", "other.limit", "other.model"}


def test_namespaces_nest(rag: Graph) -> None:
    middle = Graph([rag.as_node(name="inner", namespaced=True)], name="middle").as_node(namespaced=True)
    assert "middle.inner.text" in middle.inputs
    assert middle.inner_inputs({"middle.inner.text": 1}) == {"inner.text": 1}
    assert "query" in middle.expose(**{"inner.text": "query"}).inputs


def test_exposed_ports_are_flat(hidden: GraphNode) -> None:
    shown = hidden.expose("documents", text="query")
    assert set(shown.inputs) == {"query", "rag.limit", "rag.model"}
    assert shown.outputs == ("rag.vector", "documents")
    assert shown.exposed == {"rag.documents": "documents", "rag.text": "query"}
    assert shown.expose(limit="top").with_name("r").exposed == {
        "r.documents": "documents",
        "r.text": "query",
        "r.limit": "top",
    }
    assert hidden.exposed == {}


def test_an_exposed_port_keeps_its_name(hidden: GraphNode) -> None:
    shown = hidden.expose(text="query")
    with pytest.raises(RenameError, match="exposed"):
        shown.rename_inputs(query="q")
    with pytest.raises(RenameError, match=r"rag\.text → query"):
        shown.rename_inputs(text="q")


def test_renames_stay_below_the_name(hidden: GraphNode) -> None:
    other = hidden.rename_inputs(text="query").rename_inputs({"rag.limit": "rag.top"}).rename_outputs(documents="hits")
    assert set(other.inputs) == {"rag.query", "rag.top", "rag.model"}
    assert other.outputs == ("rag.vector", "rag.hits")
    assert other.expose("hits").outputs == ("rag.vector", "hits")


def test_a_map_takes_local_names_and_addresses(hidden: GraphNode) -> None:
    for name in ("text", "rag.text"):
        config = hidden.map_over(name, clone=["model"]).map_config
        assert config is not None
        assert (config.params, config.clone) == (("rag.text",), ("rag.model",))
    config = hidden.expose(text="query").map_over("query").map_config
    assert config is not None
    assert config.params == ("query",)


@pytest.mark.parametrize(
    ("names", "aliases", "text"),
    [
        (("txet",), {}, "did you mean 'text'"),
        ((), {"text": "limit", "limit": "limit"}, "two ports"),
        ((), {"text": "a.b"}, "no name"),
    ],
)
def test_what_cannot_be_exposed(hidden: GraphNode, names: tuple[str, ...], aliases: dict[str, str], text: str) -> None:
    with pytest.raises(GraphConfigError, match=text):
        hidden.expose(*names, **aliases)


def test_exposing_twice_and_without_a_namespace(hidden: GraphNode, rag: Graph) -> None:
    with pytest.raises(GraphConfigError, match="already, as 'query'"):
        hidden.expose(text="query").expose(text="other")
    with pytest.raises(GraphConfigError, match="two ports"):
        hidden.expose(text="query").expose(limit="query")
    with pytest.raises(ValueError, match="not namespaced"):
        rag.as_node().expose("text")


def test_repr(rag: Graph) -> None:
    assert repr(rag.as_node(name="r")).startswith("<GraphNode r(")


# -- values bound inside


def test_a_value_bound_inside_is_that_of_every_node_that_takes_it() -> None:
    plain = Graph([node(lambda x: x + 1, output_name="y", name="inc")], name="inner").bind(x=5)
    defaulted = Graph([node(lambda x=1: x + 1, output_name="y", name="inc")], name="inner").bind(x=5)
    both, own = (
        node(lambda x, y: (x, y), output_name="z", name="both"),
        node(lambda y, x=1: (x, y), output_name="z", name="own"),
    )
    for inner, other in ((plain, both), (defaulted, own)):
        for nested in (inner.as_node(), Graph([inner.as_node()], name="outer").as_node()):
            graph = Graph([nested, other], name="all")
            assert graph.inputs.required == ()
            assert dict(graph.inputs.bound) == {"x": 5}
            assert SyncRunner().run(graph, select=["z"]) == {"z": (5, 6)}
            assert SyncRunner().run(graph, {"x": 1}, select=["z"]) == {"z": (1, 2)}
            with pytest.warns(UserWarning, match="the value of this graph is used"):
                bound = graph.bind(x=2)
            assert SyncRunner().run(bound, select=["z"]) == {"z": (2, 3)}
            with MemoryCheckpointer() as checkpointer:
                assert SyncRunner(checkpointer=checkpointer).run(graph, select=["z"]) == {"z": (5, 6)}


def test_a_value_bound_inside_is_not_that_of_a_list_of_items_or_of_an_output() -> None:
    inner = Graph([node(lambda x: x + 1, output_name="y", name="inc")], name="inner").bind(x=5)
    mapped = Graph([inner.as_node().map_over("x"), node(lambda x: x, output_name="z", name="show")])
    assert mapped.inputs.required == ("x",)
    made = Graph([node(lambda: 7, output_name="x", name="make"), inner.as_node()])
    assert SyncRunner().run(made) == {"y": 8}


def test_what_is_bound_inside_need_not_be_storable() -> None:
    client = object()
    inner = Graph([node(lambda x, client: (x, client is not None), output_name="y", name="ask")], name="inner")
    use = node(lambda y, client: [y, client is not None], output_name="z", name="use")
    graph = Graph([inner.bind(client=client).as_node(), use], name="kept")
    with MemoryCheckpointer() as checkpointer:
        for runner in (SyncRunner(), SyncRunner(checkpointer=checkpointer)):
            assert runner.run(graph, {"x": 1}) == {"z": [(1, True), True]}
