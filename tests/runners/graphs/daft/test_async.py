"""Coroutine functions: in the order of the rows, within the limit, on one loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

from holdwater import DaftRunner, Graph, node


class Gauge:
    """How many calls are inside at once."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    async def pause(self, steps: int) -> None:
        self.now += 1
        self.peak = max(self.peak, self.now)
        for _ in range(steps):
            await asyncio.sleep(0)
        self.now -= 1


def slow_first_graph(gauge: Gauge) -> Graph:
    @node(output_name="y")
    async def wait(x: int) -> int:
        await gauge.pause(40 - x % 40)
        if x == 5:
            raise ValueError("five")
        return -x

    return Graph([wait])


def test_rows_keep_their_order_and_one_failure_is_one_row() -> None:
    size = 300
    found = DaftRunner(batch_size=32).map(slow_first_graph(Gauge()), {"x": [*range(size)]}, map_over="x").to_pydict()
    assert found["x"] == [*range(size)]
    assert found["y"] == [None if x == 5 else -x for x in range(size)]
    assert [index for index, text in enumerate(found["_error"]) if text] == [5]


def test_the_limit_counts_calls_of_all_batches() -> None:
    gauge = Gauge()
    frame = DaftRunner(max_concurrency=3, batch_size=16).map(slow_first_graph(gauge), {"x": [*range(64)]}, map_over="x")
    frame.collect()
    assert gauge.peak == 3


def test_the_limit_counts_calls_in_nested_graphs() -> None:
    gauge = Gauge()
    mapped = slow_first_graph(gauge).as_node(name="inner").map_over("x", error_handling="continue")
    found = DaftRunner(max_concurrency=4).map(Graph([mapped]), {"x": [[*range(10)]] * 5}, map_over="x").to_pydict()
    assert found["y"] == [[0, -1, -2, -3, -4, None, -6, -7, -8, -9]] * 5
    assert gauge.peak == 4


def test_all_rows_at_once_within_the_limit() -> None:
    async def meet(x: int, barrier: asyncio.Barrier) -> int:
        await asyncio.wait_for(barrier.wait(), 20)
        return x

    graph = Graph([node(meet, output_name="y")]).bind(barrier=asyncio.Barrier(30))
    assert DaftRunner().map(graph, {"x": [*range(30)]}, map_over="x").to_pydict()["y"] == [*range(30)]


def test_batches_share_a_loop() -> None:
    loops: set[Any] = set()

    @node(output_name="y")
    async def where(x: int) -> int:
        loops.add(asyncio.get_running_loop())
        return x

    DaftRunner(batch_size=2).map(Graph([where]), {"x": [*range(10)]}, map_over="x").collect()
    DaftRunner().run(Graph([where]), {"x": 1})
    assert len(loops) == 1


def test_plain_functions_beside_them_may_block_and_run_loops() -> None:
    threads: set[int] = set()

    @node(output_name="loop_thread")
    async def there(x: int) -> int:
        return threading.get_ident()

    @node(output_name="y")
    def nested_loop(x: int, loop_thread: int) -> int:
        threads.add(threading.get_ident())
        assert threading.get_ident() != loop_thread
        return asyncio.run(asyncio.sleep(0, x))

    assert DaftRunner().map(Graph([there, nested_loop]), {"x": [1, 2]}, map_over="x").to_pydict()["y"] == [1, 2]


def test_async_generators() -> None:
    @node(output_name="y")
    async def count(x: int) -> AsyncIterator[int]:
        for k in range(x):
            yield k

    assert DaftRunner().map(Graph([count]), {"x": [0, 2]}, map_over="x").to_pydict()["y"] == [[], [0, 1]]


def test_a_cancelled_future_is_a_failure_of_its_row() -> None:
    @node(output_name="y")
    async def cancelled(x: int) -> int:
        if x == 1:
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task
        return x

    found = DaftRunner().map(Graph([cancelled]), {"x": [0, 1, 2]}, map_over="x").to_pydict()
    assert found["y"] == [0, None, 2]
    assert found["_error"][1].startswith("FunctionCancelled")


def test_a_coroutine_function_that_waits_for_other_rows() -> None:
    @node(output_name="y")
    async def double(x: int) -> int:
        return 2 * x

    inner = Graph([double])

    @node(output_name="z")
    async def through_rows(x: int) -> int:
        found: int = DaftRunner().run(inner, {"x": x})["y"]
        return found

    assert DaftRunner().map(Graph([through_rows]), {"x": [1, 2]}, map_over="x").to_pydict()["z"] == [2, 4]
