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
"""held for a moment by whoever sets a promise, or adds to its listeners; one for all, because making one costs more"""


class Future(Generic[T]):
    """Set once, by `resolve` or `reject_waiters`; later calls of either do nothing."""

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
        for tell in self._callbacks or ():
            try:
                tell(self)
            except BaseException:  # whoever sets a promise has no part in what its listeners do
                logger.exception("a listener of a promise raised; the others are told")

    @property
    def done(self) -> bool:
        return self._done

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Block until it is set; False if the time ran out first."""
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
        """Whatever becomes of this, becomes of the other."""

        def tell(done: Future[T]) -> None:
            target._finish(done._value, done._error)

        self.add_done_callback(tell)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `tell(self)` when it is set, in the thread that sets it; at once if it is.

        What `tell` raises in another thread is logged and goes no further.
        """
        with _state_lock:
            if not self._done:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback(self)


async def wrap_future(promise: Future[Any]) -> None:
    """Wait for a promise in the running event loop.  A loop that closes before is no concern of who sets it."""
    import asyncio

    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def set_() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def tell(_: Future[Any]) -> None:
        call_in_loop(loop, set_)

    promise.add_done_callback(tell)
    await arrived


def call_in_loop(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> bool:
    """Have an event loop call `act`, from another thread; False if the loop is closed, and with it all that waited."""
    try:
        loop.call_soon_threadsafe(act)
    except RuntimeError:
        if loop.is_closed():
            return False
        raise
    return True
