"""A worker process: takes calls from one pipe, answers on another, ends with its parent."""

from __future__ import annotations

import faulthandler
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
from holdwater.runtime.executors.processes.channel import WorkerChannel, load, run_call
from holdwater.runtime.handle import TaskHandle


class Worker(WorkerChannel):
    """One body at a time, in the main thread; another thread listens."""

    def __init__(self, inbox: int, outbox: int) -> None:
        self._inbox, self._outbox = inbox, outbox
        self._calls: SimpleQueue[tuple[Any, list[bytes]]] = SimpleQueue()
        self._speaking = threading.Lock()
        self._serial = 0
        self._handle: TaskHandle | None = None
        self._halted: tuple[int, str] = (0, "")
        self._go: Callable[[], None] | None = None
        self._parcels: dict[str, bytes] = {}
        self._loaded: dict[str, Any] = {}

    def work(self) -> None:
        """Until there is nothing more to do."""
        threading.Thread(target=self._listen, name="holdwater-listen", daemon=True).start()
        while True:
            (kind, *head), blobs = self._calls.get()
            if kind == "bye":
                return
            answer = self._carried_out(*head, *blobs)
            del blobs
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # closed or replaced by a body
                    stream.flush()
            self._say(["done", self._serial], answer)

    def _carried_out(
        self, serial: int, needed: list[str], new: list[str], gone: list[str], path: list[str] | None, *blobs: bytes
    ) -> bytes:
        call, *parcels = blobs
        if path is not None:
            sys.path[:] = path
        for key in gone:
            self._parcels.pop(key, None)
            self._loaded.pop(key, None)
        self._parcels.update(zip(new, parcels, strict=True))
        self._serial, self._handle = serial, None
        return run_call(call, lambda: self._code(needed), self)

    def _code(self, keys: list[str]) -> Any:
        body, *_ = [self._ready(key) for key in keys]  # the classes of its values too
        return body

    def _ready(self, key: str) -> Any:
        if key not in self._loaded:
            self._loaded[key] = load(self._parcels[key])  # kept until it is loaded: another try may find its module
            del self._parcels[key]
        return self._loaded[key]

    # -- the line to the runner

    def opened(self, handle: TaskHandle) -> None:
        self._handle = handle
        if self._halted[0] == self._serial:
            handle.request_cancel(self._halted[1])

    def defer(self, call: Any) -> None:
        self._say(["defer", self._serial])

    def resume(self, call: Any, go: Callable[[], None] | None) -> None:
        self._go = go
        self._say(["resume", self._serial, go is not None])

    # -- frames

    def _say(self, data: Any, *blobs: bytes) -> None:
        try:
            with self._speaking:
                for part in message_framing.parts(data, *blobs):
                    write_all(self._outbox, part)
        except OSError:  # nobody is there, or this is a fork of the worker
            end()

    def _listen(self) -> None:
        try:
            while True:
                data, blobs = message_framing.read(partial(read_exactly, self._inbox))
                if data[0] == "halt":
                    self._halted = (data[1], data[2])
                    if self._serial == data[1] and self._handle is not None:
                        self._handle.request_cancel(data[2])
                elif data[0] == "slot":
                    if self._serial == data[1] and self._go is not None:
                        self._go()
                else:
                    self._calls.put((data, blobs))
        except (EOFError, OSError):
            end()


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


def end() -> None:
    """The parent is gone, and so is whatever a body started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def end_with_parent(life: int) -> None:
    """Linux: the kernel kills this process and its children when the parent's end of a pipe closes.

    The listener would see that as well, but not while a body is in C code that keeps the interpreter to itself.
    """
    import fcntl
    import select

    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        end()


def _close(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)


def main(inbox: int, outbox: int, life: int) -> None:
    """Work on these pipes.  Bodies print where the parent prints."""
    mine = (inbox, outbox, life)
    for fd in mine:
        os.set_inheritable(fd, False)
    os.register_at_fork(after_in_child=partial(_close, mine))  # a fork of it must not speak for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):  # no stderr, no report
        faulthandler.enable()
    end_with_parent(life)
    Worker(inbox, outbox).work()
