"""Telling a thread that its run was cancelled: it cannot be interrupted, but stops where it looks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from holdwater.errors import FunctionCancelled
from holdwater.model.error_report import is_a


class CancelledInThread(BaseException):
    """Work in a thread has stopped because it was told to.  Never seen by the caller, who gets the cancellation."""


class CancelToken:
    """Tells the work in a thread to stop.  Thread-safe."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._listeners: dict[object, Callable[[], object]] = {}

    @property
    def is_cancelled(self) -> bool:
        """True if the work is to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Have the work stop, and call the listeners, once."""
        with self._lock:
            if self._cancelled.is_set():
                return
            self._cancelled.set()
            for tell in self._listeners.values():
                tell()

    def raise_if_cancelled(self) -> None:
        """Raise Stopped if the work is to stop."""
        if self._cancelled.is_set():
            raise CancelledInThread

    def sleep(self, seconds: float) -> None:
        """Sleep so long.  Raises Stopped at once when the work is to stop."""
        if self._cancelled.wait(seconds):
            raise CancelledInThread

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Inside the block, have `tell()` called when the work is to stop, at once if it is.  It must not block."""
        key = object()
        with self._lock:
            self._listeners[key] = callback
            if self._cancelled.is_set():
                callback()
        try:
            yield
        finally:
            with self._lock:
                del self._listeners[key]


CANCELLATION_TOKEN: Final[ContextVar[CancelToken | None]] = ContextVar("holdwater_stop", default=None)
"""the Stop of the thread that this code runs in; None: nothing can cancel it"""


def is_cancellation(error: BaseException) -> bool:
    """Return True for `asyncio.CancelledError`, without importing asyncio."""
    module = sys.modules.get("asyncio.exceptions")
    return module is not None and is_a(error, module.CancelledError)


def is_task_cancelled() -> bool:
    """Return True if the running asyncio task is being cancelled, not only something it awaits."""
    import asyncio

    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def to_node_failure(error: BaseException) -> Exception:
    """The failure of a node whose body raised this, where nothing has cancelled the body.

    An exception is its own failure; of a CancelledError a FunctionCancelled is made.  Anything else, which is to end
    the run or the process, is raised.
    """
    if is_a(error, Exception):
        return error
    if not is_cancellation(error):
        raise error
    made = FunctionCancelled(
        "the body ended with CancelledError, although its run was not cancelled",
        hint="catch it in the body, where a task or future is awaited that others may cancel",
    )
    made.__cause__ = error
    return made
