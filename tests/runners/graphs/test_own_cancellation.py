"""A body that ends with CancelledError although nothing cancelled its run: a failure of its node, wherever it runs."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from holdwater import AsyncRunner, Graph, RetryPolicy, SyncRunner, node
from holdwater.checkpointers import MemoryCheckpointer
from holdwater.errors import FunctionCancelled
from holdwater.events import EventProcessor, NodeErrorEvent
from tests.runners.graphs.samples import run_with_timeout


async def await_cancelled_task() -> None:
    inner = asyncio.create_task(asyncio.Event().wait())
    inner.cancel()
    await inner


async def await_cancelled_future() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def raise_cancelled_error() -> None:
    raise asyncio.CancelledError


async def cancel_current_task() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.Event().wait()


def coroutine_node(cancel: Callable[[], Any]) -> Any:
    @node(output_name="y")
    async def body(x: int) -> int:
        if x == 2:
            await cancel()
        return x * 10

    return body


def async_generator_node(cancel: Callable[[], Any]) -> Any:
    @node(output_name="y")
    async def body(x: int) -> AsyncIterator[int]:
        yield x
        if x == 2:
            await cancel()
        yield x * 10

    return body


def function_node(error: BaseException) -> Any:
    @node(output_name="y")
    def body(x: int) -> int:
        if x == 2:
            raise error
        return x * 10

    return body


def generator_node(error: BaseException) -> Any:
    @node(output_name="y")
    def body(x: int) -> Iterator[int]:
        yield x
        if x == 2:
            raise error

    return body


IN_A_LOOP = {
    "task": coroutine_node(await_cancelled_task),
    "future": coroutine_node(await_cancelled_future),
    "raised": coroutine_node(raise_cancelled_error),
    "itself": coroutine_node(cancel_current_task),
    "generator": async_generator_node(await_cancelled_task),
}
PLAIN = {
    "asyncio": function_node(asyncio.CancelledError()),
    "plain generator": generator_node(asyncio.CancelledError()),
}
NODES = [pytest.param(body, id=name) for name, body in {**IN_A_LOOP, **PLAIN}.items()]
PLAIN_NODES = [pytest.param(body, id=name) for name, body in PLAIN.items()]


def assert_function_cancelled(error: BaseException | None) -> None:
    assert type(error) is FunctionCancelled
    assert type(error.__cause__) is asyncio.CancelledError


@pytest.mark.parametrize("body", NODES)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_run(body: Any, recorded: bool) -> None:
    async def main() -> None:
        with MemoryCheckpointer() as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer if recorded else None)
            with pytest.raises(FunctionCancelled) as caught:
                await runner.run(Graph([body], name="g"), {"x": 2})
            assert_function_cancelled(caught.value)
            result = await runner.run(Graph([body], name="g"), {"x": 2}, error_handling="continue")
            assert_function_cancelled(result.error)

    run_with_timeout(main())


@pytest.mark.parametrize("body", NODES)
@pytest.mark.parametrize("width", [None, 1])
def test_a_map_keeps_its_length(body: Any, width: int | None) -> None:
    async def main() -> None:
        runner, inputs = AsyncRunner(max_concurrency=width), {"x": [1, 2, 3]}
        results = await runner.map(Graph([body]), inputs, map_over="x", error_handling="continue")
        assert [one.failed for one in results] == [False, True, False]
        assert_function_cancelled(results[1].error)
        with pytest.raises(FunctionCancelled, match="CancelledError"):
            await runner.map(Graph([body]), inputs, map_over="x")

    run_with_timeout(main())


@pytest.mark.parametrize("body", NODES)
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
            with pytest.raises(FunctionCancelled):
                await runner.run(Graph([Graph([body], name="inner").as_node(), count], name="h"), {"x": 2})

    run_with_timeout(main())


@pytest.mark.parametrize("body", PLAIN_NODES)
@pytest.mark.parametrize("listened", [False, True])
@pytest.mark.parametrize("items", [3, 30], ids=["table", "generated"])
def test_without_a_loop(body: Any, listened: bool, items: int) -> None:
    runner = SyncRunner(event_processors=[EventProcessor()] if listened else [])
    with pytest.raises(FunctionCancelled):
        runner.run(Graph([body]), {"x": 2})
    inputs = {"x": list(range(items))}
    results = runner.map(Graph([body]), inputs, map_over="x", error_handling="continue")
    assert [k for k, one in enumerate(results) if one.failed] == [2]
    assert len(results) == items
    assert_function_cancelled(results[2].error)
    with pytest.raises(FunctionCancelled) as caught:
        runner.map(Graph([body]), inputs, map_over="x")
    assert_function_cancelled(caught.value)
    with MemoryCheckpointer() as checkpointer, pytest.raises(FunctionCancelled):
        SyncRunner(checkpointer=checkpointer).run(Graph([body], name="g"), {"x": 2})


def test_that_of_concurrent_futures_is_an_exception_like_any_other() -> None:
    error = concurrent.futures.CancelledError()
    results = SyncRunner().map(Graph([function_node(error)]), {"x": [1, 2, 3]}, map_over="x", error_handling="continue")
    assert [one.error for one in results] == [None, error, None]


@pytest.mark.parametrize("end", [await_cancelled_task, raise_cancelled_error])
def test_it_is_retried_and_reported(end: Callable[[], Any]) -> None:
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

    assert run_with_timeout(AsyncRunner(event_processors=[Ear()]).run(Graph([body]), {"x": 1})) == {"y": 1}
    assert len(tries) == 2
    assert [type(event.error).__name__ for event in heard if isinstance(event, NodeErrorEvent)] in (
        ["FunctionCancelled"],
        ["str"],
    )
