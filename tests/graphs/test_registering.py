"""Graphs that are known by a name."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import WorkflowError
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.registry import Registry, registry


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


def test_a_registered_graph_runs_by_its_name() -> None:
    graph = Graph([double], name="doubling")
    assert register_graph(graph) is graph
    register_graph(graph, "other")
    with DefaultRunner("memory://") as runner:
        for name in ("doubling", "other"):
            result = runner.execute(name, {"x": 3})
            assert (result.workflow_name, result.final_context.to_dict()) == (name, {"doubled": 6})


def test_the_name_of_a_program() -> None:
    assert Graph([double], name="doubling").program().plan.name == "doubling"
    assert Graph([double], name="doubling").program("other").plan.name == "other"
    assert Graph([double]).program("other").plan.name == "other"
    for name in (None, ""):
        with pytest.raises(WorkflowError, match="name"):
            Graph([double]).program(name)


@pytest.mark.parametrize("given", [double, "doubling", None])
def test_what_is_no_graph(given: Any) -> None:
    with pytest.raises(WorkflowError, match="takes a Graph"):
        register_graph(given)


def test_another_registry() -> None:
    own = Registry()
    register_graph(Graph([double], name="doubling"), into=own)
    assert own.names() == ("doubling",)
    assert registry.find("doubling") is None


def test_inputs_among_values() -> None:
    graph = Graph([double], name="doubling")
    values = {"x": 1, "doubled": 2, "other": 3}
    assert graph.program().select_inputs(values) == {"x": 1}
    assert graph.bind(x=5).program().select_inputs(values) == {}
