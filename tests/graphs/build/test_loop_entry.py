"""How loops begin: inferred from what is given, where that leaves one choice."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import GraphConfigError, MissingInputError
from holdwater.graphs import END, Graph, InterruptNode
from holdwater.graphs.inputs import resolve_inputs
from tests.graphs.building import fn, gate


def chat_graph() -> Graph:
    return Graph(
        [
            fn("generate", "messages", "response"),
            fn("accumulate", "messages, response", "messages"),
            gate("again", "messages", ["generate", END]),
        ]
    )


def ring_graph() -> Graph:
    return Graph([fn("inc", "n", "m"), fn("dbl", "m", "n"), gate("more", "n", ["inc", END])])


def entry_nodes(graph: Graph, *given: str) -> tuple[str, ...]:
    return resolve_inputs(graph, dict.fromkeys(given, 1)).scope.entrypoints


def test_a_loop_with_one_beginning_needs_its_seed() -> None:
    assert chat_graph().inputs.required == ("messages",)
    assert chat_graph().inputs.seeds == ("messages",)
    assert entry_nodes(chat_graph(), "messages") == ("generate",)


def test_more_given_means_a_later_beginning() -> None:
    assert entry_nodes(chat_graph(), "messages", "response") == ("accumulate",)


def test_the_inputs_say_where_a_ring_begins() -> None:
    assert entry_nodes(ring_graph(), "n") == ("inc",)
    assert entry_nodes(ring_graph(), "m") == ("dbl",)


def test_a_ring_asks_for_one_of_its_seeds() -> None:
    assert ring_graph().inputs.required == ()
    assert ring_graph().inputs.optional == ring_graph().inputs.seeds == ("n", "m")
    with pytest.raises(MissingInputError, match="can start at") as caught:
        entry_nodes(ring_graph())
    assert caught.value.missing == ("n", "m")
    assert "'inc', from 'n'" in str(caught.value)
    assert "'dbl', from 'm'" in str(caught.value)


def test_inputs_for_two_beginnings_are_refused() -> None:
    with pytest.raises(GraphConfigError, match="more than one place") as caught:
        entry_nodes(ring_graph(), "n", "m")
    assert "with_entrypoint('inc')" in str(caught.value)
    assert entry_nodes(ring_graph().with_entrypoint("dbl"), "n", "m") == ("dbl",)


def test_a_bound_seed_counts_as_given() -> None:
    assert entry_nodes(ring_graph().bind(n=1)) == ("inc",)
    assert ring_graph().bind(n=1).inputs.optional == ("n",)


def test_a_default_begins_a_loop() -> None:
    graph = Graph(
        [fn("draft", "topic, notes=None", "text"), fn("review", "text", "notes"), gate("g", "notes", ["draft", END])]
    )
    assert graph.inputs.required == ("topic",)
    assert entry_nodes(graph, "topic") == ("draft",)


def test_several_nodes_begin_together_if_none_starts_from_the_other() -> None:
    graph = Graph(
        [
            fn("left", "n", "a"),
            fn("right", "n", "b"),
            fn("join", "a, b", "n"),
            gate("more", "n", ["left", "right", END], multi_target=True),
        ]
    )
    assert entry_nodes(graph, "n") == ("left", "right")


def test_a_gate_that_chooses_between_beginnings_decides_first() -> None:
    nodes = [
        fn("search", "state", "found"),
        fn("compute", "state", "result"),
        fn("note", "state, found=None, result=None", "state"),
    ]
    graph = Graph([*nodes, gate("act", "state", ["search", "compute", END])])
    assert entry_nodes(graph, "state") == ("search", "compute", "act")
    assert resolve_inputs(graph, {"state": 1}).scope.gated_entries == ("search", "compute")
    assert entry_nodes(graph.with_entrypoint("search"), "state") == ("search",)


def test_a_gate_without_what_it_reads_cannot_choose_between_beginnings() -> None:
    nodes = [fn("search", "x", "found"), fn("compute", "x", "found"), gate("act", "found", ["search", "compute", END])]
    with pytest.raises(GraphConfigError, match="more than one place"):
        entry_nodes(Graph(nodes), "x")
    with pytest.raises(GraphConfigError, match="more than one place"):
        entry_nodes(Graph(nodes, entrypoint=["search", "compute"]), "x")


def test_a_closed_gate_decides_before_anything_it_opens() -> None:
    closed = Graph([gate("act", "n", ["step", END], default_open=False), fn("step", "n", "n")])
    assert entry_nodes(closed, "n") == ("act",)


def test_what_a_first_turn_does_not_reach_begins_by_itself() -> None:
    graph = Graph(
        [
            fn("retrieve", "question, hint=None", "docs"),
            fn("generate", "messages, docs", "response"),
            fn("accumulate", "old, response", "messages"),
            fn("think", "messages", "hint"),
            gate("again", "messages", ["retrieve", "generate", END], multi_target=True),
        ]
    )
    assert set(graph.inputs.required) == {"question", "old"}
    assert graph.inputs.seeds == ("messages", "response")
    assert entry_nodes(graph, "question", "messages", "old") == ("retrieve", "generate", "think")
    assert entry_nodes(graph, "question", "response", "old") == ("accumulate",)


def test_a_loop_with_a_question_begins_before_it() -> None:
    graph = Graph([fn("draft", "topic, verdict=None", "text"), InterruptNode("ask", "text", "verdict")])
    assert graph.inputs.required == ("topic",)
    assert entry_nodes(graph, "topic") == ("draft",)


def test_an_answer_given_beforehand_is_no_beginning() -> None:
    graph = Graph([InterruptNode("ask", "question", "answer"), fn("respond", "answer", "question")])
    assert graph.inputs.required == ("question",)
    assert entry_nodes(graph, "question", "answer") == ("ask",)


def test_a_signal_inside_a_loop_orders_and_does_not_block() -> None:
    graph = Graph(
        [
            fn("generate", "messages", "response"),
            fn("accumulate", "messages, response", "messages", emit="turn_done"),
            gate("again", "messages", ["generate", END], wait_for="turn_done"),
        ]
    )
    assert entry_nodes(graph, "messages") == ("generate",)


def test_declared_order_says_where_a_loop_with_a_shared_name_begins() -> None:
    graph = Graph(
        [
            fn("user", "messages, text", "messages"),
            fn("model", "messages", "response"),
            fn("answer", "messages, response", "messages"),
            gate("go", "messages", ["user", END]),
        ],
        shared=["messages"],
        edges=[("user", "model"), ("model", "answer"), ("answer", "go")],
    )
    assert graph.inputs.required == ("messages", "text")
    assert graph.inputs.seeds == ("messages",)
    assert entry_nodes(graph, "messages", "text") == ("user",)


def conversation_graph(**options: Any) -> Graph:
    return Graph(
        [
            fn("answer", "messages", "reply"),
            fn("add_reply", "messages, reply", "messages"),
            fn("listen", "messages", "said"),
            gate("again", "said", ["add_said", END]),
            fn("add_said", "messages, said", "messages"),
        ],
        shared=["messages"],
        **options,
    )


def test_a_node_that_a_declared_edge_puts_behind_another_does_not_begin_beside_what_is_free() -> None:
    graph = Graph(
        [
            fn("answer", "messages", "reply"),
            fn("add_reply", "messages, reply", "messages"),
            fn("listen", "messages", "said"),
            gate("again", "said", ["answer", END]),
        ],
        shared=["messages"],
        edges=[("add_reply", "listen")],
    )
    assert entry_nodes(graph, "messages") == ("answer",)


def test_a_loop_of_declared_edges_that_could_begin_at_two_of_them_asks_where() -> None:
    around = [("add_reply", "listen"), ("add_said", "answer")]
    with pytest.raises(GraphConfigError, match="can start in more than one place") as caught:
        entry_nodes(conversation_graph(edges=around), "messages")
    assert "with_entrypoint('answer')" in str(caught.value)
    assert entry_nodes(conversation_graph(edges=around, entrypoint="answer"), "messages") == ("answer",)


def test_each_of_several_loops_begins() -> None:
    graph = Graph(
        [
            fn("a", "n", "n2"),
            fn("b", "n2", "n"),
            gate("g", "n", ["a", END]),
            fn("c", "k, n", "k2"),
            fn("d", "k2", "k"),
            gate("h", "k", ["c", END]),
        ]
    )
    assert entry_nodes(graph, "n", "k") == ("a", "c")
    assert entry_nodes(graph, "n2", "k2") == ("b", "d")
