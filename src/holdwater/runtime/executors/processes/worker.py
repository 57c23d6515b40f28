"""A worker process: takes calls from one pipe, answers on another, ends with its parent."""

from __future__ import annotations

import faulthandler
import io
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from holdwater.model import message_framing
from holdwater.model.log_context import LogSink
from holdwater.runtime.executors.processes.channel import WorkerChannel, run_call, unpickle_code
from holdwater.runtime.executors.processes.worker_children import WorkerChildren
from holdwater.runtime.executors.processes.worker_log import RecordedElsewhere, WorkerLog
from holdwater.runtime.handle import TaskHandle
from holdwater.runtime.logs.capture import log_info_records
from holdwater.runtime.logs.reentrancy import THREAD


class Worker(WorkerChannel):
    """One task function at a time, in the main thread; another thread listens."""

    def __init__(self, read_fd: int, write_fd: int, *, sends_records: bool) -> None:
        self._read_fd, self._write_fd, self._sends_records = read_fd, write_fd, sends_records
        self._requests: SimpleQueue[tuple[Any, list[bytes]]] = SimpleQueue()
        self._write_lock = threading.Lock()
        self._call_number = 0
        self._handle: TaskHandle | None = None
        self._cancel_request: tuple[int, str] = (0, "")
        self._slot_numbers = itertools.count(1)
        self._slot_requests: dict[int, Callable[[], None]] = {}
        self._children: WorkerChildren | None = None
        self._code_blobs: dict[str, bytes] = {}
        self._loaded_code: dict[str, Any] = {}

    def serve(self) -> None:
        """Until there is nothing more to do."""
        threading.Thread(target=self._read_messages, name="holdwater-listen", daemon=True).start()
        while True:
            (kind, *row), blobs = self._requests.get()
            if kind == "bye":
                return
            answer = self._run_call(*row, *blobs)
            del blobs
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # closed or replaced by a task function
                    stream.flush()
            self._send(["done", self._call_number], answer)

    def _run_call(
        self,
        call_number: int,
        needed_keys: list[str],
        new_keys: list[str],
        evicted: list[str],
        path: list[str] | None,
        *blobs: bytes,
    ) -> bytes:
        call, *code_blobs = blobs
        if path is not None:
            sys.path[:] = path
        for key in evicted:
            self._code_blobs.pop(key, None)
            self._loaded_code.pop(key, None)
        self._code_blobs.update(zip(new_keys, code_blobs, strict=True))
        self._call_number, self._handle, self._children = call_number, None, None
        self._slot_requests.clear()
        return run_call(call, lambda: self._load_task(needed_keys), self)

    def _load_task(self, keys: list[str]) -> Any:
        task, *_ = [self._load_code(key) for key in keys]  # the classes of its values too
        return task

    def _load_code(self, key: str) -> Any:
        if key not in self._loaded_code:
            self._loaded_code[key] = unpickle_code(
                self._code_blobs[key]
            )  # kept until it is loaded: another try may find its module
            del self._code_blobs[key]
        return self._loaded_code[key]

    # -- the channel to the runner

    def on_start(self, handle: TaskHandle) -> None:
        self._handle = handle
        if self._cancel_request[0] == self._call_number:
            handle.request_cancel(self._cancel_request[1])

    def open_log(self) -> LogSink | None:
        if not self._sends_records:
            return None
        number = self._call_number
        return WorkerLog(
            lambda level, logger, text: self._send(
                ["log", number, level, logger], text.encode("utf-8", "backslashreplace")
            )
        )

    def child_starter(self, main_module: str) -> WorkerChildren:
        call_id = self._call_number
        self._children = WorkerChildren(
            lambda number, request: self._send(["child", call_id, number], request), main_module
        )
        return self._children

    def release_slot(self, call: Any) -> None:
        self._send(["defer", self._call_number])

    def reacquire_slot(self, call: Any, on_slot: Callable[[], None] | None) -> None:
        number = None
        if on_slot is not None:
            number = next(self._slot_numbers)
            self._slot_requests[number] = on_slot
        self._send(["resume", self._call_number, number])

    def take_slot_now(self, call: Any) -> None:
        self._send(["take", self._call_number])

    # -- frames

    def _send(self, message: Any, *blobs: bytes) -> None:
        was_capturing, THREAD.is_capturing = (
            THREAD.is_capturing,
            True,
        )  # a `__del__` that logs must not wait for the lock
        try:
            with self._write_lock:
                for part in message_framing.frame_parts(message, *blobs):
                    write_all(self._write_fd, part)
        except OSError:  # the runner is gone, or this is a fork of the worker
            exit_with_children()
        finally:
            THREAD.is_capturing = was_capturing

    def _read_messages(self) -> None:
        try:
            while True:
                data, blobs = message_framing.read_frame(partial(read_exactly, self._read_fd))
                if data[0] == "halt":
                    self._cancel_request = (data[1], data[2])
                    if self._call_number == data[1] and self._handle is not None:
                        self._handle.request_cancel(data[2])
                elif data[0] == "slot":
                    on_slot = self._slot_requests.pop(data[2], None)
                    if on_slot is not None:
                        on_slot()
                elif data[0] == "child":
                    if self._call_number == data[1] and self._children is not None:
                        self._children.deliver(data[2], blobs)
                else:
                    self._requests.put((data, blobs))
        except (EOFError, OSError):
            exit_with_children()


def read_exactly(fd: int, count: int) -> bytes:
    """The next bytes of a pipe.  Raises EOFError, OSError."""
    out = bytearray(count)
    rest = memoryview(out)
    while rest:
        got = os.readv(fd, [rest])
        if not got:
            raise EOFError
        rest = rest[got:]
    return bytes(out)


def write_all(fd: int, data: bytes) -> None:
    """Write to a pipe, however long it takes.  Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def exit_with_children() -> None:
    """End this process and everything a task function started: the parent is gone."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def die_with_parent(liveness_fd: int) -> None:
    """Linux: the kernel kills this process and its children when the parent's end of a pipe closes.

    The listener would see that as well, but not while a task function is in C code that keeps the interpreter.
    """
    import fcntl
    import select

    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(liveness_fd, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(liveness_fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(liveness_fd, fcntl.F_SETFL, fcntl.fcntl(liveness_fd, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([liveness_fd], [], [], 0)[0]:
        exit_with_children()


def _close_fds(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)


def _capture_logs(unrecorded_fd: int) -> None:
    """Have lines leave at once, and records too; `unrecorded_fd`: stderr of the parent, for what logging writes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    unrecorded = open(unrecorded_fd, "w", 1, errors="backslashreplace")  # noqa: SIM115 - until the process ends
    sys.stderr = RecordedElsewhere(sys.stderr, unrecorded)
    log_info_records()


def main(read_fd: int, write_fd: int, liveness_fd: int, unrecorded_fd: int | None = None) -> None:
    """Work on these pipes.  Task functions print where the parent prints.

    `unrecorded_fd`: stderr of the parent, if what they print and log is taken.
    """
    mine = (read_fd, write_fd, liveness_fd)
    for fd in mine:
        os.set_inheritable(fd, False)
    os.register_at_fork(after_in_child=partial(_close_fds, mine))  # a fork of it must not speak for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):  # no stderr, no report
        faulthandler.enable()
    die_with_parent(liveness_fd)
    if unrecorded_fd is not None:
        _capture_logs(unrecorded_fd)
    Worker(read_fd, write_fd, sends_records=unrecorded_fd is not None).serve()
