from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from holdwater.errors import IncompatibleRunnerError
from holdwater.graphs import END, FunctionNode, Graph, ifelse, node, route
from holdwater.runners.graphs import (
    AsyncRunner,
    BaseRunner,
    ExecutionStrategy,
    RunnerCapabilities,
    SyncRunner,
    get_execution_strategy,
)
from tests.runners.graphs.samples import RecordingProcessor, run_with_timeout, small_graph


def run_in_all_modes(graph: Graph, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        dict(SyncRunner().run(graph, inputs, select=["*"])),
        dict(SyncRunner(event_processors=[RecordingProcessor()]).run(graph, inputs, select=["*"])),
        dict(run_with_timeout(AsyncRunner().run(graph, inputs, select=["*"]))),
    ]


def single_result(results: list[dict[str, Any]]) -> dict[str, Any]:
    assert all(result == results[0] for result in results)
    return results[0]


def test_strategies() -> None:
    sync, awaiting = SyncRunner(), AsyncRunner()
    assert get_execution_strategy(awaiting, awaiting) is ExecutionStrategy.AWAIT
    assert get_execution_strategy(awaiting, sync) is ExecutionStrategy.THREAD_POOL
    assert get_execution_strategy(sync, awaiting) is ExecutionStrategy.ASYNCIO_RUN
    assert get_execution_strategy(sync, sync) is ExecutionStrategy.DIRECT


def thread_id_graph() -> Graph:
    @node(output_name="thread")
    def where(x: int) -> int:
        return threading.get_ident()

    return Graph([where], name="inner")


def test_sync_below_async_runs_in_one_thread_beside_the_loop() -> None:
    outer = Graph([thread_id_graph().as_node(runner=SyncRunner())])
    assert run_with_timeout(AsyncRunner().run(outer, {"x": 1}))["thread"] != threading.get_ident()


def test_many_sync_graphs_below_async_do_not_starve_the_workers_they_wait_for() -> None:
    inner = thread_id_graph()
    children = [
        inner.as_node(name=f"child{k}", runner=SyncRunner()).rename_outputs(thread=f"thread{k}") for k in range(40)
    ]
    leaves = [FunctionNode(lambda x: x, name=f"leaf{k}", output_name=f"leaf_out{k}") for k in range(5)]
    result = run_with_timeout(AsyncRunner().run(Graph([*children, *leaves]), {"x": 1}, max_concurrency=1))
    assert len(result) == 45


async def _later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


@pytest.mark.parametrize("listening", [False, True])
def test_async_below_sync_has_a_loop_of_its_own(listening: bool) -> None:
    inner = Graph([FunctionNode(_later, name="later", output_name="y")], name="inner")
    outer = Graph([inner.as_node(runner=AsyncRunner()), FunctionNode(lambda y: y * 2, name="twice", output_name="z")])
    runner = SyncRunner(event_processors=[RecordingProcessor()] if listening else None)
    assert runner.run(outer, {"x": 1}) == {"z": 4}

    async def main() -> Any:  # also when this thread runs a loop already
        return runner.run(outer, {"x": 2})

    assert run_with_timeout(main()) == {"z": 6}


def test_sync_runner_refuses_inherited_async_nodes_and_takes_those_with_a_runner() -> None:
    inner = Graph([FunctionNode(_later, name="later", output_name="y")], name="inner")
    with pytest.raises(IncompatibleRunnerError):
        SyncRunner().run(Graph([inner.as_node()]), {"x": 1})
    with pytest.raises(IncompatibleRunnerError):
        inner.as_node(runner=SyncRunner())


def test_renamed_and_mapped() -> None:
    inner = small_graph()
    once = inner.as_node().rename_inputs(x="a", y="b").rename_outputs(total="sum_", doubled="twice")
    many = inner.as_node(name="many").map_over("x").rename_inputs(x="items").rename_outputs(total="sums", doubled="ds")
    outer = Graph([once, many])
    result = single_result(run_in_all_modes(outer, {"a": 1, "b": 10, "items": [1, 2, 3], "y": 5}))
    assert result == {"twice": 2, "sum_": 12, "ds": [2, 4, 6], "sums": [7, 9, 11]}
    assert single_result(run_in_all_modes(Graph([many]), {"items": []})) == {"ds": [], "sums": []}


def test_mapped_with_failures() -> None:
    @node(output_name="half")
    def halve(x: int) -> int:
        if x % 2:
            raise ValueError(x)
        return x // 2

    inner = Graph([halve], name="inner")
    keeping = inner.as_node().map_over("x", error_handling="continue")
    assert single_result(run_in_all_modes(Graph([keeping]), {"x": [2, 3, 4]})) == {"half": [1, None, 2]}
    raising = Graph([inner.as_node().map_over("x")])
    with pytest.raises(ValueError, match="3"):
        SyncRunner().run(raising, {"x": [2, 3]})
    with pytest.raises(ValueError, match="3"):
        run_with_timeout(AsyncRunner().run(raising, {"x": [2, 3]}))


def test_what_a_nested_graph_did_not_make_is_not_there_outside() -> None:
    @ifelse("low", "high")
    def is_low(x: int) -> bool:
        return x < 10

    inner = Graph(
        [
            is_low,
            FunctionNode(lambda x: f"low {x}", name="low", output_name="a"),
            FunctionNode(lambda x: f"high {x}", name="high", output_name="b"),
        ],
        name="inner",
    )
    outer = Graph(
        [
            inner.as_node(),
            FunctionNode(lambda a: a + "!", name="after_a", output_name="aa"),
            FunctionNode(lambda b: b + "!", name="after_b", output_name="bb"),
            FunctionNode(lambda b="none": b, name="with_default", output_name="c"),
        ]
    )
    assert single_result(run_in_all_modes(outer, {"x": 1})) == {"a": "low 1", "aa": "low 1!", "c": "none"}
    assert single_result(run_in_all_modes(outer, {"x": 11})) == {"b": "high 11", "bb": "high 11!", "c": "high 11"}


def test_a_nested_graph_in_a_loop() -> None:
    inner = Graph([FunctionNode(lambda n: n + 1, name="up", output_name="m")], name="step")

    @node(output_name="n")
    def back(m: int) -> int:
        return m

    @route(["step", END])
    def more(n: int) -> Any:
        return "step" if n < 5 else END

    assert single_result(run_in_all_modes(Graph([inner.as_node(), back, more]), {"n": 0})) == {"m": 5, "n": 5}


def test_bound_and_default_values_inside() -> None:
    inner = small_graph().bind(y=100)
    assert single_result(run_in_all_modes(Graph([inner.as_node()]), {"x": 1})) == {"doubled": 2, "total": 102}


class MinimalRunner(BaseRunner):
    """Somebody else's runner: only what the interface asks for."""

    @property
    def capabilities(self) -> RunnerCapabilities:
        return RunnerCapabilities()

    def run(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {name: f"{name} of {sorted(inputs)}" for name in graph.outputs}

    def map(self, graph: Graph, inputs: dict[str, Any], *, map_over: Any, map_mode: Any = "zip", **kwargs: Any) -> Any:
        (name,) = map_over
        return [{"total": one} for one in reversed(inputs[name])]


def test_a_third_party_runner() -> None:
    once = Graph([small_graph().as_node(runner=MinimalRunner())])
    assert single_result(run_in_all_modes(once, {"x": 1})) == {"doubled": "doubled of ['x']", "total": "total of ['x']"}
    many = Graph([small_graph().as_node(runner=MinimalRunner()).map_over("x")])
    assert single_result(run_in_all_modes(many, {"x": [1, 2]})) == {"doubled": [None, None], "total": [2, 1]}


def test_all_of_a_nested_graph_runs() -> None:
    heard: list[int] = []

    @node
    def tell(doubled: int) -> None:
        heard.append(doubled)

    graph = Graph([Graph([*small_graph().nodes.values(), tell], name="inner").as_node()])
    assert single_result(run_in_all_modes(graph, {"x": 2})) == {"doubled": 4, "total": 5}
    assert heard == [4, 4, 4]


class IncompleteRunner(MinimalRunner):
    """Does not return all that is asked for."""

    def run(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"total": len(kwargs["select"])}


def test_a_runner_that_does_not_give_everything() -> None:
    assert single_result(run_in_all_modes(Graph([small_graph().as_node(runner=IncompleteRunner())]), {"x": 1})) == {
        "total": 2
    }


def test_deeply_nested() -> None:
    graph = small_graph()
    for k in range(20):
        graph = Graph([graph.as_node(name=f"level{k}")], name=f"graph{k}")
    assert single_result(run_in_all_modes(graph, {"x": 1}))["total"] == 3
