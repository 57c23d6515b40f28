"""Errors of graphs say where they were raised: node, item, names of inputs; the exception stays as it is."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, RetryPolicy, SyncRunner
from holdwater.events import EventProcessor
from holdwater.graphs import Graph, node
from holdwater.runners.graphs import RunResult
from holdwater.runners.graphs.local.error_location import ErrorLocation, find_location
from tests.model.hostile_exceptions import HOSTILE
from tests.runners.graphs.samples import RecordingProcessor, run_with_timeout


@node(output_name="half")
def halve(x: int, by: int = 2) -> float:
    return x / by


@node(output_name="half")
async def halve_async(x: int, by: int = 2) -> float:
    return x / by


@node(output_name="again")
def again(half: float) -> float:
    return half


def inner_graph(first: Any) -> Graph:
    return Graph([first, again], name="inner")


def run_sync(graph: Graph, **options: Any) -> RunResult:
    return SyncRunner().run(graph, {"x": 1, "by": 0}, error_handling="continue", **options)


def run_with_listener(graph: Graph) -> RunResult:
    return run_sync(graph, event_processors=[RecordingProcessor()])


def run_async(graph: Graph) -> RunResult:
    return run_with_timeout(AsyncRunner().run(graph, {"x": 1, "by": 0}, error_handling="continue"))


RUNS = [run_sync, run_with_listener, run_async]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("first", [halve, halve_async])
def test_a_node_is_named_with_its_inputs_and_its_path(run: Callable[[Graph], RunResult], first: Any) -> None:
    if first is halve_async and run is not run_async:
        pytest.skip("only in a loop")
    flat = inner_graph(first)
    nested = Graph([flat.as_node(name="outer")], name="g")
    twice = Graph([nested.as_node(name="top")], name="gg")
    for graph, path in ((flat, first.name), (nested, f"outer/{first.name}"), (twice, f"top/outer/{first.name}")):
        for _ in range(2):
            error = run(graph).error
            assert type(error) is ZeroDivisionError
            assert error.__notes__ == [f"in node '{path}', inputs: x, by"]


@pytest.mark.parametrize("n", [3, 30])
@pytest.mark.parametrize("listeners", [[], [RecordingProcessor()]])
def test_items_of_a_map_have_their_index(n: int, listeners: list[EventProcessor]) -> None:
    graph, given = inner_graph(halve), {"x": 1, "by": [1] * (n - 2) + [0, 0]}
    options: dict[str, Any] = {"map_over": "by", "event_processors": listeners}
    results = SyncRunner().map(graph, given, error_handling="continue", **options)
    later = run_with_timeout(AsyncRunner().map(graph, given, error_handling="continue", **options))
    for result in (results, later):
        assert [one.item_index for one in result.failures] == [n - 2, n - 1]
        for one in result.failures:
            assert find_location(one.error) == f"in node 'halve', item {one.item_index}, inputs: x, by"  # type: ignore[arg-type]
    for run in (SyncRunner().map, lambda *a, **k: run_with_timeout(AsyncRunner().map(*a, **k))):
        with pytest.raises(ZeroDivisionError) as raised:
            run(graph, given, **options)
        assert raised.value.__notes__ == [f"in node 'halve', item {n - 2}, inputs: x, by"]


@pytest.mark.parametrize("n", [3, 30])
def test_an_item_of_a_mapped_node_is_in_the_path(n: int) -> None:
    graph = Graph([inner_graph(halve).as_node(name="outer").map_over("x", "by")], name="g")
    given = {"x": [1] * n, "by": [1] * (n - 1) + [0]}
    for run in (SyncRunner().run, lambda *a: run_with_timeout(AsyncRunner().run(*a))):
        with pytest.raises(ZeroDivisionError) as raised:
            run(graph, given)
        assert raised.value.__notes__ == [f"in node 'outer[{n - 1}]/halve', inputs: x, by"]


def test_the_graph_of_a_checkpointed_run_too(tmp_path: Path) -> None:
    from holdwater.checkpointers import SqliteCheckpointer

    runner = SyncRunner(checkpointer=SqliteCheckpointer(tmp_path / "runs.db"))
    nested = Graph([inner_graph(halve).as_node(name="outer").map_over("by")], name="g")
    with pytest.raises(ZeroDivisionError) as raised:
        runner.run(nested, {"x": 1, "by": [1, 0]})
    assert raised.value.__notes__ == ["in node 'outer[1]/halve', inputs: x, by"]


def test_one_exception_that_is_raised_again_and_again_is_noted_once() -> None:
    only = ValueError("the only one")
    only.add_note("its own")

    @node(output_name="y")
    def first(x: int) -> int:
        raise only

    @node(output_name="y", retry=RetryPolicy(max_attempts=3, initial_delay=0))
    def second(z: int) -> int:
        raise only

    for graph, given, name in ((Graph([first]), {"x": 1}, "x"), (Graph([second]), {"z": 1}, "z")):
        for _ in range(3):
            SyncRunner().run(graph, given, error_handling="continue")
            assert len(only.__notes__) == 2
            assert only.__notes__[1].endswith(f"inputs: {name}")


def test_a_location_can_be_pickled() -> None:
    there = pickle.loads(pickle.dumps(ErrorLocation("a/b", ("x",), 3)))
    assert (there, there.path, there.inputs, there.item_index) == ("in node 'a/b', item 3, inputs: x", "a/b", ("x",), 3)


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_node_raises_comes_out(name: str) -> None:
    made = HOSTILE[name]()

    @node(output_name="y", retry=RetryPolicy(max_attempts=2, initial_delay=0, retryable_errors=("none",)))
    def bad(x: int) -> int:
        raise made

    graph = Graph([bad], name="g")
    nested = Graph([graph.as_node(name="outer")])
    for run in (
        lambda: SyncRunner().run(graph, {"x": 1}),
        lambda: SyncRunner(event_processors=[RecordingProcessor()]).run(nested, {"x": 1}),
        lambda: SyncRunner().map(graph, {"x": [1] * 20}, map_over="x"),
    ):
        with pytest.raises(type(made)) as raised:
            run()
        assert raised.value is made


class AbortSignal(BaseException):
    """No Exception."""


@pytest.mark.parametrize("kind", [AbortSignal, GeneratorExit])
@pytest.mark.parametrize("error_handling", ["raise", "continue"])
def test_no_item_of_a_map_gets_lost(kind: type[BaseException], error_handling: Any) -> None:
    @node(output_name="y")
    async def body(x: int) -> int:
        if x == 3:
            raise kind()
        return x

    async def mapped() -> Any:
        runner = AsyncRunner()
        return await runner.map(Graph([body]), {"x": list(range(6))}, map_over="x", error_handling=error_handling)

    async def caught() -> BaseException | None:
        try:
            await mapped()
        except BaseException as error:
            return error
        return None

    assert type(asyncio.run(caught())) is kind


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, AbortSignal])
def test_what_an_observer_raises_is_noted(kind: type[BaseException]) -> None:
    class Bad(EventProcessor):
        def on_event(self, event: Any) -> None:
            raise kind()

        def enter_node(self, span_id: str) -> None:
            raise kind()

    result = SyncRunner().run(inner_graph(halve), {"x": 4}, event_processors=[Bad()])
    assert result["again"] == 2
    assert f"Bad failed in enter_node: {kind.__name__}" in result.notes
    later = run_with_timeout(AsyncRunner().run(inner_graph(halve_async), {"x": 4}, event_processors=[Bad()]))
    assert later["again"] == 2
    assert set(later.notes) == set(result.notes)


def test_ctrl_c_in_an_observer_is_no_failure_of_it() -> None:
    class Bad(EventProcessor):
        def on_event(self, event: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SyncRunner().run(inner_graph(halve), {"x": 4}, event_processors=[Bad()])


def test_an_input_that_cannot_be_made_is_the_nodes_failure_whoever_listens() -> None:
    import threading

    @node(output_name="y")
    def locked(x: int, lock: Any = threading.Lock()) -> int:  # noqa: B008
        return x

    @node(output_name="z", retry=RetryPolicy(max_attempts=3, initial_delay=0))
    def before(w: int) -> int:
        return w

    graph = Graph([before, locked], name="g")
    kinds = set()
    for options in ({}, {"event_processors": [RecordingProcessor()]}):
        result = SyncRunner().run(graph, {"x": 1, "w": 2}, error_handling="continue", **options)  # type: ignore[arg-type]
        kinds.add(type(result.error))
        assert find_location(result.error).path == "locked"  # type: ignore[arg-type,union-attr]
    assert len(kinds) == 1
