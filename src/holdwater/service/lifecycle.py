"""Signals of a process that serves: the first SIGTERM or SIGINT asks it to end, the second ends it; SIGHUP reloads.

They are read from a pipe that the interpreter's handler writes to, in a thread of its own, so that the second one is
heeded whatever the main thread does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, Literal

logger = logging.getLogger("holdwater.service")

Request = Literal["stop", "reload"]
FORCED_EXIT: Final = 1
"""exit code after the second signal"""
FORCED_SECONDS: Final = 5.0
"""longest time the second signal takes"""
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_RELOADING: Final = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


class SignalRequests:
    """Requests to this process, by signals or by its own threads.

    `on_forced`: called after the second ending signal, in another thread; the process ends when it returns.
    """

    def __init__(self, on_forced: Callable[[], None]) -> None:
        self._on_forced = on_forced
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._is_stopping = False

    def put(self, request: Request) -> None:
        """Make a request from a thread."""
        self._requests.put(request)

    def next(self, timeout_seconds: float | None = None) -> Request | None:
        """Wait for a request; None after the time-out.  For the main thread."""
        try:
            return self._requests.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle signals inside the block, which runs in the main thread."""
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        before_fd = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, _do_nothing) for number in (*_ENDING, *_RELOADING)}
        thread = threading.Thread(target=self._read, args=(reading,), name="holdwater-signals", daemon=True)
        thread.start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
            writing.close()
            thread.join()
            reading.close()

    def _read(self, reading: socket.socket) -> None:
        while data := reading.recv(64):
            for number in data:
                if number in _RELOADING:
                    self.put("reload")
                elif number in _ENDING and not self._is_stopping:
                    self._is_stopping = True
                    self.put("stop")
                elif number in _ENDING:
                    self._end_now()

    def _end_now(self) -> None:
        logger.warning("a second signal: this process ends at once")
        timer = threading.Timer(FORCED_SECONDS, os._exit, (FORCED_EXIT,))
        timer.daemon = True
        timer.start()
        try:
            self._on_forced()
        finally:
            os._exit(FORCED_EXIT)  # all that counts is on disk


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Have the interpreter write the number of the signal to the pipe, and do nothing else."""
