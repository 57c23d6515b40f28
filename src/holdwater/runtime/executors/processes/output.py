"""Output of a worker process and of everything that it starts: passed on, and taken for the log of the run.

The pipes are below Python: output of C code, of programs that a task function starts, and of a crash is taken too.
"""

from __future__ import annotations

import codecs
import os
import select
import threading
from contextlib import suppress
from typing import Final, Protocol

from holdwater.model.log_context import OutputStream
from holdwater.runtime.executors.processes.worker import write_all

CHUNK_BYTES: Final = 65_536
MAX_PIPE_CHUNKS: Final = 16
"""more than a pipe holds; the rest comes from a program that the function has left running"""
CLOSE_SECONDS: Final = 1.0
_TARGETS: Final[dict[OutputStream, int]] = {"stdout": 1, "stderr": 2}
"""stream -> file descriptor of this process that it is passed on to"""


class OutputTaker(Protocol):
    """The caller of a function, which takes what that prints."""

    def add_output(self, stream: OutputStream, text: str) -> None: ...

    def end_output(self) -> None: ...


class WorkerOutput:
    """The output of a worker that has the stdout and stderr of this process: nothing is taken.

    `stdout`, `stderr`: the worker's; None: those of this process.  `unrecorded_fd`: the stderr of this process, for
    what is taken in another way; None: nothing is.
    """

    stdout: int | None = None
    stderr: int | None = None
    unrecorded_fd: int | None = None

    def start(self) -> None:
        """Begin to read: the worker runs."""

    def close_worker_fds(self) -> None:
        """Close the ends of the worker, which has them, or was not started."""

    def begin(self, invocation: OutputTaker) -> None:
        """Give what comes from now on to an invocation; what came before is of none."""

    def catch_up(self) -> None:
        """Take what the worker has written until now."""

    def end(self) -> None:
        """Take what the invocation has written until now, and nothing that comes later."""

    def close(self) -> None:
        """Read no more: the worker has ended."""

    def release(self) -> None:
        """Close what is read from, in a fork of this process."""


class CapturedOutput(WorkerOutput):
    """The output of one worker.  A thread reads it all the time, so that nothing in the worker ever waits for long.

    `passes_on`: it is written to the streams of this process, too.  `is_shared`: several invocations write to the pipes
    at once, so that what comes from there is of none.
    """

    def __init__(self, *, passes_on: bool = True, is_shared: bool = False) -> None:
        """Raises OSError."""
        self._passes_on, self._is_shared = passes_on, is_shared
        self._lock = threading.Lock()
        self._invocation: OutputTaker | None = None
        stdout_fd, self.stdout = os.pipe()
        stderr_fd, self.stderr = os.pipe()
        self._readable: dict[int, OutputStream] = {stdout_fd: "stdout", stderr_fd: "stderr"}
        for fd in self._readable:
            os.set_blocking(fd, False)
        self.unrecorded_fd = _duplicate_stderr() if passes_on else None
        self._wake_read_fd, self._wake_write_fd = os.pipe()
        self._decoders = self._new_decoders()
        self._thread = threading.Thread(target=self._read_all, name="holdwater-output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close_worker_fds(self) -> None:
        for fd in (self.stdout, self.stderr, self.unrecorded_fd):
            if fd is not None:
                os.close(fd)

    def begin(self, invocation: OutputTaker) -> None:
        if self._is_shared:
            return
        with self._lock:
            self._drain()
            self._invocation, self._decoders = invocation, self._new_decoders()

    def catch_up(self) -> None:
        with self._lock:
            self._drain()

    def end(self) -> None:
        with self._lock:
            self._drain()
            invocation, self._invocation = self._invocation, None
            if invocation is not None:
                for name, decoder in self._decoders.items():
                    invocation.add_output(name, decoder.decode(b"", True))
                invocation.end_output()

    def close(self) -> None:
        if self._thread.ident is not None:
            with suppress(OSError):
                os.write(self._wake_write_fd, b"\0")
            self._thread.join(CLOSE_SECONDS)
        else:
            self.release()
        os.close(self._wake_write_fd)

    def release(self) -> None:
        for fd in (*self._readable, self._wake_read_fd):
            os.close(fd)
        self._readable.clear()

    # -- within

    def _read_all(self) -> None:
        poller = select.poll()
        for fd in (*self._readable, self._wake_read_fd):
            poller.register(fd, select.POLLIN)
        while True:
            found = [fd for fd, _ in poller.poll()]
            with self._lock:
                for fd in found:
                    if fd in self._readable and not self._read(fd):
                        poller.unregister(fd)
                if self._wake_read_fd in found:
                    self.release()
                    return

    def _drain(self) -> None:
        """Read what is there; the lock is held."""
        for fd in list(self._readable):
            for _ in range(MAX_PIPE_CHUNKS):
                if not self._read(fd, until_empty=True):
                    break

    def _read(self, fd: int, *, until_empty: bool = False) -> bool:
        """Read a chunk; returns False at the end, and if `until_empty` when nothing is there."""
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return not until_empty
        name = self._readable[fd]
        if data:
            if self._passes_on:
                with suppress(OSError):  # it is closed
                    write_all(_TARGETS[name], data)
            if self._invocation is not None:
                self._invocation.add_output(name, self._decoders[name].decode(data))
        return bool(data)

    def _new_decoders(self) -> dict[OutputStream, codecs.IncrementalDecoder]:
        return {name: codecs.getincrementaldecoder("utf-8")("replace") for name in _TARGETS}


def _duplicate_stderr() -> int | None:
    try:
        return os.dup(_TARGETS["stderr"])
    except OSError:
        return None
