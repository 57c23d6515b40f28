"""How many bodies may run at once: one budget per outermost call, over all its nodes, nested graphs and map items.

Only bodies of leaves hold a permit, never a nested graph or a map, so that no nesting can wait for itself.  Bodies
wait in loops or in threads, so a budget belongs to neither: permits are handed on in the order they were asked for.
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

_current: ContextVar[Budget | None] = ContextVar("holdwater_budget", default=None)


def current() -> Budget | None:
    """The budget of the call this code belongs to; None: there is no limit."""
    return _current.get()


@contextmanager
def limited(max_concurrency: int | None) -> Iterator[None]:
    """Give what runs inside a budget, unless it has one already.  Raises ConfigError for less than 1."""
    if max_concurrency is not None and (type(max_concurrency) is not int or max_concurrency < 1):
        raise ConfigError(f"max_concurrency is an integer of 1 or more, or None for no limit, not {max_concurrency!r}")
    if max_concurrency is None or _current.get() is not None:
        yield
        return
    token = _current.set(Budget(max_concurrency))
    try:
        yield
    finally:
        _current.reset(token)


class _Waiter:
    __slots__ = ("granted", "wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.granted = False


class Budget:
    """Permits, to be given back with `release` by whoever got one."""

    def __init__(self, permits: int) -> None:
        self.permits = permits
        self._free = permits
        self._waiting: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    async def acquire(self) -> None:
        """Wait for a permit in the running loop.  A cancelled wait leaves no permit behind."""
        import asyncio

        if self._taken():
            return
        loop = asyncio.get_running_loop()
        granted = loop.create_future()
        waiter = _Waiter(lambda: _wake(loop, granted))
        if self._queued(waiter):
            try:
                await granted
            except asyncio.CancelledError:
                self._withdraw(waiter)
                raise

    def acquire_blocking(self) -> None:
        """Wait for a permit in this thread."""
        if self._taken():
            return
        granted = threading.Event()
        waiter = _Waiter(granted.set)
        if self._queued(waiter):
            try:
                granted.wait()
            except BaseException:  # Ctrl-C in the main thread
                self._withdraw(waiter)
                raise

    def release(self) -> None:
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            waiter = self._waiting.popleft()
            waiter.granted = True
        waiter.wake()

    def _taken(self) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            return False

    def _queued(self, waiter: _Waiter) -> bool:
        """False: a permit came free meanwhile, and is taken."""
        with self._lock:
            if self._free:
                self._free -= 1
                return False
            self._waiting.append(waiter)
            return True

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._lock:
            if not waiter.granted:
                self._waiting.remove(waiter)
                return
        self.release()


def _wake(loop: asyncio.AbstractEventLoop, granted: asyncio.Future[None]) -> None:
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
