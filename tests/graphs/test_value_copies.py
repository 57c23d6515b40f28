"""Graphs that are pickled, copied, and given up."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import END, AsyncRunner, Graph, SyncRunner, node, route
from holdwater.checkpointers import MemoryCheckpointer


def double(x: int) -> int:
    return 2 * x


def add(y: int, k: int) -> int:
    return y + k


def again(n: int) -> str:
    return "step" if n < 3 else END


def step(n: int) -> int:
    return n + 1


DOUBLE, ADD = node(double, output_name="y"), node(add, output_name="z")
PLAIN = Graph([DOUBLE, ADD], name="g", strict_types=True)
LOOP = Graph([node(step, output_name="n"), route(["step", END])(again)], name="loop")
GRAPHS: dict[str, tuple[Graph, dict[str, Any], dict[str, Any]]] = {
    "plain": (PLAIN, {"x": 1, "k": 3}, {"z": 5}),
    "bound": (PLAIN.bind(k=[]).bind(k=4), {"x": 1}, {"z": 6}),
    "selected": (PLAIN.select("y"), {"x": 1}, {"y": 2}),
    "begun in the middle": (PLAIN.with_entrypoint("add"), {"y": 1, "k": 1}, {"z": 2}),
    "edges": (Graph([DOUBLE, ADD], edges=[(DOUBLE, ADD, "y")]), {"x": 1, "k": 3}, {"z": 5}),
    "shared": (Graph([DOUBLE, ADD], shared=["y"], edges=[("double", "add")]), {"x": 1, "k": 3}, {"z": 5}),
    "loop": (LOOP, {"n": 0}, {"n": 3}),
    "nested": (Graph([PLAIN.as_node(), LOOP.as_node()]), {"x": 1, "k": 3, "n": 0}, {"y": 2, "z": 5, "n": 3}),
    "mapped": (Graph([PLAIN.as_node().map_over("x")]), {"x": [1, 2], "k": 3}, {"y": [2, 4], "z": [5, 7]}),
}
COPIES: dict[str, Callable[[Graph], Graph]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {k}": lambda graph, k=k: pickle.loads(pickle.dumps(graph, k)) for k in (2, 5)},  # type: ignore[misc]
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(("graph", "given", "outputs"), GRAPHS.values(), ids=GRAPHS)
def test_a_copy_is_the_same_graph(
    graph: Graph, given: dict[str, Any], outputs: dict[str, Any], copied: Callable[[Graph], Graph]
) -> None:
    for _ in range(2):  # before it was run, and with what a run leaves with it
        new = copied(graph)
        assert new is not graph
        assert (new.name, new.strict_types, new.definition_hash) == (
            graph.name,
            graph.strict_types,
            graph.definition_hash,
        )
        assert (new.inputs.required, new.inputs.optional) == (graph.inputs.required, graph.inputs.optional)
        assert dict(SyncRunner().run(new, given)) == outputs == dict(SyncRunner().run(graph, given))


def test_a_deep_copy_has_bound_values_of_its_own() -> None:
    values = [1]
    graph = Graph([node(lambda x: x, output_name="y", name="show")]).bind(x=values)
    assert SyncRunner().run(graph)["y"] is values
    assert SyncRunner().run(copy.deepcopy(graph))["y"] == values
    assert SyncRunner().run(copy.deepcopy(graph))["y"] is not values


class Client:
    pass


@pytest.mark.parametrize("recorded", [False, True])
def test_a_runner_keeps_no_graph_alive_but_the_last(recorded: bool) -> None:
    clients = []
    with MemoryCheckpointer() as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer if recorded else None)
        for k in range(6):
            client = Client()
            clients.append(weakref.ref(client))
            made = node((lambda c: lambda x: (c, x)[1])(client), output_name="y", name="f")
            nested = Graph([Graph([made], name="inner").as_node()], name="outer")
            assert runner.run(nested, {"x": k}) == {"y": k}
        del client, made, nested
        gc.collect()
        assert sum(ref() is not None for ref in clients) <= 2


def test_a_graph_keeps_no_checkpointer_alive() -> None:
    recorders = []
    for _ in range(4):
        with MemoryCheckpointer() as checkpointer:
            SyncRunner(checkpointer=checkpointer).run(PLAIN, {"x": 1, "k": 1})
            recorders.append(weakref.ref(checkpointer.durable_runs))
        del checkpointer
    gc.collect()
    assert sum(ref() is not None for ref in recorders) <= 1


@pytest.mark.parametrize("runner", [SyncRunner(), AsyncRunner(max_concurrency=2)], ids=["sync", "async"])
def test_a_runner_goes_to_another_process(runner: Any) -> None:
    SyncRunner().run(PLAIN, {"x": 1, "k": 1})
    there = pickle.loads(pickle.dumps(runner))
    assert type(there) is type(runner)
    made = there.run(PLAIN, {"x": 1, "k": 3})
    assert (asyncio.run(made) if asyncio.iscoroutine(made) else made) == {"z": 5}
