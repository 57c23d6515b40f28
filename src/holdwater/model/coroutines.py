"""Coroutines run to their end: from plain code, in the loop of another thread, and when who waits is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


async def wait_all_shielded(futures: Iterable[asyncio.Future[Any]]) -> None:
    """Wait until all of these are done, however often this is cancelled meanwhile; then raise the cancellation.

    A scope of anyio cancels its tasks again at every await until they have left it.
    """
    import asyncio

    futures = [*futures]
    cancelled: asyncio.CancelledError | None = None
    while left := [future for future in futures if not future.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def await_shielded(awaitable: Awaitable[T]) -> T:
    """Await it, however often this is cancelled meanwhile; then raise the cancellation, or what it has raised."""
    import asyncio

    task = asyncio.ensure_future(awaitable)
    try:
        await wait_all_shielded([task])
    except asyncio.CancelledError as cancelled:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise error from cancelled
        raise
    return task.result()


class ForeignLoopCall(Generic[T]):
    """A coroutine that runs in the loop of another thread.

    `result` is kept when it has really ended, which after `cancel` is when its cleanup is over.  A loop that is closed
    cancels it.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        """Begin, with the context variables of the running context."""
        self.future: Future[T] = Future()
        self._coroutine, self._loop = coroutine, loop
        self._task: asyncio.Task[T] | None = None
        self._cancel_requested = False
        if not self._call_soon(self._create_task):
            coroutine.close()

    def cancel(self) -> None:
        """From any thread."""
        if not self._cancel_requested and not self.future.done():
            self._cancel_requested = True  # once: a second one would end the cleanup
            self._call_soon(self._cancel_task)

    def _call_soon(self, callback: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            self.future.cancel()
            return False
        return True

    def _create_task(self) -> None:
        if self._cancel_requested:
            self._coroutine.close()
            self.future.cancel()
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._copy_outcome)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _copy_outcome(self, task: asyncio.Task[T]) -> None:
        if self.future.done():
            return
        if task.cancelled():
            self.future.cancel()
        elif (error := task.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(task.result())

    async def wait(self) -> T:
        """Wait for its end in the running loop.

        A cancellation is passed on, and raised when the coroutine has ended, unless that has returned all the same.
        """
        import asyncio

        waiting = asyncio.wrap_future(self.future)
        cancelled: asyncio.CancelledError | None = None
        while not waiting.done():
            try:
                await asyncio.wait([waiting])
            except asyncio.CancelledError as error:
                cancelled = error
                self.cancel()
        if cancelled is not None and (waiting.cancelled() or waiting.exception() is not None):
            raise cancelled
        return waiting.result()


def run_awaitable(awaitable: Awaitable[T]) -> T:
    """`asyncio.run` for any awaitable and any exception.

    asyncio looks at the exception of its main task, and never ends if code of the exception's class raises then.  So
    the outcome is returned to it, and raised here.
    """
    import asyncio

    value, error = asyncio.run(_capture_outcome(awaitable))
    if error is not None:
        raise error
    return cast("T", value)


async def _capture_outcome(awaitable: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    import asyncio

    try:
        return await awaitable, None
    except asyncio.CancelledError:  # Ctrl-C: asyncio turns it into KeyboardInterrupt
        raise
    except BaseException as error:  # noqa: BLE001 - raised by `run_to_end`
        return None, error
