"""A value that comes later, once.  A bare lock: several times cheaper than an Event or a Future."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from holdwater.model.log_context import get_logger

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

logger: Final = get_logger("holdwater.runner")

_state_lock = _thread.allocate_lock()
"""held for a moment by threads that set a future or add a callback; one for all, because making one costs more"""


class Future(Generic[T]):
    """Set once, by `set_result` or `set_exception`; later calls of either do nothing."""

    __slots__ = ("_callbacks", "_done", "_done_lock", "_error", "_value")

    def __init__(self) -> None:
        self._done_lock = _thread.allocate_lock()
        self._done_lock.acquire()
        self._done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Future[T]], None]] | None = None

    def set_result(self, value: T) -> None:
        self._finish(value, None)

    def set_exception(self, error: BaseException) -> None:
        self._finish(None, error)

    def _finish(self, value: T | None, error: BaseException | None) -> None:
        with _state_lock:
            if self._done:
                return
            self._value, self._error, self._done = value, error, True
        self._done_lock.release()
        for callback in self._callbacks or ():
            try:
                callback(self)
            except BaseException:  # the thread that sets a future has no part in its callbacks
                logger.exception("a callback of a future raised; the others are called")

    @property
    def done(self) -> bool:
        return self._done

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Block until it is set; returns False if the time ran out first."""
        if not self._done:
            seconds = -1 if timeout_seconds is None else min(max(timeout_seconds, 0.0), 1e6)
            if not self._done_lock.acquire(timeout=seconds):
                return self._done
            self._done_lock.release()
        return True

    def result(self) -> T:
        """The value, or the error raised.  Only once it is done."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def chain(self, target: Future[Any]) -> None:
        """Set the other future as this one is set."""

        def set_target(done: Future[T]) -> None:
            target._finish(done._value, done._error)

        self.add_done_callback(set_target)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `callback(self)` when it is set, in the thread that sets it; at once if it is.

        An error that `callback` raises in another thread is logged and goes no further.
        """
        with _state_lock:
            if not self._done:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback(self)


async def wrap_future(future: Future[Any]) -> None:
    """Wait for a future in the running event loop.

    A loop that closes before is no error for the thread that sets it.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def set_() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def on_done(_: Future[Any]) -> None:
        call_in_loop(loop, set_)

    future.add_done_callback(on_done)
    await arrived


def call_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> bool:
    """Have an event loop call `callback`, from another thread; returns False if the loop is closed."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        if loop.is_closed():
            return False
        raise
    return True
