from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from holdwater.errors import IncompatibleRunnerError
from holdwater.graphs import FunctionNode, Graph, node
from holdwater.model.policies import RetryPolicy
from holdwater.runners.graphs import AsyncRunner, RunStatus, SyncRunner
from tests.runners.graphs.samples import counter_graph, run_with_timeout, small_graph

runner = AsyncRunner()


def test_plain_functions_coroutines_and_generators() -> None:
    @node(output_name="a")
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @node(output_name="b")
    def now(a: int) -> int:
        return a * 10

    @node(output_name="c")
    async def stream(b: int) -> Any:
        for k in range(2):
            yield b + k

    result = run_with_timeout(runner.run(Graph([later, now, stream]), {"x": 1}))
    assert result == {"c": [20, 21]}
    assert result.status is RunStatus.COMPLETED
    assert run_with_timeout(runner.run(counter_graph(), m=0)) == {"n": 3, "m": 3}
    assert run_with_timeout(runner.run(small_graph(), inputs={"x": 2}, select=["*"])) == {"doubled": 4, "total": 5}


def test_plain_functions_run_in_threads_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(x: int) -> int:
        meeting.wait()
        return threading.get_ident()

    graph = Graph([FunctionNode(meet, name=name, output_name=name + "_id") for name in ("left", "right")])
    result = run_with_timeout(runner.run(graph, {"x": 1}))
    assert len({*result.values(), threading.get_ident()}) == 3


def test_a_ready_node_does_not_wait_for_slow_siblings() -> None:
    async def main() -> Any:
        done = asyncio.Event()

        @node(output_name="slow")
        async def linger(x: int) -> int:
            await done.wait()
            return x

        @node(output_name="quick")
        async def hurry(x: int) -> int:
            return x

        @node(output_name="after")
        async def follow(quick: int) -> int:
            done.set()  # only now the slow one may end
            return quick

        return await runner.run(Graph([linger, hurry, follow]), {"x": 1})

    assert run_with_timeout(main()) == {"slow": 1, "after": 1}


def test_siblings_of_a_failure_finish_and_nothing_follows() -> None:
    called: list[str] = []

    async def main() -> Any:
        failed = asyncio.Event()

        @node(output_name="a")
        async def fail(x: int) -> int:
            failed.set()
            raise ValueError("first")

        @node(output_name="b")
        async def sibling(x: int) -> int:
            await failed.wait()
            await asyncio.sleep(0)
            called.append("sibling")
            return x

        @node(output_name="c")
        async def follow(b: int) -> int:
            called.append("follow")
            return b

        graph = Graph([fail, sibling, follow])
        result = await runner.run(graph, {"x": 1}, error_handling="continue", select=["*"])
        assert result == {"b": 1}
        assert result.status is RunStatus.ERROR
        with pytest.raises(ValueError, match="first"):
            await runner.run(graph, {"x": 1})

    run_with_timeout(main())
    assert called == ["sibling", "sibling"]


def test_of_several_errors_that_of_the_first_node() -> None:
    async def main() -> None:
        second_failed = asyncio.Event()

        @node(output_name="a")
        async def first(x: int) -> int:
            await second_failed.wait()
            raise KeyError("first")

        @node(output_name="b")
        async def second(x: int) -> int:
            second_failed.set()
            raise ValueError("second")

        with pytest.raises(KeyError):
            await runner.run(Graph([first, second]), {"x": 1})

    run_with_timeout(main())


def test_cancelling_cancels_coroutines_and_waits_for_threads() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        lingering, blocking, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        go, ended = threading.Event(), threading.Event()

        @node(output_name="a")
        async def linger(x: int) -> int:
            lingering.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return x

        @node(output_name="b")
        def block(x: int) -> int:
            loop.call_soon_threadsafe(blocking.set)
            assert go.wait(10)
            ended.set()
            return x

        task = asyncio.create_task(runner.run(Graph([linger, block]), {"x": 1}))
        await lingering.wait()
        await blocking.wait()
        task.cancel()
        await cancelled.wait()
        assert not task.done()  # the thread has not ended
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    run_with_timeout(main())


def test_functions_do_not_see_each_others_context_variables() -> None:
    variable = contextvars.ContextVar("variable", default="outside")

    @node(output_name="a")
    async def leave(x: int) -> str:
        before = variable.get()
        variable.set("left behind")
        return before

    @node(output_name="b")
    async def look(a: str) -> str:
        return variable.get()

    @node(output_name="c")
    def look_from_a_thread(b: str) -> str:
        return variable.get()

    async def main() -> Any:
        variable.set("caller")
        return await runner.run(Graph([leave, look, look_from_a_thread]), {"x": 1}, select=["*"])

    assert run_with_timeout(main()) == {"a": "caller", "b": "caller", "c": "caller"}


class _ConcurrencyGauge:
    """How many bodies are inside at once."""

    def __init__(self) -> None:
        self.running = self.peak = 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1


@pytest.mark.parametrize("limit", [1, 3])
def test_max_concurrency_counts_functions_over_nested_graphs_and_items(limit: int) -> None:
    gauge = _ConcurrencyGauge()

    async def work(x: int) -> int:
        with gauge:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return x

    def block(x: int) -> int:
        with gauge:
            return x

    def parts(prefix: str) -> list[Any]:
        return [
            FunctionNode(work, name=f"{prefix}w{k}", output_name=f"{prefix}o{k}", rename_inputs={"x": "x"})
            for k in range(3)
        ] + [FunctionNode(block, name=f"{prefix}t", output_name=f"{prefix}ot")]

    inner = Graph(parts("inner_"), name="inner")
    sync_inner = Graph([FunctionNode(block, name="leaf", output_name="leaf_out")], name="threaded")
    outer = Graph(
        [
            *parts(""),
            inner.as_node(),
            inner.as_node(name="again")
            .rename_inputs(x="xs")
            .map_over("xs")
            .rename_outputs({name: f"many_{name}" for name in inner.outputs}),
            sync_inner.as_node(runner=SyncRunner()),
        ]
    )
    run_with_timeout(runner.run(outer, {"x": 1, "xs": [1, 2, 3]}, max_concurrency=limit))
    assert gauge.peak == limit if limit == 1 else 1 < gauge.peak <= limit
    gauge.peak = 0
    run_with_timeout(runner.map(inner, {"x": [1, 2, 3]}, map_over="x", max_concurrency=limit))
    assert 1 <= gauge.peak <= limit
    gauge.peak = 0
    run_with_timeout(AsyncRunner(max_concurrency=limit).run(outer, {"x": 1, "xs": [1, 2, 3]}))
    assert 1 <= gauge.peak <= limit


def test_limits_of_separate_calls_are_separate() -> None:
    async def main() -> None:
        meeting = asyncio.Barrier(2)

        async def meet(x: int) -> int:
            await meeting.wait()
            return x

        graph = Graph([FunctionNode(meet, output_name="y")])
        runs = [runner.run(graph, {"x": k}, max_concurrency=1) for k in range(2)]
        assert [result["y"] for result in await asyncio.gather(*runs)] == [0, 1]

    run_with_timeout(main())


def test_a_cancelled_wait_for_a_permit_leaves_none_behind() -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def hang(x: int) -> int:
            started.set()
            await asyncio.Event().wait()
            return x

        graph = Graph([FunctionNode(hang, name=f"h{k}", output_name=f"o{k}") for k in range(3)])
        task = asyncio.create_task(runner.run(graph, {"x": 1}, max_concurrency=1))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_with_timeout(main())


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_wrong_max_concurrency(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        run_with_timeout(runner.run(small_graph(), {"x": 1}, max_concurrency=limit))


def test_timeout_stops_a_coroutine() -> None:
    async def hang(x: int) -> int:
        await asyncio.Event().wait()
        return x

    with pytest.raises(TimeoutError, match=r"node 'hang' ran longer than 0\.01 s"):
        run_with_timeout(runner.run(Graph([FunctionNode(hang, output_name="y", timeout=0.01)]), {"x": 1}))
    with pytest.raises(IncompatibleRunnerError, match="timeout"):
        run_with_timeout(
            runner.run(Graph([FunctionNode(lambda x: x, name="plain", output_name="y", timeout=1)]), {"x": 1})
        )


def test_retry() -> None:
    tries: list[int] = []

    async def flaky(x: int) -> int:
        tries.append(x)
        if len(tries) < 3:
            raise ConnectionError("gone")
        return x

    policy = RetryPolicy(max_attempts=3, backoff="fixed", initial_delay=0.001)
    assert run_with_timeout(runner.run(Graph([FunctionNode(flaky, output_name="y", retry=policy)]), {"x": 1})) == {
        "y": 1
    }
    assert len(tries) == 3


def test_stop_iteration_of_a_plain_function_is_an_error_like_others() -> None:
    def stop(x: int) -> int:
        raise StopIteration

    with pytest.raises((StopIteration, RuntimeError)):
        run_with_timeout(runner.run(Graph([FunctionNode(stop, output_name="y")]), {"x": 1}))


def test_workflow_id_needs_a_checkpointer() -> None:
    with pytest.raises(ValueError, match="checkpointer"):
        run_with_timeout(runner.run(small_graph(), {"x": 1}, workflow_id="w"))
