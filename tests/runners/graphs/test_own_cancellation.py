"""A body that ends with CancelledError although nothing cancelled its run: a failure of its node, wherever it runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from holdwater import AsyncRunner, BodyCancelled, Graph, MemoryCheckpointer, RetryPolicy, SyncRunner, node
from holdwater.events import EventProcessor, NodeErrorEvent
from tests.runners.graphs.samples import wait


async def cancelled_task() -> None:
    inner = asyncio.create_task(asyncio.Event().wait())
    inner.cancel()
    await inner


async def cancelled_future() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def raised() -> None:
    raise asyncio.CancelledError


async def itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


def of_coroutine(end: Callable[[], Any]) -> Any:
    @node(output_name="y")
    async def body(x: int) -> int:
        if x == 2:
            await end()
        return x * 10

    return body


def of_generator(end: Callable[[], Any]) -> Any:
    @node(output_name="y")
    async def body(x: int) -> AsyncIterator[int]:
        yield x
        if x == 2:
            await end()
        yield x * 10

    return body


def of_function(error: BaseException) -> Any:
    @node(output_name="y")
    def body(x: int) -> int:
        if x == 2:
            raise error
        return x * 10

    return body


def of_plain_generator(error: BaseException) -> Any:
    @node(output_name="y")
    def body(x: int) -> Iterator[int]:
        yield x
        if x == 2:
            raise error

    return body


IN_A_LOOP = {
    "task": of_coroutine(cancelled_task),
    "future": of_coroutine(cancelled_future),
    "raised": of_coroutine(raised),
    "itself": of_coroutine(itself),
    "generator": of_generator(cancelled_task),
}
PLAIN = {
    "asyncio": of_function(asyncio.CancelledError()),
    "plain generator": of_plain_generator(asyncio.CancelledError()),
}
BODIES = [pytest.param(body, id=name) for name, body in {**IN_A_LOOP, **PLAIN}.items()]
PLAIN_BODIES = [pytest.param(body, id=name) for name, body in PLAIN.items()]


def is_told(error: BaseException | None) -> None:
    assert type(error) is BodyCancelled
    assert type(error.__cause__) is asyncio.CancelledError


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_run(body: Any, recorded: bool) -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
            with pytest.raises(BodyCancelled) as caught:
                await runner.run(Graph([body], name="g"), {"x": 2})
            is_told(caught.value)
            result = await runner.run(Graph([body], name="g"), {"x": 2}, error_handling="continue")
            is_told(result.error)

    wait(main())


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("width", [None, 1])
def test_a_map_keeps_its_length(body: Any, width: int | None) -> None:
    async def main() -> None:
        runner, inputs = AsyncRunner(max_concurrency=width), {"x": [1, 2, 3]}
        results = await runner.map(Graph([body]), inputs, map_over="x", error_handling="continue")
        assert [one.failed for one in results] == [False, True, False]
        is_told(results[1].error)
        with pytest.raises(BodyCancelled, match="CancelledError"):
            await runner.map(Graph([body]), inputs, map_over="x")

    wait(main())


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_nested_map_keeps_its_length(body: Any, recorded: bool) -> None:
    @node(output_name="count")
    def count(y: list[Any]) -> list[bool]:
        return [one is None for one in y]

    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
            inner = Graph([body], name="inner").as_node().map_over("x", error_handling="continue")
            result = await runner.run(Graph([inner, count], name="g"), {"x": [1, 2, 3]})
            assert result["count"] == [False, True, False]
            with pytest.raises(BodyCancelled):
                await runner.run(Graph([Graph([body], name="inner").as_node(), count], name="h"), {"x": 2})

    wait(main())


@pytest.mark.parametrize("body", PLAIN_BODIES)
@pytest.mark.parametrize("listened", [False, True])
@pytest.mark.parametrize("items", [3, 30], ids=["table", "generated"])
def test_without_a_loop(body: Any, listened: bool, items: int) -> None:
    runner = SyncRunner(event_processors=[EventProcessor()] if listened else [])
    with pytest.raises(BodyCancelled):
        runner.run(Graph([body]), {"x": 2})
    inputs = {"x": list(range(items))}
    results = runner.map(Graph([body]), inputs, map_over="x", error_handling="continue")
    assert [k for k, one in enumerate(results) if one.failed] == [2]
    assert len(results) == items
    is_told(results[2].error)
    with pytest.raises(BodyCancelled) as caught:
        runner.map(Graph([body]), inputs, map_over="x")
    is_told(caught.value)
    with MemoryCheckpointer() as checkpointer, pytest.raises(BodyCancelled):
        SyncRunner(checkpointer=checkpointer).run(Graph([body], name="g"), {"x": 2})


def test_that_of_concurrent_futures_is_an_exception_like_any_other() -> None:
    error = concurrent.futures.CancelledError()
    results = SyncRunner().map(Graph([of_function(error)]), {"x": [1, 2, 3]}, map_over="x", error_handling="continue")
    assert [one.error for one in results] == [None, error, None]


@pytest.mark.parametrize("end", [cancelled_task, raised])
def test_it_is_tried_again_and_heard_of(end: Callable[[], Any]) -> None:
    tries: list[int] = []
    heard: list[Any] = []

    class Ear(EventProcessor):
        def on_event(self, event: Any) -> None:
            heard.append(event)

    @node(output_name="y", retry=RetryPolicy(max_attempts=2, initial_delay=0))
    async def body(x: int) -> int:
        tries.append(x)
        if len(tries) == 1:
            await end()
        return x

    assert wait(AsyncRunner(event_processors=[Ear()]).run(Graph([body]), {"x": 1})) == {"y": 1}
    assert len(tries) == 2
    assert [type(event.error).__name__ for event in heard if isinstance(event, NodeErrorEvent)] in (
        ["BodyCancelled"],
        ["str"],
    )
