"""A worker process: takes calls from one pipe, answers on another, ends with its parent."""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from holdwater.model import message_framing
from holdwater.runtime.executors.processes.channel import run_call, unpickle_code
from holdwater.runtime.executors.processes.worker_call import WorkerCall
from holdwater.runtime.executors.processes.worker_log import RecordedElsewhere
from holdwater.runtime.logs.capture import log_info_records
from holdwater.runtime.logs.reentrancy import THREAD

CALL_MESSAGES: Final = ("halt", "slot", "child", "secret")
"""messages of the runner to a call that is under way"""


class Worker:
    """Carries out calls: one at a time in the main thread, or each in a thread of its own (`is_concurrent`).

    Another thread listens.  `main_thread_kinds`: requests that are always carried out in the main thread.
    """

    main_thread_kinds: frozenset[str] = frozenset()

    def __init__(self, read_fd: int, write_fd: int, *, sends_records: bool, is_concurrent: bool = False) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        self._sends_records, self._is_concurrent = sends_records, is_concurrent
        self._requests: SimpleQueue[tuple[WorkerCall | None, list[Any], list[bytes]]] = SimpleQueue()
        self._write_lock = threading.Lock()
        self._calls: dict[int, WorkerCall] = {}

    def serve(self) -> None:
        """Until there is nothing more to do."""
        threading.Thread(target=self._read_messages, name="holdwater-listen", daemon=True).start()
        while True:
            call, row, blobs = self._requests.get()
            if call is None:
                return
            if self._is_concurrent and row[0] not in self.main_thread_kinds:
                threading.Thread(target=self._answer, args=(call, row, blobs), daemon=True).start()
            else:
                self._answer(call, row, blobs)
            del blobs

    def carry_out(self, call: WorkerCall, row: list[Any], blobs: list[bytes]) -> bytes:
        """Carry out a request, `[kind, number of the call, ...]`, and return the answer."""
        raise NotImplementedError

    def _answer(self, call: WorkerCall, row: list[Any], blobs: list[bytes]) -> None:
        answer = self.carry_out(call, row, blobs)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # closed or replaced by a task function
                stream.flush()
        self._calls.pop(call.number, None)
        self._send(["done", call.number], answer)

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
                kind = data[0]
                if kind == "bye":
                    self._requests.put((None, data, blobs))
                    continue
                if kind not in CALL_MESSAGES:
                    call = WorkerCall(
                        data[1], self._send, sends_records=self._sends_records, sends_output=self._is_concurrent
                    )
                    self._calls[call.number] = call
                    self._requests.put((call, data, blobs))
                else:
                    under_way = self._calls.get(data[1])
                    if under_way is not None:
                        under_way.take_message(kind, data[2], blobs)
        except (EOFError, OSError):
            exit_with_children()


class CodeWorker(Worker):
    """A worker that is sent the code of its functions, and keeps it as long as its runner says."""

    def __init__(self, read_fd: int, write_fd: int, *, sends_records: bool) -> None:
        super().__init__(read_fd, write_fd, sends_records=sends_records)
        self._code_blobs: dict[str, bytes] = {}
        self._loaded_code: dict[str, Any] = {}

    def carry_out(self, call: WorkerCall, row: list[Any], blobs: list[bytes]) -> bytes:
        """Call a function."""
        return self._run_call(call, *row[2:], *blobs)

    def _run_call(
        self,
        call: WorkerCall,
        needed_keys: list[str],
        new_keys: list[str],
        evicted: list[str],
        path: list[str] | None,
        payload: bytes,
        *code_blobs: bytes,
    ) -> bytes:
        if path is not None:
            sys.path[:] = path
        for key in evicted:
            self._code_blobs.pop(key, None)
            self._loaded_code.pop(key, None)
        self._code_blobs.update(zip(new_keys, code_blobs, strict=True))
        return run_call(payload, lambda: self._load_task(needed_keys), call)

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


def close_fds(fds: tuple[int, ...]) -> None:
    """Close these."""
    for fd in fds:
        os.close(fd)


def _capture_logs(unrecorded_fd: int) -> None:
    """Have records leave at once; `unrecorded_fd`: stderr of the parent, for what logging writes."""
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
    os.register_at_fork(after_in_child=partial(close_fds, mine))  # a fork of it must not speak for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):  # no stderr, no report
        faulthandler.enable()
    die_with_parent(liveness_fd)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in order with what its children print, and not lost with it
    if unrecorded_fd is not None:
        _capture_logs(unrecorded_fd)
    CodeWorker(read_fd, write_fd, sends_records=unrecorded_fd is not None).serve()
