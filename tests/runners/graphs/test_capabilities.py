from __future__ import annotations

from typing import Any

import pytest

from holdwater.errors import GraphConfigError, IncompatibleRunnerError
from holdwater.graphs import FunctionNode, Graph, validate_map_compatible, validate_runner_compatibility
from holdwater.runners.graphs import AsyncRunner, BaseRunner, RunnerCapabilities, SyncRunner
from tests.runners.graphs.samples import counter_graph, review_graph, small_graph


async def later(x: int) -> int:
    return x


def awaited() -> Graph:
    return Graph([FunctionNode(later, output_name="y")], name="awaited")


@pytest.mark.parametrize(
    ("runner", "interrupts", "awaits", "streams", "coroutine"),
    [(SyncRunner(), False, False, False, False), (AsyncRunner(), True, True, True, True)],
)
def test_table(runner: BaseRunner, interrupts: bool, awaits: bool, streams: bool, coroutine: bool) -> None:
    assert runner.capabilities == RunnerCapabilities(
        supports_cycles=True,
        supports_gates=True,
        supports_interrupts=interrupts,
        supports_async_nodes=awaits,
        supports_streaming=streams,
        supports_distributed=False,
        returns_coroutine=coroutine,
    )


def test_defaults() -> None:
    some = RunnerCapabilities()
    assert some.supports_cycles
    assert some.supports_gates
    assert not some.supports_interrupts
    assert not some.supports_async_nodes
    assert not some.returns_coroutine


@pytest.mark.parametrize(
    ("graph", "lacking", "says"),
    [
        (counter_graph(), {"supports_cycles": False}, "cycles"),
        (counter_graph(), {"supports_gates": False}, "gates"),
        (review_graph(), {}, "interrupts"),
        (awaited(), {}, "async nodes"),
        (Graph([awaited().as_node()]), {}, "async nodes"),
    ],
)
def test_validate_graph(graph: Graph, lacking: dict[str, Any], says: str) -> None:
    with pytest.raises(IncompatibleRunnerError, match=says):
        RunnerCapabilities(**lacking).validate_graph(graph)
    RunnerCapabilities(supports_interrupts=True, supports_async_nodes=True).validate_graph(graph)


def test_runners_check_before_anything_runs() -> None:
    with pytest.raises(IncompatibleRunnerError) as caught:
        SyncRunner().run(awaited(), {"x": 1})
    assert "SyncRunner" in str(caught.value)
    assert caught.value.node_name == "later"
    with pytest.raises(IncompatibleRunnerError):
        SyncRunner().map(awaited(), {"x": [1]}, map_over="x")
    validate_runner_compatibility(awaited(), AsyncRunner())
    validate_runner_compatibility(Graph([awaited().as_node(runner=AsyncRunner())]), SyncRunner())


@pytest.mark.parametrize(
    ("given", "what"), [(FunctionNode(later, output_name="y"), "a FunctionNode"), ("small", "'small'")]
)
def test_only_graphs_are_run(given: Any, what: str) -> None:
    with pytest.raises(GraphConfigError, match=f"SyncRunner runs graphs, not {what}") as caught:
        SyncRunner().run(given, {"x": 1})
    assert "Graph([" in str(caught.value)


def test_base_runner_is_abstract() -> None:
    with pytest.raises(TypeError):
        BaseRunner()  # type: ignore[abstract]


def test_validate_map_compatible() -> None:
    validate_map_compatible(small_graph(), "runner.map()")
    with pytest.raises(GraphConfigError, match=r"runner.map\(\), but"):
        validate_map_compatible(review_graph(), "runner.map()")
