"""`DaftRunner.map` and `run`: one row per item, in order, lazily."""

from __future__ import annotations

from typing import Any

import pytest

from holdwater import DaftRunner, Graph, RunStatus, node
from holdwater.errors import (
    ConfigError,
    GraphConfigError,
    IncompatibleRunnerError,
    InputError,
    MapOverError,
    MissingInputError,
)
from tests.runners.graphs.samples import counter_graph, small_graph


def failing_graph() -> Graph:
    @node(output_name="half")
    def halve(x: int) -> int:
        if x % 2:
            raise ValueError(f"{x} is odd")
        return x // 2

    @node(output_name="text")
    def show(half: int) -> str:
        return f"half of it is {half}"

    return Graph([halve, show], name="halves")


def test_rows_and_types() -> None:
    frame = DaftRunner().map(failing_graph(), {"x": [2, 3, 4]}, map_over="x", select=["*"])
    assert [str(field.dtype) for field in frame.schema()] == ["Int64", "Int64", "String", "String"]
    assert frame.to_pydict() == {
        "x": [2, 3, 4],
        "half": [1, None, 2],
        "text": ["half of it is 1", None, "half of it is 2"],
        "_error": [None, "ValueError: 3 is odd (in node 'halve', inputs: x)", None],
    }


def test_rows_in_order_over_many_batches() -> None:
    size = 1000
    frame = DaftRunner(batch_size=7).map(failing_graph(), {"x": [2 * k for k in range(size)]}, map_over="x")
    found = frame.to_pydict()
    assert found["x"] == [2 * k for k in range(size)]
    assert found["text"] == [f"half of it is {k}" for k in range(size)]


def test_combinations() -> None:
    runner, graph = DaftRunner(), small_graph()
    zipped = runner.map(graph, {"x": [1, 2], "y": [10, 20]}, map_over=["x", "y"])
    assert zipped.to_pydict() == {"x": [1, 2], "y": [10, 20], "total": [12, 24], "_error": [None, None]}
    product = runner.map(graph, {"x": [1, 2]}, y=[10, 20], map_over=["x", "y"], map_mode="product")
    assert product.to_pydict()["total"] == [12, 22, 14, 24]
    assert runner.map(graph, values={"x": [1]}, map_over="x", select=["d*"]).column_names == ["x", "doubled", "_error"]


def test_no_items() -> None:
    frame = DaftRunner().map(small_graph(), {"x": []}, map_over="x")
    assert frame.to_pydict() == {"x": [], "total": [], "_error": []}


def test_shared_and_cloned_inputs() -> None:
    @node(output_name="seen")
    def push(x: int, stack: list[int]) -> list[int]:
        stack.append(x)
        return list(stack)

    stack: list[int] = []
    shared = DaftRunner().map(Graph([push]), {"x": [1, 2], "stack": stack}, map_over="x").to_pydict()
    assert shared["seen"] == [[1], [1, 2]]
    assert stack == [1, 2]
    cloned = DaftRunner().map(Graph([push]), {"x": [3, 4], "stack": stack}, map_over="x", clone=["stack"]).to_pydict()
    assert cloned["seen"] == [[1, 2, 3], [1, 2, 4]]
    assert stack == [1, 2]


def test_an_upstream_output_that_is_given() -> None:
    frame = DaftRunner().map(small_graph(), {"doubled": [5, 6]}, map_over="doubled")
    assert frame.to_pydict() == {"doubled": [5, 6], "total": [6, 7], "_error": [None, None]}


def test_an_input_that_no_active_node_reads() -> None:
    with pytest.warns(UserWarning, match="no input of the graph"), pytest.raises(MapOverError):
        DaftRunner().map(small_graph(), {"x": [1], "other": [5]}, map_over=["x", "other"])


def test_names_with_dots() -> None:
    graph = Graph([small_graph().as_node(namespaced=True)])
    frame = DaftRunner().map(graph, {"small.x": [1, 2]}, map_over="small.x", select=["*"])
    assert frame.to_pydict() == {
        "small.x": [1, 2],
        "small.doubled": [2, 4],
        "small.total": [3, 5],
        "_error": [None, None],
    }


def test_one_run() -> None:
    runner = DaftRunner()
    result = runner.run(small_graph(), {"x": 3}, y=4)
    assert result == {"total": 10}
    assert (result.status, len(result.run_id)) == (RunStatus.COMPLETED, 32)
    assert runner.run(small_graph(), x=3, select=["*"]) == {"doubled": 6, "total": 7}

    error = KeyError("mine")

    @node(output_name="y")
    def fail(x: int) -> int:
        raise error

    with pytest.raises(KeyError) as caught:
        runner.run(Graph([fail]), {"x": 1})
    assert caught.value is error
    assert caught.value.__notes__ == ["in node 'fail', inputs: x"]
    assert runner.run(Graph([fail]), {"x": 1}, error_handling="continue").error is error


def test_results_of_a_map() -> None:
    results = DaftRunner().collect_map(
        failing_graph(), {"x": [2, 3]}, map_over="x", select=["*"], error_handling="continue"
    )
    assert results == [{"half": 1, "text": "half of it is 1"}, {}]
    assert results.status is RunStatus.PARTIAL
    assert [(one.item_index, repr(one.error)) for one in results.failures] == [(1, "ValueError('3 is odd')")]
    with pytest.raises(ValueError, match="3 is odd") as caught:
        DaftRunner().collect_map(failing_graph(), {"x": [2, 3]}, map_over="x")
    assert caught.value.__notes__ == ["in node 'halve', item 1, inputs: x"]
    assert DaftRunner().collect_map(failing_graph(), {"x": []}, map_over="x") == []


@pytest.mark.parametrize(
    ("inputs", "options", "error"),
    [
        ({}, {"map_over": "x"}, MissingInputError),
        ({"x": 5}, {"map_over": "x"}, MapOverError),
        ({"x": [1], "y": [1, 2]}, {"map_over": ["x", "y"]}, MapOverError),
        ({"x": [1]}, {"map_over": "x", "map_mode": "pairs"}, MapOverError),
        ({"x": [1]}, {"map_over": "x", "select": ["nothing"]}, ValueError),
        ({"x": [1]}, {"map_over": "x", "selecct": ["total"]}, InputError),
        ({"doubled": [1]}, {"map_over": "doubled", "select": ["*"]}, GraphConfigError),
    ],
)
def test_errors_of_a_request(inputs: dict[str, Any], options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        DaftRunner().map(small_graph(), inputs, **options)


def test_graphs_it_cannot_run_are_refused_before_anything_runs() -> None:
    for graph in (counter_graph(), Graph([counter_graph().as_node()])):
        with pytest.raises(IncompatibleRunnerError) as caught:
            DaftRunner().map(graph, {"m": [0]}, map_over="m")
        assert caught.value.capability in ("supports_cycles", "supports_gates")
        with pytest.raises(IncompatibleRunnerError):
            counter_graph().as_node(runner=DaftRunner())
        with pytest.raises(IncompatibleRunnerError):
            DaftRunner().run(graph, {"m": 0})


@pytest.mark.parametrize("options", [{"max_concurrency": 0}, {"batch_size": 0}])
def test_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DaftRunner(**options)
