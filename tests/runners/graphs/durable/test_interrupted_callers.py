"""Callers in a loop that are interrupted: every way of waiting for a graph, and every way to end the wait.

When the caller has control again, all bodies are over, their `finally` blocks too, and a recorded run goes on at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdwater import AsyncRunner, Graph, SyncRunner, node
from holdwater.checkpointers import Checkpointer, MemoryCheckpointer, SqliteCheckpointer
from tests.runners.graphs.samples import run_with_timeout

TIMEOUT_SECONDS = 30.0


def status(checkpointer: Checkpointer) -> str:
    record = checkpointer.get_workflow("w")
    assert record is not None
    return record.status


class HangingFunctions:
    """Nodes `first` -> `work` -> `last`; what begins in `work` hangs until `hangs` is False or it is ended."""

    def __init__(self, checkpointer: Checkpointer | None = None) -> None:
        self.checkpointer = checkpointer
        self.loop = asyncio.get_running_loop()
        self.started = asyncio.Event()
        self.may_finish = threading.Event()
        self.hangs = True
        self.running = self.peak = self.entered = self.cleaned = 0
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def enter(self) -> None:
        with self._lock:
            self.running += 1
            self.entered += 1
            self.peak = max(self.peak, self.running)
        self.loop.call_soon_threadsafe(self.started.set)

    def leave(self) -> None:
        with self._lock:
            self.running -= 1
            self.cleaned += 1

    def release_after_interrupt(self, waiting: asyncio.Task[Any] | None = None) -> None:
        """The wait was just interrupted: a body that cannot be cancelled is let go when that had time to get around."""

        async def let_go() -> None:
            for _ in range(20):
                await asyncio.sleep(0)
            while self.checkpointer is not None and status(self.checkpointer) == "running":
                await asyncio.sleep(0)
            if waiting is not None and self.running:
                assert not waiting.done(), "the caller has control, and a body goes on"
            self.may_finish.set()

        self._release_task = asyncio.create_task(let_go())

    # -- kinds of bodies

    def coroutine(self) -> Any:
        @node(output_name="y")
        async def work(x: int) -> int:
            self.enter()
            try:
                if self.hangs:
                    await asyncio.Event().wait()
                return x
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                self.leave()

        return work

    def async_generator(self) -> Any:
        @node(output_name="y")
        async def work(x: int) -> AsyncIterator[int]:
            self.enter()
            try:
                yield x
                if self.hangs:
                    await asyncio.Event().wait()
            finally:
                for _ in range(5):
                    await asyncio.sleep(0)
                self.leave()

        return work

    def thread(self) -> Any:
        @node(output_name="y")
        def work(x: int) -> int:
            self.enter()
            try:
                assert not self.hangs or self.may_finish.wait(TIMEOUT_SECONDS)
                return x
            finally:
                self.leave()

        return work

    def generator(self) -> Any:
        @node(output_name="y")
        def work(x: int) -> Iterator[int]:
            self.enter()
            pause = threading.Event()
            try:
                yield x
                while self.hangs:
                    pause.wait(0.001)
                    yield x
            finally:
                self.leave()

        return work

    def graph_of_kind(self, kind: str) -> Graph:
        @node(output_name="x")
        def first(given: int) -> int:
            self.calls.append("first")
            return given

        @node(output_name="z")
        def last(y: Any) -> int:
            self.calls.append("last")
            return 1

        return Graph([first, getattr(self, kind)(), last], name="inner")


Waiting = Callable[[Graph, Checkpointer | None], Awaitable[Any]]


def workflow_options(checkpointer: Checkpointer | None) -> dict[str, Any]:
    return {} if checkpointer is None else {"workflow_id": "w"}


async def runs(graph: Graph, checkpointer: Checkpointer | None) -> None:
    await AsyncRunner(checkpointer=checkpointer).run(graph, {"given": 1}, **workflow_options(checkpointer))


async def iterates(graph: Graph, checkpointer: Checkpointer | None) -> None:
    runner = AsyncRunner(checkpointer=checkpointer)
    async with runner.iter(graph, {"given": 1}, **workflow_options(checkpointer)) as run:
        async for _ in run:
            pass


async def nests(graph: Graph, checkpointer: Checkpointer | None) -> None:
    outer = Graph([Graph([graph.as_node()], name="middle").as_node()], name="outer")
    await AsyncRunner(checkpointer=checkpointer).run(outer, {"given": 1}, **workflow_options(checkpointer))


async def nests_mapped(graph: Graph, checkpointer: Checkpointer | None) -> None:
    outer = Graph([graph.as_node().map_over("given")], name="outer")
    await AsyncRunner(checkpointer=checkpointer).run(outer, {"given": [1, 2, 3]}, **workflow_options(checkpointer))


async def maps(graph: Graph, checkpointer: Checkpointer | None) -> None:
    await AsyncRunner().map(graph, {"given": [1, 2, 3]}, map_over="given", error_handling="continue")


async def maps_one_by_one(graph: Graph, checkpointer: Checkpointer | None) -> None:
    await AsyncRunner(max_concurrency=1).map(graph, {"given": [1, 2, 3]}, map_over="given")


async def nests_a_blocking_runner(graph: Graph, checkpointer: Checkpointer | None) -> None:
    outer = Graph([graph.as_node(runner=SyncRunner())], name="outer")
    await AsyncRunner().run(outer, {"given": 1})


async def nests_a_loop_in_a_thread(graph: Graph, checkpointer: Checkpointer | None) -> None:
    middle = Graph([graph.as_node(runner=AsyncRunner())], name="middle").as_node(runner=SyncRunner())
    await AsyncRunner().run(Graph([middle], name="outer"), {"given": 1})


async def is_cancelled_once(make: Callable[[], Any], bodies: HangingFunctions) -> None:
    task = asyncio.create_task(make())
    await bodies.started.wait()
    task.cancel()
    bodies.release_after_interrupt(task)
    with pytest.raises(asyncio.CancelledError):
        await task


async def is_cancelled_at_every_await(make: Callable[[], Any], bodies: HangingFunctions) -> None:
    task = asyncio.create_task(make())
    await bodies.started.wait()
    bodies.release_after_interrupt(task)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()


async def runs_out_of_time(make: Callable[[], Any], bodies: HangingFunctions) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:

            async def expire() -> None:
                await bodies.started.wait()
                limit.reschedule(asyncio.get_running_loop().time())
                bodies.release_after_interrupt()

            expiring = asyncio.create_task(expire())
            await make()
    await expiring


async def is_in_a_task_group_that_fails(make: Callable[[], Any], bodies: HangingFunctions) -> None:
    with pytest.raises(ExceptionGroup, match="unhandled errors"):
        async with asyncio.TaskGroup() as group:
            group.create_task(make())
            await bodies.started.wait()
            bodies.release_after_interrupt()
            raise ValueError("another task")


async def is_in_a_scope_of_anyio(make: Callable[[], Any], bodies: HangingFunctions) -> None:
    anyio = pytest.importorskip("anyio")
    with anyio.CancelScope() as scope:

        async def cancel() -> None:
            await bodies.started.wait()
            scope.cancel()
            bodies.release_after_interrupt()

        cancelling = asyncio.create_task(cancel())
        await make()
    assert scope.cancelled_caught
    await cancelling


INTERRUPTIONS = [
    is_cancelled_once,
    is_cancelled_at_every_await,
    runs_out_of_time,
    is_in_a_task_group_that_fails,
    is_in_a_scope_of_anyio,
]
IN_MEMORY = [runs, iterates, nests, nests_mapped, maps, maps_one_by_one]
RECORDED = [runs, iterates, nests, nests_mapped]
KINDS = ["coroutine", "async_generator", "thread", "generator"]
IN_THREADS = [
    (nests_a_blocking_runner, "thread"),
    (nests_a_blocking_runner, "generator"),
    *[(nests_a_loop_in_a_thread, kind) for kind in KINDS],
]


def assert_cleaned_up(bodies: HangingFunctions) -> None:
    assert bodies.running == 0
    assert bodies.cleaned == bodies.entered > 0
    assert "last" not in bodies.calls


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
@pytest.mark.parametrize(
    ("waiting", "kind"), [*[(waiting, kind) for waiting in IN_MEMORY for kind in KINDS], *IN_THREADS]
)
def test_in_memory(waiting: Waiting, kind: str, interruption: Callable[..., Awaitable[None]]) -> None:
    async def main() -> None:
        bodies = HangingFunctions()
        graph = bodies.graph_of_kind(kind)
        await interruption(lambda: waiting(graph, None), bodies)
        entered = bodies.entered
        assert_cleaned_up(bodies)
        for _ in range(20):
            await asyncio.sleep(0)
        assert bodies.entered == entered

    run_with_timeout(main(), TIMEOUT_SECONDS)


@pytest.mark.parametrize("interruption", INTERRUPTIONS)
@pytest.mark.parametrize("waiting", RECORDED)
@pytest.mark.parametrize("kind", KINDS)
def test_on_the_record(waiting: Waiting, kind: str, interruption: Callable[..., Awaitable[None]]) -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            bodies = HangingFunctions(checkpointer)
            graph = bodies.graph_of_kind(kind)
            await interruption(lambda: waiting(graph, checkpointer), bodies)
            assert_cleaned_up(bodies)
            assert status(checkpointer) == "paused"
            bodies.hangs, width = False, bodies.peak
            await waiting(graph, checkpointer)
            assert status(checkpointer) == "completed"
            assert bodies.cleaned == bodies.entered
            assert bodies.peak <= max(width, 3 if waiting is nests_mapped else 1)
            items = 3 if waiting is nests_mapped else 1
            assert (bodies.calls.count("first"), bodies.calls.count("last")) == (items, items)

    run_with_timeout(main(), TIMEOUT_SECONDS)


@pytest.mark.parametrize("waiting", [runs, nests_mapped])
@pytest.mark.parametrize("kind", ["coroutine", "thread"])
def test_in_a_file_that_another_runner_goes_on_with(waiting: Waiting, kind: str, tmp_path: Path) -> None:
    async def main() -> None:
        with SqliteCheckpointer(tmp_path / "runs.db") as checkpointer:
            bodies = HangingFunctions(checkpointer)
            graph = bodies.graph_of_kind(kind)
            await is_cancelled_at_every_await(lambda: waiting(graph, checkpointer), bodies)
            assert_cleaned_up(bodies)
        bodies.hangs = False
        with SqliteCheckpointer(tmp_path / "runs.db") as another:
            assert status(another) == "paused"
            await waiting(graph, another)
            assert status(another) == "completed"
        items = 3 if waiting is nests_mapped else 1
        assert (bodies.calls.count("first"), bodies.calls.count("last")) == (items, items)

    run_with_timeout(main(), TIMEOUT_SECONDS)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["left", "raised", "closed"])
def test_the_block_of_iter_is_left(recorded: bool, kind: str, ending: str) -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            bodies = HangingFunctions(checkpointer if recorded else None)
            graph = bodies.graph_of_kind(kind)
            runner = AsyncRunner(checkpointer=checkpointer if recorded else None)

            async def events() -> AsyncIterator[Any]:
                async with runner.iter(
                    graph, {"given": 1}, **workflow_options(checkpointer if recorded else None)
                ) as run:
                    await bodies.started.wait()
                    yield run
                    if ending == "raised":
                        raise ValueError("within")

            source = events()
            await anext(source)
            bodies.release_after_interrupt()
            with suppress(ValueError, StopAsyncIteration):
                await (source.aclose() if ending == "closed" else anext(source))  # type: ignore[attr-defined]
            assert_cleaned_up(bodies)
            if recorded:
                bodies.hangs = False
                await runner.run(graph, {}, workflow_id="w")
                assert bodies.peak == 1
                assert bodies.calls == ["first", "last"]

    run_with_timeout(main(), TIMEOUT_SECONDS)
