"""Shutdown: bodies are told when it begins, and what ends because of it goes on with the next runner."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TaskHandle
from holdwater.executors import ProcessExecutor
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

FOR_EVER_MS = 3_600_000
GRACE_SECONDS = 3600.0
"""a shutdown that takes all of it is ended by the limit of the test"""

Stop = Callable[[TaskHandle], Any]


def wait_for_cancel(handle: TaskHandle) -> None:
    pause = threading.Event()
    while not handle.cancelled:
        pause.wait(0.001)


def returns(handle: TaskHandle) -> None:
    wait_for_cancel(handle)


def raises_if_cancelled(handle: TaskHandle) -> None:
    wait_for_cancel(handle)
    handle.raise_if_cancelled()


def raises_of_its_own(handle: TaskHandle) -> None:
    wait_for_cancel(handle)
    raise ConnectionError("closed, because the runner shuts down")


def defers(handle: TaskHandle) -> None:
    handle.defer_until(lambda: False, poll_interval_ms=FOR_EVER_MS)


def waits_for_a_child(handle: TaskHandle) -> None:
    handle.execute("child")


def is_cancelled_in_a_loop_of_its_own(handle: TaskHandle) -> None:
    async def main() -> None:
        wait_for_cancel(handle)
        raise asyncio.CancelledError

    asyncio.run(main())


async def raises_in_a_coroutine(handle: TaskHandle) -> None:
    while not handle.cancelled:
        await asyncio.sleep(0.001)
    handle.raise_if_cancelled()


async def defers_in_a_coroutine(handle: TaskHandle) -> None:
    await handle.defer_until_async(lambda: handle.cancelled, poll_interval_ms=1)


async def awaits_a_child(handle: TaskHandle) -> None:
    await handle.execute_async("child")


RESTARTED_TASKS = [
    raises_if_cancelled,
    raises_of_its_own,
    defers,
    waits_for_a_child,
    is_cancelled_in_a_loop_of_its_own,
    raises_in_a_coroutine,
    defers_in_a_coroutine,
    awaits_a_child,
]


class InterruptedWorkflow:
    """`a` stops in this way when it runs first; then `b`."""

    def __init__(self, define: Define, stop: Stop) -> None:
        self.starts = threading.Semaphore(0)
        self.attempts: list[int] = []
        self.children = 0
        self.waits_for = 2 if stop in (waits_for_a_child, awaits_a_child) else 1
        define("child", ("c", self._child_function, {}))
        body: Any = (
            self._task_function(stop) if not asyncio.iscoroutinefunction(stop) else self._async_task_function(stop)
        )
        define("w", ("a", body, {}), ("b", lambda context: context.set("done", True), {"dependencies": ["a"]}))

    def _child_function(self, context: Context, handle: TaskHandle) -> None:
        self.children += 1
        self.starts.release()
        if self.children == 1:
            raises_if_cancelled(handle)

    def _is_first(self, handle: TaskHandle) -> bool:
        self.attempts.append(handle.attempt)
        self.starts.release()
        return len(self.attempts) == 1

    def _task_function(self, stop: Stop) -> Stop:
        def body(context: Context, handle: TaskHandle) -> None:
            if self._is_first(handle) or stop is waits_for_a_child:
                stop(handle)

        return body  # type: ignore[return-value]

    def _async_task_function(self, stop: Stop) -> Stop:
        async def body(context: Context, handle: TaskHandle) -> None:
            if self._is_first(handle) or stop is awaits_a_child:
                await stop(handle)

        return body  # type: ignore[return-value]

    def wait_started(self) -> None:
        for _ in range(self.waits_for):
            assert self.starts.acquire(timeout=SIGNAL_TIMEOUT_SECONDS), "the body did not begin"


@pytest.mark.parametrize("stop", RESTARTED_TASKS)
def test_a_task_that_ends_because_of_the_shutdown_is_rerun(
    stop: Stop, open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    flow = InterruptedWorkflow(define, stop)
    first = open_runner(shutdown_timeout_seconds=GRACE_SECONDS)
    run_id = first.submit("w").run_id
    flow.wait_started()
    first.shutdown()
    second = open_runner()
    result = second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context["done"]
    assert flow.attempts == [1, 1]  # one that was handed on does not count
    assert flow.children in (0, 2)
    assert len(second.list_runs()) == (1 if not flow.children else 2)


def test_a_task_that_returns_is_completed(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    flow = InterruptedWorkflow(define, returns)
    first = open_runner(shutdown_timeout_seconds=GRACE_SECONDS)
    run_id = first.submit("w").run_id
    flow.wait_started()
    first.shutdown()
    assert open_runner().handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert flow.attempts == [1]


def test_a_task_that_raises_without_seeing_the_shutdown_has_failed(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    began, shutting = threading.Semaphore(0), threading.Event()

    def heedless(context: Context) -> None:
        began.release()
        assert shutting.wait(SIGNAL_TIMEOUT_SECONDS)
        raise ValueError("no luck")

    def watching(context: Context, handle: TaskHandle) -> None:
        began.release()
        wait_for_cancel(handle)
        shutting.set()

    define("w", ("a", heedless, {}))
    define("watching", ("a", watching, {}))
    first = open_runner(shutdown_timeout_seconds=GRACE_SECONDS)
    run_id = first.submit("w").run_id
    first.submit("watching")
    for _ in range(2):
        assert began.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    first.shutdown()
    assert open_runner().handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"


async def ignores_cancellation(handle: TaskHandle) -> None:
    await asyncio.Event().wait()


def test_a_coroutine_that_does_not_heed_it_is_cancelled_when_the_grace_is_over(
    open_runner: Callable[..., DefaultRunner], define: Define, caplog: pytest.LogCaptureFixture
) -> None:
    flow = InterruptedWorkflow(define, ignores_cancellation)
    first = open_runner(shutdown_timeout_seconds=0.01)
    run_id = first.submit("w").run_id
    flow.wait_started()
    first.shutdown()
    assert open_runner().handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert flow.attempts == [1, 1]
    assert not [record for record in caplog.records if "failed at attempt" in record.getMessage()]


def polls_in_worker(context: Context, handle: TaskHandle) -> None:
    mark = Path(context["mark"])
    if not mark.exists():
        mark.touch()
        wait_for_cancel(handle)
        handle.raise_if_cancelled()


def test_a_task_in_a_worker_process_sees_the_cancellation(
    open_runner: Callable[..., DefaultRunner], define: Define, tmp_path: Path
) -> None:
    define("w", ("a", polls_in_worker, {"executor": "cpu"}))
    options: dict[str, Any] = {"executors": {"cpu": ProcessExecutor(1)}, "shutdown_timeout_seconds": GRACE_SECONDS}
    first, mark = open_runner(**options), tmp_path / "mark"
    handle = first.submit("w", {"mark": str(mark)})
    pause = threading.Event()
    while not mark.exists():
        pause.wait(0.01)
    first.shutdown()
    result = open_runner(**options).handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.task_results[0].attempt_count) == ("Completed", 1)


@pytest.mark.parametrize("raises", [False, True])
def test_async_with_leaves_the_event_loop_to_running_tasks(tmp_path: Path, define: Define, raises: bool) -> None:
    """The body ends only if the caller's loop, which waits for the shutdown, goes on meanwhile."""
    began, let_go = threading.Event(), threading.Event()

    def body(context: Context) -> None:
        began.set()
        assert let_go.wait(SIGNAL_TIMEOUT_SECONDS)

    define("w", ("a", body, {}))
    url = f"sqlite:///{tmp_path}/a.db"

    async def main() -> None:
        config = DefaultRunnerConfig(shutdown_timeout_seconds=GRACE_SECONDS)
        async with DefaultRunner(url, config=config) as runner:
            await asyncio.to_thread(runner.submit, "w")
            assert await asyncio.to_thread(began.wait, SIGNAL_TIMEOUT_SECONDS)
            asyncio.get_running_loop().call_soon(let_go.set)  # not before the block is left
            if raises:
                raise ConnectionError("the caller's own")

    if raises:
        with pytest.raises(ConnectionError, match="the caller's own"):
            asyncio.run(main())
    else:
        asyncio.run(main())
    assert let_go.is_set()
    with DefaultRunner(url) as after:
        (run,) = after.list_runs()
        assert after.handle(run.run_id).result(SIGNAL_TIMEOUT_SECONDS).task_results[0].attempt_count == 1


def test_a_cancelled_wait_leaves_the_run_alone_and_nothing_behind(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    began, open_ = threading.Event(), threading.Event()

    def body(context: Context) -> None:
        began.set()
        assert open_.wait(SIGNAL_TIMEOUT_SECONDS)

    define("w", ("a", body, {}))
    runner = open_runner()
    run_ids: list[str] = []

    async def awaits_a_handle() -> None:
        handle = runner.submit("w")
        run_ids.append(handle.run_id)
        await handle

    async def awaits_what_others_began() -> None:
        await runner.handle(run_ids[0])

    async def executes() -> None:
        await runner.execute_async("w")

    async def main(wait: Callable[[], Any]) -> None:
        task = asyncio.create_task(wait())
        while not began.is_set() or not run_ids:
            await asyncio.sleep(0)
            if wait is executes and began.is_set():
                run_ids[:] = [run.run_id for run in runner.list_runs()]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for wait in (awaits_a_handle, awaits_what_others_began):
        asyncio.run(main(wait))  # returns although the body goes on: no thread waits for it
    began.clear()
    asyncio.run(main(executes))
    open_.set()
    assert {runner.handle(run.run_id).result(SIGNAL_TIMEOUT_SECONDS).status for run in runner.list_runs()} == {
        "Completed"
    }
    assert len(runner.list_runs()) == 2
