"""Durable maps: a row per item, and a resume that runs what is missing or failed, whichever runner began."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, Graph, SyncRunner, node
from holdwater.checkpointers import Checkpointer, MemoryCheckpointer
from holdwater.errors import (
    ConfigError,
    EncodingError,
    GraphFailed,
    InvalidTransition,
    MapOverError,
    RunInProgress,
    StructureChanged,
)
from holdwater.model.map_items import MapProgress
from holdwater.model.statuses import RunStatus
from holdwater.operations.databases import open_for_control
from holdwater.runners.graphs.results import MapResult

Map = Callable[..., MapResult]


class Doubling:
    """A graph that doubles `x`, notes it, and fails for what is in `bad`."""

    def __init__(self, name: str = "doubling") -> None:
        self.seen: list[Any] = []
        self.bad: set[Any] = set()
        self.graph = Graph([node(self._double, output_name="y", name="double")], name=name)

    def _double(self, x: int, factor: int = 2) -> int:
        self.seen.append(x)
        if x in self.bad:
            raise ValueError(f"{x} is bad")
        return x * factor

    def take_seen(self) -> list[Any]:
        seen, self.seen = self.seen, []
        return sorted(seen)


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def checkpointer(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]
) -> Iterator[Checkpointer]:
    url = {
        "sqlite": lambda: f"sqlite:///{tmp_path}/maps.db",
        "memory": lambda: "memory://",
        "postgres": migrated_schema,
    }
    with Checkpointer(url[request.param]()) as opened:
        yield opened


def sync_map(checkpointer: Checkpointer) -> Map:
    return SyncRunner(checkpointer=checkpointer).map


def async_map(checkpointer: Checkpointer) -> Map:
    runner = AsyncRunner(checkpointer=checkpointer)
    return lambda *given, **options: asyncio.run(runner.map(*given, **options))


RUNNERS = {"sync": sync_map, "async": async_map}


@pytest.mark.parametrize(("first", "second"), [("sync", "async"), ("async", "sync"), ("sync", "sync")])
def test_another_runner_runs_what_failed_and_what_was_not_reached(
    checkpointer: Checkpointer, first: str, second: str
) -> None:
    double = Doubling()
    double.bad = {3, 5}
    results = RUNNERS[first](checkpointer)(
        double.graph, {"x": range(8)}, map_over="x", workflow_id="m", error_handling="continue"
    )
    assert double.take_seen() == list(range(8))
    assert (results.status, results.progress) == (RunStatus.PARTIAL, MapProgress(8, 6, 2))
    assert results["y"] == [0, 2, 4, None, 8, None, 12, 14]
    assert [(one.item_index, str(one.error)) for one in results.failures] == [(3, "3 is bad"), (5, "5 is bad")]
    record = checkpointer.get_workflow("m")
    assert record is not None
    assert (record.status, record.graph_name) == ("failed", "doubling.map")
    assert record.error == "task 'items' failed: 2 of 8 items failed, the first: item 3: ValueError: 3 is bad"
    double.bad = {5}
    with pytest.raises(ValueError, match="5 is bad"):
        RUNNERS[second](checkpointer)(double.graph, {"x": range(9)}, map_over="x", workflow_id="m")
    assert double.take_seen() in ([3, 5], [3, 5, 8])
    double.bad = set()
    results = RUNNERS[first](checkpointer)(double.graph, {"x": range(9)}, map_over="x", workflow_id="m")
    assert set(double.take_seen()) <= {5, 8}
    assert results["y"] == [2 * x for x in range(9)]
    assert results.status is RunStatus.COMPLETED
    assert RUNNERS[second](checkpointer)(double.graph, {"x": range(9)}, map_over="x", workflow_id="m") == results
    assert double.take_seen() == []


@pytest.mark.parametrize("runner", RUNNERS)
def test_changed_items_run_again_or_are_refused(runner: str) -> None:
    double = Doubling()
    with MemoryCheckpointer() as checkpointer:
        run = RUNNERS[runner](checkpointer)
        run(double.graph, {"x": [1, 2, 3, 4]}, map_over="x", workflow_id="m")
        double.take_seen()
        with pytest.raises(InvalidTransition, match="item 1 of map 'm' was begun with other inputs"):
            run(double.graph, {"x": [1, 7, 8, 4]}, map_over="x", workflow_id="m", resume="strict")
        assert double.take_seen() == []
        results = run(double.graph, {"x": [1, 7, 8, 4]}, map_over="x", workflow_id="m")
        assert (double.take_seen(), results["y"]) == ([7, 8], [2, 14, 16, 8])
        with pytest.raises(InvalidTransition, match="begun with more items: item 3 is recorded, and now there are 3"):
            run(double.graph, {"x": [1, 7, 8]}, map_over="x", workflow_id="m", resume="strict")
        results = run(double.graph, {"x": [1, 7]}, map_over="x", workflow_id="m")
        assert (double.take_seen(), len(results), results["y"]) == ([], 2, [2, 14])
        results = run(double.graph, {"x": [1, 7]}, map_over="x", factor=3, workflow_id="m")
        assert (double.take_seen(), results["y"]) == ([1, 7], [3, 21])
        with pytest.raises(InvalidTransition, match="item 0"):
            run(double.graph, {"x": [1, 7]}, map_over="x", factor=4, workflow_id="m", resume="strict")
        # the same values by another way are the same items
        run(double.graph, {"x": (1, 7), "factor": [3]}, map_over=["x", "factor"], map_mode="product", workflow_id="m")
        assert double.take_seen() == []


@pytest.mark.parametrize("runner", RUNNERS)
def test_iterators_are_drawn_lazily(runner: str) -> None:
    drawn: list[int] = []
    double = Doubling()
    double.bad = {3}

    def numbers() -> Iterator[int]:
        for k in range(1000):
            drawn.append(k)
            yield k

    with MemoryCheckpointer() as checkpointer:
        run = RUNNERS[runner](checkpointer)
        options = {"map_over": "x", "workflow_id": "m"} | ({"max_concurrency": 1} if runner == "async" else {})
        with pytest.raises(ValueError, match="3 is bad"):
            run(double.graph, {"x": numbers()}, **options)
        assert drawn == [0, 1, 2, 3]
        assert checkpointer.durable_maps.engine.store.count_map_items("m").completed == 3
        double.bad = set()
        results = run(double.graph, {"x": iter(range(7))}, **options)
        assert (results["y"], results.progress) == ([2 * x for x in range(7)], MapProgress(7, 7, 0))
        assert results.restored_count == 3  # type: ignore[attr-defined]


def test_iterators_of_two_lengths_and_sets() -> None:
    double = Doubling()
    with MemoryCheckpointer() as checkpointer:
        run = sync_map(checkpointer)
        given = {"x": iter([1, 2]), "factor": iter([1, 2, 3])}
        with pytest.raises(MapOverError, match="input 'x' ends after 2 items"):
            run(double.graph, given, map_over=["x", "factor"], workflow_id="m")
        assert checkpointer.get_workflow("m").status == "failed"  # type: ignore[union-attr]
        with pytest.raises(MapOverError, match="is a set, which has no order"):
            run(double.graph, {"x": {1, 2}}, map_over="x", workflow_id="n")
        with pytest.raises(MapOverError, match="x: 2, factor: 3"):
            run(double.graph, {"x": [1, 2], "factor": [1, 2, 3]}, map_over=["x", "factor"], workflow_id="n")
        assert checkpointer.get_workflow("n") is None


def test_results_are_a_list_that_is_loaded_when_it_is_looked_at(checkpointer: Checkpointer) -> None:
    double = Doubling()
    count = 2500
    results = sync_map(checkpointer)(double.graph, {"x": iter(range(count))}, map_over="x", workflow_id="m")
    assert isinstance(results, list)
    assert isinstance(results, MapResult)
    assert (len(results), results[-1]["y"], results[1700]["y"], results[3]["y"]) == (count, 4998, 3400, 6)
    assert [one["y"] for one in results[10:13]] == [20, 22, 24]
    assert [one["y"] for one in reversed(results)] == [2 * k for k in range(count - 1, -1, -1)]
    assert results["y"] == [2 * k for k in range(count)]
    with pytest.raises(KeyError, match="no item has an output 'z'; there are: y"):
        results["z"]
    with pytest.raises(IndexError):
        results[count]
    assert {"y": 8} in results
    assert results.index(results[7]) == 7
    assert results.count(results[7]) == 1
    assert len(results + double.seen) == len(double.seen + results) == 2 * count
    assert results.copy() == results == list(results) == pickle.loads(pickle.dumps(results))
    assert copy.copy(results) == results
    assert (results.map_over, results.map_mode, results.failures) == (("x",), "zip", [])
    assert repr(results) == "DurableMapResult('m', 2,500 of 2,500 items completed)"
    for change in (lambda: results.append(results[0]), lambda: results.sort(), lambda: results.pop()):
        with pytest.raises(TypeError, match=r"list\(results\)"):
            change()


def test_small_results_outlive_their_checkpointer() -> None:
    double = Doubling()
    with MemoryCheckpointer() as checkpointer:
        results = sync_map(checkpointer)(double.graph, {"x": range(1000)}, map_over="x", workflow_id="m")
    assert sum(results["y"]) == 999_000


def test_an_output_that_cannot_be_stored_fails_its_item() -> None:
    def make(x: int) -> Any:
        return threading.Lock() if x == 1 else x

    graph = Graph([node(make, output_name="y")], name="locks")
    with MemoryCheckpointer() as checkpointer:
        run = sync_map(checkpointer)
        results = run(graph, {"x": [0, 1, 2]}, map_over="x", workflow_id="m", error_handling="continue")
        assert results["y"] == [0, None, 2]
        assert isinstance(results[1].error, EncodingError)
        with pytest.raises(EncodingError, match="output 'y'"):
            run(graph, {"x": [0, 1, 2]}, map_over="x", workflow_id="m")
        with pytest.raises(EncodingError, match="input 'x' of item 1"):
            run(graph, {"x": [0, threading.Lock()]}, map_over="x", workflow_id="n")
        with pytest.raises(EncodingError, match="input 'k' is compared when the map is called again"):
            given = {"x": [1], "k": threading.Lock()}
            run(
                Graph([node(lambda x, k: x, output_name="y", name="f")], name="k"), given, map_over="x", workflow_id="o"
            )
        bound = Graph([node(lambda x, k: x, output_name="y", name="f")], name="k").bind(k=threading.Lock())
        assert run(bound, {"x": [1]}, map_over="x", workflow_id="p")["y"] == [1]


def test_a_map_is_no_run_and_no_map_of_another_graph() -> None:
    double, other = Doubling(), Doubling("other")
    with MemoryCheckpointer() as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer)
        runner.map(double.graph, {"x": [1]}, map_over="x", workflow_id="m")
        runner.run(double.graph, {"x": 1}, workflow_id="r")
        with pytest.raises(StructureChanged, match="no map over graph 'other'"):
            runner.map(other.graph, {"x": [1]}, map_over="x", workflow_id="m")
        with pytest.raises(StructureChanged, match="workflow 'r' is a run of 'doubling'"):
            runner.map(double.graph, {"x": [1]}, map_over="x", workflow_id="r")
        with pytest.raises(StructureChanged):
            runner.run(double.graph, {"x": 1}, workflow_id="m")
        grown = Graph([*double.graph.nodes.values(), node(lambda y: y, output_name="z", name="more")], name="doubling")
        with pytest.raises((StructureChanged, InvalidTransition)):
            runner.map(grown, {"x": [1]}, map_over="x", workflow_id="m")
        with pytest.raises(StructureChanged, match="structure"):
            runner.map(grown, {"x": [1]}, map_over="x", workflow_id="m", select="y")


def test_selected_outputs() -> None:
    graph = Graph(
        [
            node(lambda x: x + 1, output_name="a", name="f"),
            node(lambda a: a + 1, output_name="b", name="g"),
        ],
        name="two",
    )
    with MemoryCheckpointer() as checkpointer:
        run = sync_map(checkpointer)
        assert run(graph, {"x": [1]}, map_over="x", workflow_id="m", select="*") == [{"a": 2, "b": 3}]
        assert run(graph, {"x": [1, 2]}, map_over="x", workflow_id="m") == [{"b": 3}, {"b": 4}]
        assert run(graph, {"x": [1, 2]}, map_over="x", workflow_id="m", select="*")[1] == {"a": 3, "b": 4}
        run(graph, {"x": [1]}, map_over="x", workflow_id="n")
        with pytest.raises(InvalidTransition, match="records the outputs 'b', and not 'a'"):
            run(graph, {"x": [1]}, map_over="x", workflow_id="n", select="*")


def test_options_that_cannot_be() -> None:
    double = Doubling()
    with pytest.raises(ConfigError, match="no checkpointer"):
        SyncRunner().map(double.graph, {"x": [1]}, map_over="x", workflow_id="m")
    with MemoryCheckpointer() as checkpointer:
        run = sync_map(checkpointer)
        with pytest.raises(ConfigError, match="entrypoint="):
            run(double.graph, {"x": [1]}, map_over="x", workflow_id="m", entrypoint="double")
        with pytest.raises(ConfigError, match='cannot contain "/"'):
            run(double.graph, {"x": [1]}, map_over="x", workflow_id="a/b")
        with pytest.raises(ConfigError, match="pause one by one"):
            async_map(checkpointer)(double.graph, {"x": [1]}, map_over="x", workflow_id="m", on_pause="item")


@pytest.mark.parametrize("runner", RUNNERS)
def test_no_items(runner: str) -> None:
    double = Doubling()
    with MemoryCheckpointer() as checkpointer:
        results = RUNNERS[runner](checkpointer)(double.graph, {"x": []}, map_over="x", workflow_id="m")
        assert (results, results.status, len(results)) == ([], RunStatus.COMPLETED, 0)
        results = RUNNERS[runner](checkpointer)(double.graph, {"x": iter(())}, map_over="x", workflow_id="m")
        assert (results.progress, bool(results)) == (MapProgress(0, 0, 0), False)


def test_a_map_runs_once_at_a_time() -> None:
    with MemoryCheckpointer() as checkpointer:
        run = sync_map(checkpointer)
        double = Doubling()

        def again(x: int) -> int:
            with pytest.raises(RunInProgress, match="is being run in this process now"):
                run(graph, {"x": [1]}, map_over="x", workflow_id="m")
            return x

        graph = Graph([node(again, output_name="y")], name="again")
        assert run(graph, {"x": [1]}, map_over="x", workflow_id="m")["y"] == [1]
        assert run(double.graph, {"x": [1]}, map_over="x", workflow_id="other")["y"] == [2]


def test_interrupted_callers(checkpointer: Checkpointer) -> None:
    seen: list[int] = []

    def stop_at_three(x: int) -> int:
        seen.append(x)
        if x == 3 and seen.count(3) == 1:
            raise KeyboardInterrupt
        return x

    graph = Graph([node(stop_at_three, output_name="y")], name="stops")
    with pytest.raises(KeyboardInterrupt):
        sync_map(checkpointer)(graph, {"x": range(6)}, map_over="x", workflow_id="m")
    record = checkpointer.get_workflow("m")
    assert record is not None
    assert record.status == "paused"
    assert async_map(checkpointer)(graph, {"x": range(6)}, map_over="x", workflow_id="m")["y"] == list(range(6))
    assert sorted(seen) == [0, 1, 2, 3, 3, 4, 5]


def test_cancelled_callers() -> None:
    seen: list[int] = []

    async def main(checkpointer: Checkpointer) -> Any:
        reached = asyncio.Event()

        async def stop_at_three(x: int) -> int:
            seen.append(x)
            if x == 3 and seen.count(3) == 1:
                reached.set()
                await asyncio.Event().wait()
            return x

        graph = Graph([node(stop_at_three, output_name="y")], name="stops")
        runner = AsyncRunner(checkpointer=checkpointer, max_concurrency=2)
        first = asyncio.ensure_future(runner.map(graph, {"x": range(4)}, map_over="x", workflow_id="m"))
        await reached.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert checkpointer.get_workflow("m").status == "paused"  # type: ignore[union-attr]
        return (await runner.map(graph, {"x": range(4)}, map_over="x", workflow_id="m"))["y"]

    with MemoryCheckpointer() as checkpointer:
        assert asyncio.run(main(checkpointer)) == [0, 1, 2, 3]
    assert sorted(seen) == [0, 1, 2, 3, 3]


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_map_that_is_steered_stops_between_items(runner: str, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.runners.graphs.durable.item_recorder.LOOK_SECONDS", 0.0)
    seen: list[int] = []
    with MemoryCheckpointer() as checkpointer:
        control = checkpointer.engine.control

        def steer(x: int) -> int:
            seen.append(x)
            if len(seen) == 1:
                getattr(control, verb)("m")
            return x

        def numbers() -> Iterator[int]:
            yield from range(3)
            while not [one for one in checkpointer.durable_maps._calls.values() if one.items.stop_reason]:
                yield 0  # bounded by the test's time-out
            yield from range(100)

        graph = Graph([node(steer, output_name="y")], name="steered")
        run = RUNNERS[runner](checkpointer)
        if verb == "cancel":
            with pytest.raises(GraphFailed, match="map 'm' was cancelled"):
                run(graph, {"x": numbers()}, map_over="x", workflow_id="m")
        else:
            results = run(graph, {"x": numbers()}, map_over="x", workflow_id="m")
            assert results.status is RunStatus.PAUSED
        count = len(seen)
        assert run(graph, {"x": [0, 1, 2, 0, 1]}, map_over="x", workflow_id="m")["y"] == [0, 1, 2, 0, 1]
        assert len(seen) <= count + 5


def test_events_of_a_map() -> None:
    from holdwater.events import EventProcessor

    class Listener(EventProcessor):
        def __init__(self) -> None:
            self.events: list[Any] = []

        def on_event(self, event: Any) -> None:
            self.events.append(event)

    double, listener = Doubling(), Listener()
    double.bad = {1}
    with MemoryCheckpointer() as checkpointer:
        runner = SyncRunner(checkpointer=checkpointer, event_processors=[listener])
        options: dict[str, Any] = {"map_over": "x", "workflow_id": "m", "error_handling": "continue"}
        runner.map(double.graph, {"x": [0, 1, 2]}, **options)
        starts = [event for event in listener.events if type(event).__name__ == "RunStartEvent"]
        assert [(one.is_map, one.map_size, one.item_index) for one in starts] == [
            (True, 3, None), (False, None, 0), (False, None, 1), (False, None, 2)
        ]  # fmt: skip
        listener.events.clear()
        runner.map(double.graph, {"x": [0, 1, 2]}, **options)
        items = {event.item_index for event in listener.events}
        assert items == {None, 1}


def test_a_map_that_was_retried_by_a_command_goes_on_when_it_is_called(tmp_path: Path) -> None:
    url, double = f"sqlite:///{tmp_path}/maps.db", Doubling()
    double.bad = {1}
    options: dict[str, Any] = {"map_over": "x", "workflow_id": "m", "error_handling": "continue"}
    with Checkpointer(url) as checkpointer:
        sync_map(checkpointer)(double.graph, {"x": [0, 1, 2]}, **options)
        assert checkpointer.get_progress("m") == MapProgress(3, 2, 1)
        assert checkpointer.get_progress("unknown") is None
    with open_for_control(url) as engine:
        engine.control.retry("m")
    double.bad.clear()
    double.seen.clear()
    with Checkpointer(url) as checkpointer:
        assert sync_map(checkpointer)(double.graph, {"x": [0, 1, 2]}, **options)["y"] == [0, 2, 4]
        assert double.seen == [1]
        double.bad = {7}
        sync_map(checkpointer)(double.graph, {"x": [0, 1, 7]}, **options)
        checkpointer.engine.control.retry("m")  # here, where there is no call
        checkpointer.engine.wait_for_run("m")
        record = checkpointer.get_workflow("m")
        assert record is not None
        assert "call it again with this workflow_id" in (record.error or "")
        double.bad.clear()
        assert sync_map(checkpointer)(double.graph, {"x": [0, 1, 7]}, **options)["y"] == [0, 2, 14]
