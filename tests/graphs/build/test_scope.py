"""What a run uses of a graph: bound values, selections, entry points, outputs that were given."""

from __future__ import annotations

import pytest

from holdwater.errors import GraphConfigError, InputError
from holdwater.graphs import END, Graph
from tests.graphs.building import fn, gate


def rag() -> Graph:
    """embed -> retrieve -> answer, and a log of the question."""
    return Graph(
        [
            fn("embed", "question, model", "vector"),
            fn("retrieve", "vector, top=5", "docs"),
            fn("answer", "question, docs", "text"),
            fn("log", "question, path", None),
        ],
        name="rag",
    )


# -- bind


def test_bound_inputs_become_optional() -> None:
    graph = rag()
    bound = graph.bind(model="small")
    assert graph.inputs.required == ("question", "model", "path")
    assert bound.inputs.required == ("question", "path")
    assert bound.inputs.optional == ("model", "top")
    assert dict(bound.inputs.bound) == {"model": "small"}


def test_bound_values_are_the_objects_themselves_and_bindings_add_up() -> None:
    model = object()
    graph = rag().bind({"model": model}).bind(path=None)
    assert graph.bound["model"] is model
    assert graph.bound["path"] is None
    assert graph.inputs.required == ("question",)
    assert graph.bind(model="other").bound["model"] == "other"


def test_unbind_takes_some_or_all() -> None:
    graph = rag().bind(model="small", path="x")
    assert dict(graph.unbind("model").bound) == {"path": "x"}
    assert dict(graph.unbind().bound) == {}
    with pytest.raises(InputError, match="did you mean 'model'"):
        graph.unbind("modle")


@pytest.mark.parametrize(
    ("name", "message"),
    [("modle", "did you mean 'model'"), ("docs", "'docs' cannot be bound: it is made by 'retrieve'")],
)
def test_only_inputs_can_be_bound(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rag().bind({name: 1})


def test_a_name_is_bound_once_per_call() -> None:
    with pytest.raises(InputError, match="'model' is bound twice"):
        rag().bind({"model": 1}, model=2)


def test_what_an_entry_point_makes_an_input_can_be_bound() -> None:
    graph = rag().with_entrypoint("answer").bind(docs=["a"])
    assert graph.inputs.required == ("question",)


# -- select


def test_a_selection_narrows_outputs_inputs_and_nodes() -> None:
    graph = rag().select("docs")
    assert graph.selected == ("docs",)
    assert graph.scope().active == ("embed", "retrieve")
    assert graph.scope().outputs == ("docs",)
    assert graph.inputs.all == ("question", "model", "top")


def test_without_a_selection_the_leaves_are_returned() -> None:
    scope = rag().scope()
    assert scope.outputs == ("text",)
    assert scope.active == ("embed", "retrieve", "answer", "log")


def test_a_selection_for_one_run_takes_globs() -> None:
    graph = rag()
    assert graph.scope(select=["*"]).outputs == ("vector", "docs", "text")
    assert graph.scope(select=["**/docs"]).outputs == ("docs",)
    assert graph.scope(select=["ret*/*", "t?xt"]).outputs == ("docs", "text")
    assert graph.select("text").scope(select=["vector"]).active == ("embed",)


def test_globs_reach_into_namespaces() -> None:
    outer = Graph([rag().as_node(namespaced=True), fn("shout", "text", "loud")])
    assert outer.scope(select=["rag/*"]).outputs == ("rag.vector", "rag.docs", "rag.text")
    assert outer.scope(select=["**/text"]).outputs == ("rag.text",)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["dcos"], "did you mean 'docs'"),
        (["x*"], "'x\\*' selects no output"),
        (["docs", "docs"], "selected twice"),
        ([], "needs the name of an output"),
    ],
)
def test_what_cannot_be_selected(outputs: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rag().select(*outputs)


def test_a_gate_on_the_way_brings_all_its_targets_and_what_follows() -> None:
    graph = Graph(
        [
            gate("choose", "x", ["left", "right"]),
            fn("left", "x", "a"),
            fn("right", "x", "b"),
            fn("after", "b, y", "c"),
            fn("other", "z", "d"),
        ]
    )
    assert graph.select("a").scope().active == ("choose", "left", "right", "after")
    assert graph.select("a").inputs.required == ("x", "y")
    assert graph.select("d").scope().active == ("other",)


def test_a_selection_brings_what_is_waited_for() -> None:
    graph = Graph([fn("first", "x", None, emit="done"), fn("second", "y", "z", wait_for="done"), fn("third", "z", "w")])
    assert graph.select("w").scope().active == ("first", "second", "third")


# -- entry points


def test_an_entry_point_turns_what_is_before_it_into_inputs() -> None:
    graph = rag().with_entrypoint("retrieve")
    assert graph.scope().active == ("retrieve", "answer")
    assert graph.inputs.required == ("vector", "question")
    assert graph.entrypoints == ("retrieve",)


def test_entry_points_add_up() -> None:
    graph = rag().with_entrypoint("answer").with_entrypoint("log")
    assert graph.entrypoints == ("answer", "log")
    assert graph.scope().active == ("answer", "log")
    assert Graph(rag().nodes.values(), entrypoint="answer").scope(entrypoint="log").active == ("answer", "log")


def test_the_entry_point_of_a_loop_decides_what_it_starts_with() -> None:
    nodes = [fn("inc", "n", "m"), fn("dbl", "m", "n"), gate("more", "n", ["inc", END])]
    assert Graph(nodes, entrypoint="inc").inputs.required == ("n",)
    assert Graph(nodes, entrypoint="dbl").inputs.required == ("m",)


@pytest.mark.parametrize("selected_first", [True, False])
def test_what_is_made_before_the_entry_points_cannot_be_selected(selected_first: bool) -> None:
    with pytest.raises(GraphConfigError, match="'vector' is made before the entry points"):
        if selected_first:
            rag().select("vector").with_entrypoint("answer")
        else:
            rag().with_entrypoint("answer").select("vector")


# -- outputs that are given


def test_a_given_output_skips_what_only_it_needed() -> None:
    scope = rag().scope(provided=["question", "docs", "path"])
    assert scope.active == ("answer", "log")
    assert scope.supplied_outputs == ("docs",)
    assert scope.inputs.required == ("question", "docs", "path")


def test_a_node_stays_that_makes_something_else_as_well() -> None:
    graph = Graph([fn("load", "path", ("rows", "count")), fn("clean", "rows", "table"), fn("size", "count", "text")])
    assert graph.scope(provided=["rows"]).active == ("load", "clean", "size")
    assert graph.scope(provided=["rows", "count"]).active == ("clean", "size")


def test_a_node_with_an_effect_stays() -> None:
    graph = Graph([fn("load", "path", "rows"), fn("audit", "path", None), fn("clean", "rows", "table")])
    assert graph.scope(provided=["rows"]).active == ("audit", "clean")


def test_a_gate_goes_with_all_it_could_open() -> None:
    graph = Graph(
        [
            fn("ask", "q", "x"),
            gate("choose", "x", ["a", "b"]),
            fn("a", "x", "y"),
            fn("b", "x", "y"),
            fn("end", "y", "z"),
        ]
    )
    assert graph.scope(provided=["y"]).active == ("end",)


def test_the_value_a_loop_starts_with_skips_what_made_it_and_not_the_loop() -> None:
    graph = Graph(
        [
            fn("begin", "prompt", "messages"),
            fn("generate", "messages", "response"),
            fn("accumulate", "messages, response", "messages"),
            gate("again", "messages", ["generate", END]),
        ]
    )
    scope = graph.scope(provided=["messages"])
    assert scope.active == ("generate", "accumulate", "again")
    assert scope.supplied_outputs == ()
    assert scope.entrypoints == ("generate",)
    assert scope.inputs.seeds == ("messages",)


def test_a_shared_name_is_given_to_be_written_on() -> None:
    graph = Graph(
        [fn("user", "messages, text", "messages"), fn("model", "messages", "messages")],
        shared=["messages"],
        edges=[("user", "model")],
    )
    scope = graph.scope(provided=["messages", "text"])
    assert scope.active == ("user", "model")
    assert scope.outputs == ("messages",)


def test_a_given_and_selected_output_is_returned() -> None:
    scope = rag().scope(select=["docs", "text"], provided=["docs"])
    assert scope.outputs == ("docs", "text")
    assert scope.active == ("answer",)


# -- add_nodes


def test_nodes_are_added_with_the_scope_kept() -> None:
    graph = rag().bind(model="small").select("text").add_nodes(fn("shout", "text", "loud"))
    assert graph.selected == ("text",)
    assert graph.bound == {"model": "small"}
    assert "shout" in graph.nodes
    assert graph.name == "rag"


def test_what_a_new_node_makes_cannot_stay_bound() -> None:
    with pytest.raises(ValueError, match="'model' is bound, but with these nodes"):
        rag().bind(model="small").add_nodes(fn("pick", "budget", "model"))


def test_nodes_cannot_be_added_to_declared_edges() -> None:
    with pytest.raises(GraphConfigError, match="explicit edges"):
        Graph([fn("a", "x", "y")], edges=[]).add_nodes(fn("b", "y", "z"))


# -- as a node


def test_a_nested_graph_shows_what_its_scope_shows() -> None:
    nested = rag().bind(model="small").as_node()
    assert nested.inputs == ("question", "path", "model", "top")
    assert nested.outputs == ("vector", "docs", "text")
    assert rag().select("docs").as_node().outputs == ("docs",)
    assert rag().with_entrypoint("answer").as_node().inputs == ("question", "docs")


def test_the_original_is_never_changed() -> None:
    graph = rag()
    graph.bind(model=1)
    graph.select("docs")
    graph.with_entrypoint("answer")
    assert graph.bound == {}
    assert graph.selected is None
    assert graph.entrypoints == ()
    assert len(graph.scope().active) == 4
