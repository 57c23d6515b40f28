"""Calls between event loops and threads."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from holdwater.model.cancellation_token import CANCELLATION_TOKEN, CancelToken
from holdwater.model.coroutines import ForeignLoopCall, run_awaitable

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T], *, own_thread: bool = False) -> T:
    """Run a function in a worker thread, with this task's context variables.

    A thread cannot be cancelled: if the task is cancelled, the function is told (`STOP`) and waited for.  `own_thread`:
    use a new thread, for a function that waits for others and would occupy a worker they need.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    context, stop = contextvars.copy_context(), CancelToken()
    context.run(CANCELLATION_TOKEN.set, stop)
    own = ThreadPoolExecutor(1) if own_thread else None
    # The outcome is returned, not raised: a future cannot hold StopIteration, and the exception may go unretrieved.
    future = asyncio.get_running_loop().run_in_executor(own, context.run, _capture_outcome, function, stop)
    if own is not None:
        own.shutdown(wait=False)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
            stop.cancel()
    if cancelled is not None:
        raise cancelled
    return _unwrap_outcome(future.result())


def run_in_own_loop(make_coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end from plain code; below a running loop in a thread of its own.

    It is cancelled and waited for when this thread is told to stop, and on Ctrl-C; a second Ctrl-C does not wait.
    Raises Stopped.
    """
    import asyncio

    above = CANCELLATION_TOKEN.get()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_awaitable(make_coroutine()) if above is None else _run_stoppable(make_coroutine, above)
    context, stop = contextvars.copy_context(), CancelToken()
    outcomes: list[tuple[T, None] | tuple[None, BaseException]] = []
    over = threading.Event()

    def run() -> None:
        outcomes.append(context.run(_capture_outcome, lambda: _run_stoppable(make_coroutine, stop), stop))
        over.set()

    thread = threading.Thread(target=run)
    with nullcontext() if above is None else above.on_cancel(stop.cancel):
        try:
            thread.start()
            over.wait()
        except BaseException:  # Ctrl-C
            stop.cancel()
            if thread.ident is not None:  # otherwise it was not started
                over.wait()
            raise
    return _unwrap_outcome(outcomes[0])


def await_from_thread(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine in a loop, from a thread; it is cancelled when the thread is told to stop."""
    carried, stop = ForeignLoopCall(coroutine, loop), CANCELLATION_TOKEN.get()
    with nullcontext() if stop is None else stop.on_cancel(carried.cancel):
        try:
            return carried.future.result()
        except CancelledError:
            if stop is not None:
                stop.raise_if_cancelled()
            raise


def _run_stoppable(make_coroutine: Callable[[], Coroutine[Any, Any, T]], stop: CancelToken) -> T:
    """Run a coroutine, cancelling it when `stop` is set.  Raises Stopped."""
    import asyncio

    async def main() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        with stop.on_cancel(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await make_coroutine()

    try:
        return run_awaitable(main())
    except asyncio.CancelledError:
        stop.raise_if_cancelled()
        raise


def _capture_outcome(function: Callable[[], T], stop: CancelToken) -> tuple[T, None] | tuple[None, BaseException]:
    try:
        stop.raise_if_cancelled()  # it may have waited for a thread
        return function(), None
    except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
        return None, error


def _unwrap_outcome(outcome: tuple[T, None] | tuple[None, BaseException]) -> T:
    value, error = outcome
    if error is not None:
        raise error
    return cast("T", value)
