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
        self.result: Future[T] = Future()
        self._coroutine, self._loop = coroutine, loop
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False
        if not self._call(self._begin):
            coroutine.close()

    def cancel(self) -> None:
        """From any thread."""
        if not self._cancelled and not self.result.done():
            self._cancelled = True  # once: a second one would end the cleanup
            self._call(self._pass_on)

    def _call(self, act: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(act)
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            self.result.cancel()
            return False
        return True

    def _begin(self) -> None:
        if self._cancelled:
            self._coroutine.close()
            self.result.cancel()
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._ended)

    def _pass_on(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if self.result.done():
            return
        if task.cancelled():
            self.result.cancel()
        elif (error := task.exception()) is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(task.result())

    async def arrived(self) -> T:
        """Wait for its end in the running loop.

        A cancellation is passed on, and raised when the coroutine has ended, unless that has returned all the same.
        """
        import asyncio

        waiting = asyncio.wrap_future(self.result)
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


def run_to_end(awaitable: Awaitable[T]) -> T:
    """`asyncio.run` for any awaitable and any exception.

    asyncio looks at the exception of its main task, and never ends if code of the exception's class raises then.  So
    the outcome is returned to it, and raised here.
    """
    import asyncio

    value, error = asyncio.run(_outcome(awaitable))
    if error is not None:
        raise error
    return cast("T", value)


async def _outcome(awaitable: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    import asyncio

    try:
        return await awaitable, None
    except asyncio.CancelledError:  # Ctrl-C: asyncio turns it into KeyboardInterrupt
        raise
    except BaseException as error:  # noqa: BLE001 - raised by `run_to_end`
        return None, error
