"""Limit of concurrent functions: one limiter per outermost call, for all its nodes, nested graphs and map items.

Only functions of leaves hold a permit, never a nested graph or a map, so that nesting cannot deadlock.  Permits are
acquired from event loops and threads, and granted first come, first served.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from holdwater.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

_limiter_var: ContextVar[CapacityLimiter | None] = ContextVar("holdwater_limiter", default=None)


def current_limiter() -> CapacityLimiter | None:
    """Return the limiter of the current call; None without a limit."""
    return _limiter_var.get()


@contextmanager
def concurrency_limit(max_concurrency: int | None) -> Iterator[None]:
    """Limit the concurrency inside the block, unless it is limited already.  Raises ConfigError for less than 1."""
    if max_concurrency is not None and (type(max_concurrency) is not int or max_concurrency < 1):
        raise ConfigError(f"max_concurrency is an integer of 1 or more, or None for no limit, not {max_concurrency!r}")
    if max_concurrency is None or _limiter_var.get() is not None:
        yield
        return
    with limited_by(CapacityLimiter(max_concurrency)):
        yield


@contextmanager
def limited_by(capacity_limiter: CapacityLimiter) -> Iterator[None]:
    """Limit the concurrency inside the block, together with other blocks that have this limiter.

    The limiter of an enclosing block counts instead.
    """
    if _limiter_var.get() is not None:
        yield
        return
    token = _limiter_var.set(capacity_limiter)
    try:
        yield
    finally:
        _limiter_var.reset(token)


class _Waiter:
    __slots__ = ("granted", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.granted = False


class CapacityLimiter:
    """A number of permits; each acquired one must be released."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._available = capacity
        self._waiters: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    async def acquire(self) -> None:
        """Wait for a permit in the running loop.  A cancelled wait leaves no permit behind."""
        import asyncio

        if self._try_acquire():
            return
        loop = asyncio.get_running_loop()
        granted = loop.create_future()
        waiter = _Waiter(lambda: _set_granted(loop, granted))
        if self._enqueue_or_acquire(waiter):
            try:
                await granted
            except asyncio.CancelledError:
                self._cancel_wait(waiter)
                raise

    def acquire_blocking(self) -> None:
        """Wait for a permit in this thread."""
        if self._try_acquire():
            return
        granted = threading.Event()
        waiter = _Waiter(granted.set)
        if self._enqueue_or_acquire(waiter):
            try:
                granted.wait()
            except BaseException:  # Ctrl-C in the main thread
                self._cancel_wait(waiter)
                raise

    def release(self) -> None:
        with self._lock:
            if not self._waiters:
                self._available += 1
                return
            waiter = self._waiters.popleft()
            waiter.granted = True
        waiter.wake()

    def _try_acquire(self) -> bool:
        with self._lock:
            if self._available:
                self._available -= 1
                return True
            return False

    def _enqueue_or_acquire(self, waiter: _Waiter) -> bool:
        """Acquire a free permit (False), or add the waiter to the queue (True)."""
        with self._lock:
            if self._available:
                self._available -= 1
                return False
            self._waiters.append(waiter)
            return True

    def _cancel_wait(self, waiter: _Waiter) -> None:
        with self._lock:
            if not waiter.granted:
                self._waiters.remove(waiter)
                return
        self.release()


def _set_granted(loop: asyncio.AbstractEventLoop, granted: asyncio.Future[None]) -> None:
    import asyncio

    def grant() -> None:
        if not granted.done():
            granted.set_result(None)

    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here:
        grant()
    else:
        loop.call_soon_threadsafe(grant)
