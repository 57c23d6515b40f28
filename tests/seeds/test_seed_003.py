"""Seed 003: every signature, type and function, from the seed's own text, and what the page says they do.

The page shows no graphs, so those are ours.  Put in the place of what it leaves out: `{...}` and `user_response`.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import subprocess
import sys
import textwrap
import time
from abc import ABC
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from holdwater import (
    END,
    AsyncRunner,
    DaftRunner,
    Graph,
    PauseInfo,
    RunResult,
    RunStatus,
    SyncRunner,
    events,
    node,
    route,
)
from holdwater.caching import MemoryCache
from holdwater.checkpointers import Checkpointer, MemoryCheckpointer, SqliteCheckpointer
from holdwater.errors import (
    ConflictError,
    GraphConfigError,
    IncompatibleRunnerError,
    InfiniteLoopError,
    MissingInputError,
)
from holdwater.events import EventProcessor, InterruptEvent
from holdwater.graphs import InterruptNode, validate_map_compatible, validate_runner_compatibility
from holdwater.runners.graphs import (
    BaseRunner,
    ExecutionStrategy,
    PauseReason,
    RunHandle,
    RunnerCapabilities,
    get_execution_strategy,
)
from tests.seeds.agreement import assert_callable_as, execute_block, fields_of, rows_of_table
from tests.seeds.documents import DOCS, blocks
from tests.suite.daft_library import native_daft
from tests.suite.ray_cluster import ray_cluster

__all__ = ["ray_cluster"]

T = TypeVar("T")
CONTEXT = "runner.map() was called"


def definitions_of_block(number: int, **scope: Any) -> Any:
    return execute_block(blocks("003")[number - 1], f"003-{number:02}", BaseRunner=ABC, dataclass=dataclass, **scope)


def page() -> str:
    blocks("003")
    return next(DOCS.glob("003_*.txt")).read_text(encoding="utf-8")


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(20):
            return await coroutine

    return asyncio.run(limited())


class RecordingProcessor(EventProcessor):
    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_event(self, event: Any) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__.removesuffix("Event") for event in self.events]

    def only(self, kind: str) -> Any:
        (event,) = [event for event in self.events if type(event).__name__ == kind]
        return event


# -- graphs


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def add(y: int, more: int = 1) -> int:
    return y + more


def chain() -> Graph:
    """x -> y -> total, with `more`."""
    return Graph([double, add], name="chain")


@node(output_name="left")
def down(right: int) -> int:
    return right - 1


@node(output_name="right")
def over(left: int) -> int:
    return left


@route(["down", END])
def until_zero(right: int) -> str:
    return END if right <= 0 else "down"


def countdown() -> Graph:
    """A loop of two nodes, which can begin at either."""
    return Graph([down, over, until_zero], name="countdown")


@node(output_name="late")
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x


def awaited() -> Graph:
    return Graph([later], name="awaited")


@node(output_name="words")
def words(text: str) -> Any:
    yield from text.split()


@node(output_name="draft")
def write(topic: str) -> str:
    return f"about {topic}"


@node(output_name="final")
def publish(draft: str, verdict: str) -> str:
    return f"{draft}: {verdict}"


def reviewed() -> Graph:
    """topic -> draft -> the verdict of a person -> final."""
    return Graph([write, InterruptNode("ask", "draft", "verdict"), publish], name="reviewed")


def nested(inner: Graph, **options: Any) -> Graph:
    return Graph([inner.as_node(**options)], name="outer")


GRAPHS = {
    "chain": chain(),
    "countdown": countdown(),
    "awaited": awaited(),
    "reviewed": reviewed(),
    "with a loop inside": nested(countdown()),
    "with a question inside": nested(reviewed()),
    "with awaiting inside": nested(awaited()),
    "with a question two levels down": nested(nested(reviewed()), name="middle"),
}


class ConcurrencyGauge:
    """How many of its coroutines are inside at once."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    async def enter(self, value: T) -> T:
        self.now += 1
        self.peak = max(self.peak, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= 1
        return value

    def graph(self, size: int, prefix: str = "n") -> Graph:
        def member(name: str) -> Any:
            @node(output_name=name, name=f"make_{name}")
            async def body(x: int) -> int:
                return await self.enter(x)

            return body

        return Graph([member(f"{prefix}{k}") for k in range(size)], name=f"crowd_{prefix}")


# -- 003-01 BaseRunner


def test_003_01_base_runner() -> None:
    theirs = definitions_of_block(1).BaseRunner
    assert BaseRunner.__abstractmethods__ == theirs.__abstractmethods__ == {"capabilities", "run", "map"}
    assert isinstance(inspect.getattr_static(BaseRunner, "capabilities"), property)
    for method in ("run", "map"):
        assert_callable_as(getattr(theirs, method), getattr(BaseRunner, method))
    with pytest.raises(TypeError, match="abstract"):
        BaseRunner()  # type: ignore[abstract]
    assert issubclass(SyncRunner, BaseRunner)
    assert issubclass(AsyncRunner, BaseRunner)


def test_003_01_a_runner_of_three_members_runs_nested_graphs() -> None:
    asked: list[str] = []

    class Counting(BaseRunner):
        @property
        def capabilities(self) -> RunnerCapabilities:
            return RunnerCapabilities()

        def run(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> Any:
            asked.append("run")
            return SyncRunner().run(graph, inputs, **kwargs)

        def map(
            self, graph: Graph, inputs: dict[str, Any], *, map_over: Any, map_mode: Any = "zip", **kwargs: Any
        ) -> Any:
            asked.append("map")
            return SyncRunner().map(graph, inputs, map_over=map_over, map_mode=map_mode, **kwargs)

    runner = Counting()
    assert SyncRunner().run(nested(chain(), runner=runner), {"x": 3}) == {"y": 6, "total": 7}
    mapped = Graph([chain().as_node(runner=runner).map_over("x")])
    assert SyncRunner().run(mapped, {"x": [1, 2]}) == {"y": [2, 4], "total": [3, 5]}
    assert asked == ["run", "map"]


# -- 003-02 RunnerCapabilities


def test_003_02_capabilities() -> None:
    assert fields_of(RunnerCapabilities) == fields_of(definitions_of_block(2).RunnerCapabilities)
    assert_callable_as(definitions_of_block(2).RunnerCapabilities.validate_graph, RunnerCapabilities.validate_graph)


def table_of_capabilities() -> dict[str, dict[str, bool]]:
    heading, *rows = rows_of_table(page(), "Capability")
    return {
        runner: {row[0].strip("`"): row[column] == "✅" for row in rows}
        for column, runner in enumerate(heading)
        if column
    }


def test_003_02_the_table() -> None:
    table = table_of_capabilities()
    assert set(table) == {"SyncRunner", "AsyncRunner", "DaftRunner"}
    assert SyncRunner().capabilities == RunnerCapabilities(**table["SyncRunner"])
    assert AsyncRunner().capabilities == RunnerCapabilities(**table["AsyncRunner"])
    assert daft_runner()().capabilities == RunnerCapabilities(**table["DaftRunner"])


@pytest.mark.parametrize(
    ("graph", "needs"),
    [
        ("countdown", "supports_cycles"),
        ("countdown", "supports_gates"),
        ("awaited", "supports_async_nodes"),
        ("reviewed", "supports_interrupts"),
    ],
)
def test_003_02_validate_graph(graph: str, needs: str) -> None:
    everything = {"supports_interrupts": True, "supports_async_nodes": True}
    for name in (graph, "chain"):
        RunnerCapabilities(**everything).validate_graph(GRAPHS[name])
    lacking = RunnerCapabilities(**{**everything, needs: False})
    lacking.validate_graph(GRAPHS["chain"])
    for one in (GRAPHS[graph], nested(GRAPHS[graph])):
        with pytest.raises(IncompatibleRunnerError):
            lacking.validate_graph(one)


# -- 003-03 to 05: SyncRunner


def test_003_03_sync_constructor() -> None:
    assert_callable_as(definitions_of_block(3).SyncRunner.__init__, SyncRunner.__init__)

    @node(output_name="y", cache=True)
    def slow(x: int) -> int:
        return x

    heard = RecordingProcessor()
    runner = SyncRunner(cache=MemoryCache(), event_processors=[heard])
    assert runner.run(Graph([slow]), {"x": 1}) == runner.run(Graph([slow]), {"x": 1}) == {"y": 1}
    assert heard.names == [
        "RunStart",
        "NodeStart",
        "NodeEnd",
        "RunEnd",
        "RunStart",
        "NodeStart",
        "CacheHit",
        "NodeEnd",
        "RunEnd",
    ]


def test_003_04_sync_run() -> None:
    assert_callable_as(definitions_of_block(4).run, SyncRunner.run)
    runner = SyncRunner()
    result = runner.run(chain(), {"x": 3})
    assert isinstance(result, dict)
    assert result == {"total": 7}  # the leaves
    assert runner.run(chain(), inputs={"x": 3}, select=["y"]) == {"y": 6}
    assert runner.run(chain(), {"x": 3}, select=["y", "total"]) == {"y": 6, "total": 7}
    with pytest.raises(ValueError, match="nothing"):
        runner.run(chain(), {"x": 3}, select=["nothing"])


def test_003_04_sessions() -> None:
    heard = RecordingProcessor()
    SyncRunner(event_processors=[heard]).run(chain(), {"x": 3}, session_id="tuesday")
    assert heard.only("RunStartEvent").session_id == "tuesday"


def test_003_04_the_inputs_of_a_loop_say_where_it_begins() -> None:
    calls: list[str] = []

    @node(output_name="left")
    def first(right: int) -> int:
        calls.append("first")
        return right + 1

    @node(output_name="right")
    def second(left: int) -> int:
        calls.append("second")
        return left + 1

    @route(["first", END])
    def more(right: int) -> str:
        return END if right >= 4 else "first"

    graph = Graph([first, second, more])
    SyncRunner().run(graph, {"right": 0})
    assert calls == ["first", "second"] * 2
    calls.clear()
    SyncRunner().run(graph, {"left": 0})
    assert calls == ["second", "first", "second", "first", "second"]


def test_003_04_iterations() -> None:
    runner = SyncRunner()
    with pytest.raises(InfiniteLoopError) as caught:
        runner.run(countdown(), {"right": 100}, max_iterations=5)
    assert caught.value.max_iterations == 5
    assert runner.run(countdown(), {"right": 100}, max_iterations=1000)["right"] == 0
    assert runner.run(countdown(), {"right": 2000})["right"] == 0  # None: no limit


def test_003_04_errors() -> None:
    with pytest.raises(GraphConfigError):
        Graph([down, over])  # a loop that cannot end
    with pytest.raises(ConflictError) as caught:
        Graph([double, double.with_name("again")])
    assert isinstance(caught.value, GraphConfigError)
    with pytest.raises(MissingInputError) as missing:
        SyncRunner().run(chain(), {"more": 3})
    assert missing.value.missing == ("x",)
    with pytest.raises(IncompatibleRunnerError, match="async"):
        SyncRunner().run(awaited(), {"x": 1})


def test_003_04_what_a_node_raises_comes_out_as_it_is() -> None:
    error = KeyError("mine")

    @node(output_name="y")
    def fail(x: int) -> int:
        raise error

    with pytest.raises(KeyError) as caught:
        SyncRunner().run(Graph([fail]), {"x": 1})
    assert caught.value is error
    with pytest.raises(KeyError) as caught:
        wait(AsyncRunner().run(Graph([fail]), {"x": 1}))
    assert caught.value is error
    result = wait(AsyncRunner().run(Graph([fail]), {"x": 1}, error_handling="continue"))
    assert (result.status, result.error) == (RunStatus.ERROR, error)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_003_05_10_map(kind: str) -> None:
    number, ours = (5, SyncRunner) if kind == "sync" else (10, AsyncRunner)
    assert_callable_as(definitions_of_block(number).map, ours.map)
    assert inspect.signature(ours.map).parameters["map_over"].default is inspect.Parameter.empty

    def mapped(graph: Graph, inputs: dict[str, Any], **options: Any) -> Any:
        made = ours().map(graph, inputs, **options)
        return wait(made) if asyncio.iscoroutine(made) else made

    zipped = mapped(chain(), {"x": [1, 2], "more": [10, 20]}, map_over=["x", "more"])
    assert isinstance(zipped, list)
    assert zipped == [{"total": 12}, {"total": 24}]
    assert all(isinstance(item, dict) for item in zipped)
    assert mapped(chain(), {"x": [1, 2], "more": 5}, map_over="x") == [{"total": 7}, {"total": 9}]
    product = mapped(chain(), {"x": [1, 2], "more": [10, 20]}, map_over=["x", "more"], map_mode="product")
    assert [item["total"] for item in product] == [12, 22, 14, 24]
    assert mapped(chain(), {"x": [1, 2]}, map_over="x", select=["y"]) == [{"y": 2}, {"y": 4}]
    assert mapped(chain(), {"x": []}, map_over="x") == []
    with pytest.raises(ValueError, match="length"):
        mapped(chain(), {"x": [1, 2], "more": [10]}, map_over=["x", "more"])
    for name in ("reviewed", "with a question two levels down"):
        with pytest.raises(GraphConfigError, match="interrupt"):
            mapped(GRAPHS[name], {"topic": ["a"]}, map_over="topic")


def test_003_05_sessions_of_a_map() -> None:
    heard = RecordingProcessor()
    SyncRunner(event_processors=[heard]).map(chain(), {"x": [1, 2]}, map_over="x", session_id="tuesday")
    started = [event for event in heard.events if type(event).__name__ == "RunStartEvent"]
    assert len(started) == 3
    assert {event.session_id for event in started} == {"tuesday"}


# -- 003-06 and 07: AsyncRunner


@pytest.fixture(params=["memory", "sqlite"])
def checkpointer(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with MemoryCheckpointer() if request.param == "memory" else SqliteCheckpointer(tmp_path / "runs.db") as made:
        yield made


def test_003_06_async_constructor(checkpointer: Checkpointer) -> None:
    assert_callable_as(definitions_of_block(6).AsyncRunner.__init__, AsyncRunner.__init__)
    heard = RecordingProcessor()
    runner = AsyncRunner(cache=MemoryCache(), checkpointer=checkpointer, event_processors=[heard])
    assert wait(runner.run(chain(), {"x": 3}, workflow_id="w")) == {"total": 7}
    assert heard.names[0] == "RunStart"
    assert heard.names[-1] == "RunEnd"


def test_003_07_async_run() -> None:
    assert_callable_as(definitions_of_block(7).run, AsyncRunner.run)
    runner = AsyncRunner()
    result = wait(runner.run(Graph([*chain().nodes.values(), later]), {"x": 3}))
    assert isinstance(result, RunResult)
    assert result.outputs == {"total": 7, "late": 3}
    assert result.status is RunStatus.COMPLETED
    assert result.pause is None
    assert wait(runner.run(chain(), inputs={"x": 3}, select=["y"])).outputs == {"y": 6}
    with pytest.raises(InfiniteLoopError):
        wait(runner.run(countdown(), {"right": 100}, max_iterations=5))
    heard = RecordingProcessor()
    wait(runner.run(chain(), {"x": 3}, session_id="tuesday", event_processors=[heard]))
    assert heard.only("RunStartEvent").session_id == "tuesday"


def test_003_07_load_merge_execute_append(checkpointer: Checkpointer) -> None:
    written: list[str] = []

    @node(output_name="draft")
    def write(topic: str) -> str:
        written.append(topic)
        return f"about {topic}"

    graph = Graph([write, InterruptNode("ask", "draft", "verdict"), publish], name="reviewed")

    def run(inputs: dict[str, Any]) -> RunResult:
        return wait(AsyncRunner(checkpointer=checkpointer).run(graph, inputs, workflow_id="order-1"))

    paused = run({"topic": "rain"})
    assert (paused.status, paused.workflow_id) == (RunStatus.PAUSED, "order-1")
    assert paused.pause is not None
    assert [step.node_name for step in checkpointer.get_steps("order-1") if step.status == "completed"] == ["write"]

    done = run({paused.pause.response_param: "good"})  # nothing else is given again, and nothing runs again
    assert done.outputs == {"final": "about rain: good"}
    assert written == ["rain"]
    assert [step.node_name for step in checkpointer.get_steps("order-1")] == ["write", "ask", "publish"]
    assert checkpointer.get_state("order-1") == {
        "topic": "rain",
        "draft": "about rain",
        "verdict": "good",
        "final": "about rain: good",
    }

    again = run({})
    assert (again.outputs, written) == ({"final": "about rain: good"}, ["rain"])
    other = run({"topic": "sun", "verdict": "bad"})  # inputs win over what was loaded
    assert (other.outputs, written) == ({"final": "about sun: bad"}, ["rain", "sun"])


def test_003_07_a_workflow_goes_on_after_its_process(tmp_path: Path) -> None:
    for inputs, status in (({"topic": "rain"}, RunStatus.PAUSED), ({"verdict": "good"}, RunStatus.COMPLETED)):
        with SqliteCheckpointer(tmp_path / "runs.db") as checkpointer:
            result = wait(AsyncRunner(checkpointer=checkpointer).run(reviewed(), inputs, workflow_id="order-1"))
        assert result.status is status
    assert result == {"final": "about rain: good"}


def test_003_07_a_failed_node_runs_again_and_no_other(checkpointer: Checkpointer) -> None:
    calls: list[str] = []

    @node(output_name="y")
    def fine(x: int) -> int:
        calls.append("fine")
        return x

    @node(output_name="z")
    def flaky(y: int) -> int:
        calls.append("flaky")
        if calls.count("flaky") == 1:
            raise OSError("not yet")
        return y

    graph = Graph([fine, flaky], name="flaky")
    runner = AsyncRunner(checkpointer=checkpointer)
    with pytest.raises(OSError, match="not yet"):
        wait(runner.run(graph, {"x": 1}, workflow_id="w"))
    assert wait(runner.run(graph, {}, workflow_id="w")) == {"z": 1}
    assert calls == ["fine", "flaky", "flaky"]


def test_003_07_a_workflow_needs_a_checkpointer() -> None:
    with pytest.raises(ValueError, match="checkpointer"):
        wait(AsyncRunner().run(chain(), {"x": 1}, workflow_id="w"))


@pytest.mark.parametrize("recorded", [False, True])
def test_003_07_interrupt_handlers(recorded: bool) -> None:
    async def handler(value: str) -> str:
        await asyncio.sleep(0)
        return f"seen {value}"

    with MemoryCheckpointer() as checkpointer:
        runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
        for answer in (handler, lambda value: f"seen {value}"):
            result = wait(runner.run(reviewed(), {"topic": "rain"}, interrupt_handlers={"ask": answer}))
            assert (result.status, result.pause) == (RunStatus.COMPLETED, None)
            assert result.outputs == {"final": "about rain: seen about rain"}
    two = Graph([*reviewed().nodes.values(), InterruptNode("sign", "final", "signature")])
    result = wait(AsyncRunner().run(two, {"topic": "rain"}, interrupt_handlers={"ask": handler}))
    assert result.pause is not None
    assert result.pause.node == "sign"


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_003_07_max_concurrency_counts_nested_graphs_too(limit: int) -> None:
    crowd = ConcurrencyGauge()
    inner = crowd.graph(4, "i")
    graph = Graph([*crowd.graph(4).nodes.values(), Graph([inner.as_node(name="deep")]).as_node(name="middle")])
    wait(AsyncRunner().run(graph, {"x": 1}, max_concurrency=limit))
    assert crowd.peak == limit


def test_003_07_without_a_limit_all_run_at_once() -> None:
    crowd = ConcurrencyGauge()
    wait(AsyncRunner().run(crowd.graph(50), {"x": 1}))
    assert crowd.peak == 50


def test_003_07_event_processors_are_added() -> None:
    always, once = RecordingProcessor(), RecordingProcessor()
    runner = AsyncRunner(event_processors=[always])
    wait(runner.run(chain(), {"x": 1}, event_processors=[once]))
    wait(runner.run(chain(), {"x": 1}))
    assert once.events == always.events[: len(once.events)]
    assert always.names == once.names * 2


# -- 003-08 and 09: iter()


def test_003_08_iter() -> None:
    assert_callable_as(definitions_of_block(8).iter, AsyncRunner.iter)
    example = textwrap.dedent(str(inspect.getdoc(definitions_of_block(8).iter)).partition("Example:\n")[2])
    example = example.replace("inputs={...}", "inputs={'topic': 'rain'}")
    assert "async with runner.iter(" in example
    scope: dict[str, Any] = {
        "runner": AsyncRunner(),
        "graph": reviewed(),
        "InterruptEvent": InterruptEvent,
        "user_response": "good",
    }
    exec(f"async def example():\n{textwrap.indent(example, '    ')}\n    return result\n", scope)
    assert wait(scope["example"]()) == {"final": "about rain: good"}


def test_003_08_the_same_semantics_as_run(checkpointer: Checkpointer) -> None:
    runner = AsyncRunner(checkpointer=checkpointer)

    async def events_of(inputs: dict[str, Any], answer: str | None) -> tuple[list[str], RunResult]:
        heard = RecordingProcessor()
        async with runner.iter(reviewed(), inputs, workflow_id="w", event_processors=[heard]) as run:
            seen = []
            async for event in run:
                seen.append(event)
                if isinstance(event, InterruptEvent):
                    assert event.workflow_id == "w"
                    if answer is not None:
                        run.respond(event.response_param, answer)
        assert heard.events == seen
        return heard.names, run.result

    names, result = wait(events_of({"topic": "rain"}, None))
    assert names == ["RunStart", "NodeStart", "NodeEnd", "Interrupt", "RunEnd"]
    assert result.status is RunStatus.PAUSED
    names, result = wait(events_of({}, "good"))
    assert result.outputs == {"final": "about rain: good"}
    assert names.count("NodeEnd") == 1  # only what was still to do


def test_003_09_run_handle() -> None:
    theirs = definitions_of_block(9).RunHandle
    assert_callable_as(theirs.respond, RunHandle.respond)
    assert isinstance(inspect.getattr_static(RunHandle, "result"), property)
    assert hasattr(RunHandle, "__aiter__")

    async def main() -> None:
        manager = AsyncRunner().iter(reviewed(), {"topic": "rain"})
        assert isinstance(manager, AbstractAsyncContextManager)
        async with manager as run:
            assert isinstance(run, RunHandle)
            with pytest.raises(RuntimeError):
                run.result
            async for event in run:
                if isinstance(event, InterruptEvent):
                    with pytest.raises(ValueError):
                        run.respond("nobody asked", 1)
                    run.respond("verdict", "good")
        assert run.result.outputs == {"final": "about rain: good"}

    wait(main())


# -- 003-10 map() of AsyncRunner: see 003-05 for the rest


@pytest.mark.parametrize("limit", [1, 3])
def test_003_10_max_concurrency_over_items_nodes_and_nested_graphs(limit: int) -> None:
    crowd = ConcurrencyGauge()
    graph = Graph([*crowd.graph(2).nodes.values(), crowd.graph(2, "i").as_node(name="inner")])
    results = wait(AsyncRunner().map(graph, {"x": [*range(10)]}, map_over="x", max_concurrency=limit))
    assert crowd.peak == limit
    assert [result["n0"] for result in results] == [*range(10)]  # in the order of the items


def test_003_10_all_items_at_once_without_a_limit() -> None:
    crowd = ConcurrencyGauge()
    wait(AsyncRunner().map(crowd.graph(1), {"x": [*range(30)]}, map_over="x"))
    assert crowd.peak == 30


# -- 003-11 and 12: DaftRunner


def daft_runner() -> type[DaftRunner]:
    native_daft()
    return DaftRunner


def test_003_11_daft_constructor() -> None:
    ours = daft_runner()
    assert_callable_as(definitions_of_block(11).DaftRunner.__init__, ours.__init__)
    assert isinstance(ours(cache=MemoryCache()), BaseRunner)


def test_003_12_daft_map() -> None:
    ours = daft_runner()
    assert_callable_as(definitions_of_block(12).map, ours.map)
    table = ours().map(chain(), {"x": [1, 2], "more": 5}, map_over="x")
    assert type(table).__name__ == "DataFrame"
    assert table.to_pydict() == {"x": [1, 2], "total": [7, 9], "_error": [None, None]}
    zipped = ours().map(chain(), {"x": [1, 2], "more": [10, 20]}, map_over=["x", "more"], select=["y"])
    assert zipped.to_pydict() == {"x": [1, 2], "more": [10, 20], "y": [2, 4], "_error": [None, None]}
    product = ours().map(chain(), {"x": [1, 2], "more": [10, 20]}, map_over=["x", "more"], map_mode="product")
    assert product.to_pydict()["total"] == [12, 22, 14, 24]
    for graph, name in ((countdown(), "right"), (nested(countdown()), "right")):
        with pytest.raises(IncompatibleRunnerError):
            ours().map(graph, {name: [1, 2]}, map_over=name)
    for graph in (reviewed(), nested(reviewed())):
        with pytest.raises(GraphConfigError, match="interrupts"):
            ours().map(graph, {"topic": ["a"]}, map_over="topic")
        with pytest.raises(IncompatibleRunnerError, match="interrupts"):
            ours().run(graph, {"topic": "a"})


@pytest.mark.ray
def test_003_11_12_25_26_on_ray(ray_cluster: str) -> None:
    """The tests of this page that use a DaftRunner, in a process whose DataFrames run on Ray."""
    blocks("003")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", "-m", "not ray", "-k", "daft or 003_25_explicit", __file__],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "DAFT_TESTS_ON_RAY": ray_cluster,
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 5
    assert "skipped" not in done.stdout


def test_003_11_holdwater_does_not_need_daft() -> None:
    code = (
        "import sys; sys.modules['daft'] = None\nimport holdwater\n"
        "[getattr(holdwater, name) for name in holdwater.__all__]\n"
        "graph = holdwater.Graph([holdwater.node(lambda x: x, name='same', output_name='y')])\n"
        "print(holdwater.SyncRunner().run(graph, {'x': 1}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "'y': 1" in done.stdout


# -- 003-13 and 14: what a run comes to


def test_003_13_pause_info() -> None:
    names = [*fields_of(definitions_of_block(13).PauseInfo)]
    assert [*fields_of(PauseInfo)][: len(names)] == names
    result = wait(AsyncRunner().run(reviewed(), {"topic": "rain"}))
    assert result.status is RunStatus.PAUSED
    pause = result.pause
    assert pause is not None
    assert (pause.reason, pause.node) == (PauseReason.HUMAN_INPUT, "ask")
    assert (pause.response_param, pause.value) == ("verdict", "about rain")
    assert [*PauseReason] == [PauseReason.HUMAN_INPUT]
    assert wait(AsyncRunner().run(reviewed(), {"topic": "rain", pause.response_param: "good"})).pause is None


def test_003_14_run_result(checkpointer: Checkpointer) -> None:
    names = [*fields_of(definitions_of_block(14).RunResult)]
    assert names == ["outputs", "status", "workflow_id", "run_id", "pause"]
    first, second = wait(AsyncRunner().run(chain(), {"x": 1})), wait(AsyncRunner().run(chain(), {"x": 1}))
    for result in (first, second, SyncRunner().run(chain(), {"x": 1})):
        assert [getattr(result, name) for name in names if name != "run_id"] == [
            {"total": 3},
            RunStatus.COMPLETED,
            None,
            None,
        ]
    assert first.run_id
    assert first.run_id != second.run_id
    assert wait(AsyncRunner(event_processors=[RecordingProcessor()]).run(chain(), {"x": 1})).workflow_id is None
    kept = wait(AsyncRunner(checkpointer=checkpointer).run(chain(), {"x": 1}, workflow_id="w"))
    assert kept.workflow_id == "w"
    assert {status.name for status in (RunStatus.COMPLETED, RunStatus.PAUSED)} == {"COMPLETED", "PAUSED"}
    assert [*RunStatus].count(RunStatus.ERROR) == 1  # another name for FAILED
    assert RunStatus.ERROR.value == "failed"


# -- 003-15 to 23: events

EVENTS = [
    "RunStartEvent", "NodeStartEvent", "NodeEndEvent", "StreamingChunkEvent", "CacheHitEvent", "RouteDecisionEvent",
    "NodeErrorEvent", "InterruptEvent", "RunEndEvent",
]  # fmt: skip


@pytest.mark.parametrize(("number", "name"), [*enumerate(EVENTS, 15)])
def test_003_15_to_23_fields(number: int, name: str) -> None:
    theirs, ours = getattr(definitions_of_block(number), name), getattr(events, name)
    values: dict[str, Any] = {field: f"<{field}>" for field in fields_of(theirs)}
    made = ours(**values)
    assert {field: getattr(made, field) for field in values} == values


def record_run(graph: Graph, inputs: dict[str, Any], **options: Any) -> RecordingProcessor:
    heard = RecordingProcessor()
    wait(AsyncRunner(cache=options.pop("cache", None)).run(graph, inputs, event_processors=[heard], **options))
    return heard


def test_003_15_16_17_23_a_run() -> None:
    began = time.time()
    heard = record_run(chain(), {"x": 3}, session_id="s")
    start, *_, end = heard.events
    assert heard.names == ["RunStart", "NodeStart", "NodeEnd", "NodeStart", "NodeEnd", "RunEnd"]
    assert (start.session_id, start.inputs) == ("s", {"x": 3})
    assert (end.outputs, end.iterations) == ({"total": 7}, 0)
    assert end.duration_ms > 0
    _, begun, ended, *_ = heard.events
    assert (begun.node_name, begun.inputs) == ("double", {"x": 3})
    assert (ended.node_name, ended.outputs, ended.cached) == ("double", {"y": 6}, False)
    assert ended.duration_ms >= 0
    assert begun.span_id == ended.span_id
    assert {event.run_id for event in heard.events} == {start.run_id}
    assert all(event.parent_span_id is None for event in heard.events)  # all of them are at the root
    moments = [event.timestamp for event in heard.events]
    assert moments == sorted(moments)
    assert began <= moments[0] <= moments[-1] <= time.time()


def test_003_15_spans_of_nested_graphs() -> None:
    heard = record_run(nested(chain()), {"x": 3})
    assert heard.names == [
        "RunStart",
        "NodeStart",
        "RunStart",
        *["NodeStart", "NodeEnd"] * 2,
        "RunEnd",
        "NodeEnd",
        "RunEnd",
    ]
    outer = heard.events[1]
    assert outer.parent_span_id is None
    assert {event.parent_span_id for event in heard.events[2:8]} == {outer.span_id}
    assert len({event.span_id for event in heard.events if type(event).__name__ == "NodeStartEvent"}) == 3
    assert len({event.run_id for event in heard.events}) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_003_18_chunks(asynchronous: bool) -> None:
    @node(output_name="words")
    async def words_later(text: str) -> Any:
        for word in text.split():
            yield word

    heard = record_run(Graph([words_later if asynchronous else words]), {"text": "to be or"})
    chunks = [event for event in heard.events if type(event).__name__ == "StreamingChunkEvent"]
    assert [(event.chunk, event.chunk_index) for event in chunks] == [("to", 0), ("be", 1), ("or", 2)]
    start, end = heard.only("NodeStartEvent"), heard.only("NodeEndEvent")
    assert {event.span_id for event in chunks} == {start.span_id}
    assert end.outputs == {"words": ["to", "be", "or"]}


def test_003_19_cache_hits() -> None:
    cache = MemoryCache()

    @node(output_name="y", cache=True)
    def slow(x: int) -> int:
        return x

    assert record_run(Graph([slow]), {"x": 1}, cache=cache).only("NodeEndEvent").cached is False
    heard = record_run(Graph([slow]), {"x": 1}, cache=cache)
    assert heard.names == ["RunStart", "NodeStart", "CacheHit", "NodeEnd", "RunEnd"]
    assert heard.only("CacheHitEvent").node_name == "slow"
    assert heard.only("NodeEndEvent").cached is True


def test_003_20_23_decisions_and_iterations() -> None:
    heard = record_run(countdown(), {"right": 2})
    decisions = [event for event in heard.events if type(event).__name__ == "RouteDecisionEvent"]
    assert {event.gate_name for event in decisions} == {"until_zero"}
    assert [event.decision for event in decisions][-2:] == ["down", "END"]
    assert heard.events[-1].iterations > 2


def test_003_21_errors_of_nodes() -> None:
    error = ValueError("mine")

    @node(output_name="y")
    def fail(x: int) -> int:
        raise error

    heard = record_run(Graph([fail]), {"x": 1}, error_handling="continue")
    event = heard.only("NodeErrorEvent")
    assert (event.node_name, event.error, event.error_type) == ("fail", error, "ValueError")
    assert heard.names == ["RunStart", "NodeStart", "NodeError", "RunEnd"]


def test_003_22_interrupts() -> None:
    event = record_run(reviewed(), {"topic": "rain"}).only("InterruptEvent")
    assert (event.interrupt_name, event.value, event.response_param) == ("ask", "about rain", "verdict")
    assert event.workflow_id


# -- 003-24 validate_map_compatible


@pytest.mark.parametrize("name", GRAPHS)
def test_003_24_validate_map_compatible(name: str) -> None:
    theirs = definitions_of_block(24, GraphConfigError=GraphConfigError).validate_map_compatible
    assert_callable_as(theirs, validate_map_compatible)
    outcomes = []
    for validate in (theirs, validate_map_compatible):
        try:
            validate(GRAPHS[name], CONTEXT)
            outcomes.append("")
        except GraphConfigError as error:
            outcomes.append(str(error))
    expected, said = outcomes
    assert bool(expected) == bool(said)
    if expected:
        assert said.startswith(f"{CONTEXT}, but")
        for part in ("interrupts", "problem", "for item in items:", "runner.run(graph", "if result.pause:"):
            assert part in expected
            assert part in said


def test_003_24_at_build_time() -> None:
    with pytest.raises(GraphConfigError, match="interrupts"):
        reviewed().as_node().map_over("topic")


# -- 003-25 validate_runner_compatibility


class RunnerWithCapabilities(BaseRunner):
    """A runner of which only the capabilities matter."""

    def __init__(self, capabilities: RunnerCapabilities) -> None:
        self._capabilities = capabilities

    @property
    def capabilities(self) -> RunnerCapabilities:
        return self._capabilities

    def run(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> Any:
        raise AssertionError("never called")

    def map(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> Any:
        raise AssertionError("never called")


def accepts(validate: Any, graph: Graph, runner: BaseRunner) -> bool:
    try:
        validate(graph, runner)
    except IncompatibleRunnerError:
        return False
    return True


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("runner", ["SyncRunner", "AsyncRunner", "DaftRunner"])
def test_003_25_validate_runner_compatibility(name: str, runner: str) -> None:
    theirs = definitions_of_block(25, IncompatibleRunnerError=IncompatibleRunnerError).validate_runner_compatibility
    assert_callable_as(theirs, validate_runner_compatibility)
    able = RunnerWithCapabilities(RunnerCapabilities(**table_of_capabilities()[runner]))
    graph = GRAPHS[name]
    assert accepts(theirs, graph, able) == accepts(validate_runner_compatibility, graph, able)


def test_003_25_explicit_runners() -> None:
    distributed = daft_runner()()
    for inner in (reviewed(), nested(reviewed())):
        with pytest.raises(IncompatibleRunnerError, match="interrupts"):  # when it is built
            inner.as_node(runner=distributed)
        with pytest.raises(IncompatibleRunnerError, match="interrupts"):  # when it is run, with the runner inherited
            validate_runner_compatibility(nested(inner, name="node"), distributed)
    # A nested graph is judged by its own runner.
    graph = nested(awaited(), runner=AsyncRunner())
    validate_runner_compatibility(graph, SyncRunner())
    with pytest.raises(IncompatibleRunnerError, match="async"):
        validate_runner_compatibility(nested(awaited()), SyncRunner())
    with pytest.raises(IncompatibleRunnerError, match="async"):
        SyncRunner().run(nested(awaited()), {"x": 1})


# -- 003-26 get_execution_strategy

ORIGINAL_TERMS = {
    "Direct `await`": ExecutionStrategy.AWAIT,
    "`asyncio.to_thread()`": ExecutionStrategy.THREAD_POOL,
    "`asyncio.run()`": ExecutionStrategy.ASYNCIO_RUN,
    "Direct call": ExecutionStrategy.DIRECT,
}


def test_003_26_strategies() -> None:
    theirs = definitions_of_block(26, ExecutionStrategy=ExecutionStrategy).get_execution_strategy
    assert_callable_as(theirs, get_execution_strategy)
    runner = {"✅": AsyncRunner(), "❌": SyncRunner()}
    rows = rows_of_table(page(), "Parent `returns_coroutine`")[1:]
    assert len(rows) == 4
    for parent, child, words in rows:
        found = get_execution_strategy(runner[parent], runner[child])
        assert found is ORIGINAL_TERMS[words] is theirs(runner[parent], runner[child])


def test_003_26_strategies_with_a_daft_runner() -> None:
    rows, daft = daft_runner()(), {"sync": SyncRunner(), "async": AsyncRunner()}
    for other, above, below in (("sync", "DIRECT", "DIRECT"), ("async", "THREAD_POOL", "ASYNCIO_RUN")):
        assert get_execution_strategy(daft[other], rows).name == above
        assert get_execution_strategy(rows, daft[other]).name == below
    # explicit before the parent's, at the boundary of a nested graph
    graph = nested(chain(), runner=rows)
    assert SyncRunner().run(graph, {"x": 3}) == wait(AsyncRunner().run(graph, {"x": 3})) == {"y": 6, "total": 7}
    for child in (SyncRunner(), AsyncRunner()):
        assert rows.run(nested(chain(), runner=child), {"x": 3}) == {"y": 6, "total": 7}


class ThreadRecorder:
    """A graph whose one node says in which thread and loop it runs."""

    def __init__(self) -> None:
        self.thread = 0
        self.loop: Any = None

    def graph(self, asynchronous: bool) -> Graph:
        import threading

        @node(output_name="z")
        async def here(x: int) -> int:
            self.thread, self.loop = threading.get_ident(), asyncio.get_running_loop()
            return x

        @node(output_name="z", name="here")
        def there(x: int) -> int:
            self.thread = threading.get_ident()
            return x

        return Graph([here if asynchronous else there], name="inner")


def test_003_26_how_nested_graphs_are_called() -> None:
    import threading

    async def parent(graph: Graph) -> Any:
        result = await AsyncRunner().run(graph, {"x": 1})
        return result, threading.get_ident(), asyncio.get_running_loop()

    here = ThreadRecorder()
    result, thread, loop = wait(parent(nested(here.graph(True), runner=AsyncRunner())))
    assert (result, here.thread, here.loop) == ({"z": 1}, thread, loop)  # awaited

    here = ThreadRecorder()
    result, thread, _ = wait(parent(nested(here.graph(False), runner=SyncRunner())))
    assert result == {"z": 1}
    assert here.thread != thread  # in a thread, so that the loop goes on

    here = ThreadRecorder()
    assert SyncRunner().run(nested(here.graph(True), runner=AsyncRunner()), {"x": 1}) == {"z": 1}

    here = ThreadRecorder()
    assert SyncRunner().run(nested(here.graph(False), runner=SyncRunner()), {"x": 1}) == {"z": 1}
    assert here.thread == threading.get_ident()


def test_003_26_in_a_loop_that_runs_already() -> None:
    """As in a notebook, where `asyncio.run` would refuse."""

    async def cell() -> Any:
        return SyncRunner().run(nested(awaited(), runner=AsyncRunner()), {"x": 1})

    assert wait(cell()) == {"late": 1}


def test_003_26_resolution_order() -> None:
    text = re.findall(r"^\d\. (.*)$", page().partition("### Runner Resolution Order")[2], re.M)
    assert ["Explicit" in text[0], "Parent" in text[1], "SyncRunner" in text[2]] == [True] * 3
    # Explicit over parent: an async runner's child that can only run in a thread does so; see above.  Parent over none:
    assert wait(AsyncRunner().run(nested(awaited()), {"x": 1})) == {"late": 1}
    assert SyncRunner().run(nested(chain()), {"x": 3}) == {"y": 6, "total": 7}
