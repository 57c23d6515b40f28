"""Messages of a runner to one worker.  No thread of the runner but those made for it ever waits for the worker."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

MAX_WAITING_MESSAGES: Final = 10_000
"""messages that a worker does not read; with one more it is given up"""
RECHECK_SECONDS: Final = 0.5
"""interval in which a write that the worker holds up looks if it is still wanted"""
CLOSE_SECONDS: Final = 1.0

MakeParts = Callable[[], Iterable[bytes]]
"""makes the pieces of a message, right before it is written"""


class Outbox:
    """The pipe to a worker.  Whole messages are written, whichever thread they come from."""

    def __init__(self, write_fd: int, on_overflow: Callable[[], None]) -> None:
        os.set_blocking(write_fd, False)
        self._write_fd = write_fd
        self._on_overflow = on_overflow
        self._write_lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._waiting: SimpleQueue[MakeParts | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def write(self, parts: Iterable[bytes]) -> None:
        """Write a message in this thread.  Raises OSError if the worker is gone or the outbox is closed."""
        with self._write_lock:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[self._write_some(rest) :]

    def put(self, make_parts: MakeParts) -> None:
        """Have a message written by another thread.  Does not block, and a worker that is gone is no error."""
        with self._state_lock:
            if self._is_closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="holdwater-outbox", daemon=True)
                self._thread.start()
        if self._waiting.qsize() >= MAX_WAITING_MESSAGES:
            self._on_overflow()
            return
        self._waiting.put(make_parts)

    def close(self) -> None:
        """Write nothing more, and close the pipe."""
        with self._state_lock:
            self._is_closed = True
            thread = self._thread
        if thread is not None:
            self._waiting.put(None)
            thread.join(CLOSE_SECONDS)
        with self._write_lock:
            os.close(self._write_fd)

    def release(self) -> None:
        """Close the pipe in a fork of this process."""
        os.close(self._write_fd)

    def _write_all(self) -> None:
        while True:
            make_parts = self._waiting.get()
            if make_parts is None:
                return
            with suppress(OSError):
                self.write(make_parts())

    def _write_some(self, data: memoryview) -> int:
        while True:
            if self._is_closed:
                raise BrokenPipeError("the worker is given up")
            try:
                return os.write(self._write_fd, data)
            except BlockingIOError:
                poller = select.poll()
                poller.register(self._write_fd, select.POLLOUT)
                poller.poll(RECHECK_SECONDS * 1000)
