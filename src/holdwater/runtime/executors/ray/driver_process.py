"""The process that speaks with Ray, as the runner sees it.

Ray lives in a process of its own: it can be started once per process, ends the process it is in when its cluster goes,
and unpickles what workers return.  None of that is for the process of a runner, which only sends and reads frames.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from holdwater.errors import DecodingError, ExecutorUnavailable, ResourcesUnavailable, WorkerCrashed
from holdwater.model import message_framing
from holdwater.model.resources import Resources
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.processes.worker import read_exactly, write_all
from holdwater.runtime.executors.ray.frames import LARGE_BYTES, split_frame
from holdwater.runtime.future import Future

SHUTDOWN_SECONDS: Final = 15.0
"""time the process may take to end by itself; a cluster that it started is ended within"""
MAX_REASON_CHARS: Final = 500
_DRIVER_MAIN: Final = (
    "import sys, json; sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from holdwater.runtime.executors.ray.driver import main; main({})"
)


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """Options of one process: how to reach the cluster, and what to do there."""

    address: str
    init_options: Mapping[str, Any]
    wait_for_nodes: bool
    capture_output: bool
    connect_timeout_seconds: float
    max_cached_bytes: int


class Call:
    """One invocation handed over.  `is_unsent`: the process had ended before it had all of it."""

    __slots__ = ("answer", "invocation", "is_unsent", "number")

    def __init__(self, number: int, invocation: TaskInvocation) -> None:
        self.number, self.invocation = number, invocation
        self.answer: Future[bytes] = Future()
        self.is_unsent = False


class StoredBlobs:
    """The keys of the blobs that the process has put into the object store, the last used last, bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes: Final = max_bytes
        self._sizes: dict[str, int] = {}
        self._total_bytes = 0

    def use(self, blobs: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
        """Note that a call needs these; returns the keys to store for it, and those to drop after it."""
        new = [key for key in blobs if key not in self._sizes]
        for key, blob in blobs.items():
            self._total_bytes += len(blob) - self._sizes.pop(key, 0)
            self._sizes[key] = len(blob)
        dropped = []
        while self._total_bytes > self._max_bytes and self._sizes:
            oldest = next(iter(self._sizes))
            self._total_bytes -= self._sizes.pop(oldest)
            dropped.append(oldest)
        return new, dropped


class DriverProcess:
    """One process.  Thread-safe.  Raises OSError if it cannot be started."""

    def __init__(self, options: DriverOptions) -> None:
        self._options: Final = options
        self.has_ended = False
        self._ready: Future[None] = Future()
        self._write_lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._numbers: dict[TaskInvocation, int] = {}
        self._next_number = 1
        self._stored = StoredBlobs(options.max_cached_bytes)
        self._is_closing = False
        self._end_reason = ""
        self._read_fd, answers_fd = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _DRIVER_MAIN.format(answers_fd), json.dumps([sys.path, sys.argv])],
                stdin=subprocess.PIPE,
                pass_fds=(answers_fd,),
                process_group=0,  # not reached by Ctrl-C
            )
        except BaseException:
            os.close(self._read_fd)
            raise
        finally:
            os.close(answers_fd)
        assert self._process.stdin is not None
        self._write_fd = self._process.stdin.fileno()
        _live_drivers.add(self)
        with suppress(OSError):  # it has ended: the reader hears of it
            self._write(
                [
                    "start",
                    options.address,
                    dict(options.init_options),
                    options.wait_for_nodes,
                    options.capture_output,
                ]
            )
        threading.Thread(target=self._read_messages, name="holdwater-ray", daemon=True).start()

    def wait_ready(self) -> None:
        """Wait until it is connected to the cluster.  Raises ExecutorUnavailable."""
        seconds = self._options.connect_timeout_seconds
        if not self._ready.wait(seconds):
            self._ready.set_exception(
                ExecutorUnavailable(
                    f"Ray at {self._options.address!r} did not start or answer within {seconds:g} s",
                    hint="see what it wrote to stderr; give it longer with RayExecutor(connect_timeout_seconds=...)",
                )
            )
            self._process.kill()
        self._ready.result()

    def submit(self, invocation: TaskInvocation, resources: Resources) -> Call:
        """Hand over an invocation.  Its answer, or WorkerCrashed and the like, comes in the call's future."""
        parts, code_keys, blobs = _split_invocation(invocation)
        with self._write_lock:
            call = Call(self._next_number, invocation)
            self._next_number += 1
            if self.has_ended:
                call.is_unsent = True
                call.answer.set_exception(_lost(invocation, "the connection to Ray has ended"))
                return call
            self._calls[call.number], self._numbers[invocation] = call, call.number
            new, dropped = self._stored.use(blobs)
            keys = [part if isinstance(part, str) else None for part in parts]
            inline = [part for part in parts if not isinstance(part, str)]
            try:
                if new:
                    self._write(["put", new], *[blobs[key] for key in new])
                row = ["call", call.number, invocation.name, dict(resources), len(parts) - len(code_keys), code_keys]
                self._write([*row, keys], *inline)
                if dropped:
                    self._write(["drop", dropped])
            except OSError:
                call.is_unsent = True  # the reader ends the call
        invocation.on_cancel(lambda reason: self._send("halt", call.number, reason[:MAX_REASON_CHARS]))
        return call

    def kill(self, invocation: TaskInvocation) -> None:
        """Have the call of an invocation end, if it was handed over.  Does not block."""
        number = self._numbers.get(invocation)
        if number is not None:
            self._send("kill", number)

    def close(self) -> None:
        """Have it disconnect and end; what still runs is lost."""
        self._is_closing = True
        self._send("bye")
        try:
            self._process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def release(self) -> None:
        """In a fork of the runner: close the pipes, which must not keep the process alive."""
        with suppress(OSError):
            os.close(self._write_fd)
            os.close(self._read_fd)

    # -- messages

    def _send(self, *message: object) -> None:
        # short, and the process reads all the time: the caller is not held up
        with suppress(OSError), self._write_lock:
            if not self.has_ended:
                self._write(list(message))

    def _write(self, message: list[Any], *blobs: bytes) -> None:
        for part in message_framing.frame_parts(message, *blobs):
            write_all(self._write_fd, part)

    def _read_messages(self) -> None:
        try:
            while True:
                message, blobs = message_framing.read_frame(partial(read_exactly, self._read_fd))
                self._take(message, blobs)
        except (EOFError, OSError, DecodingError) as error:
            self._end(error)

    def _take(self, message: Any, blobs: list[bytes]) -> None:
        match message:
            case ["ready"]:
                self._ready.set_result(None)
            case ["unreachable"]:
                self._ready.set_exception(
                    ExecutorUnavailable(f"Ray at {self._options.address!r} cannot be used: {_text(blobs)}")
                )
            case ["gone"]:
                self._end_reason = _text(blobs)
            case [str(kind), int(number), *rest]:
                call = self._calls.get(number)
                if call is not None:  # a thread that a task function left behind may still say something
                    self._take_of_call(call, kind, rest, blobs)
            case _:
                raise DecodingError(f"the Ray driver said {str(message)[:80]}")

    def _take_of_call(self, call: Call, kind: str, rest: list[Any], blobs: list[bytes]) -> None:
        invocation = call.invocation
        match [kind, *rest]:
            case ["begun"]:
                invocation.start_timeout()
            case ["done"]:
                self._finish(call)
                call.answer.set_result(blobs[0])
            case ["lost" | "failed" | "infeasible" as end]:
                self._finish(call)
                call.answer.set_exception(_END_ERRORS[end](invocation, _text(blobs)))
            case ["log", level, logger]:
                invocation.add_record(str(level), str(logger), _text(blobs))
            case ["output", "stdout" | "stderr" as stream]:
                invocation.add_output(stream, _text(blobs))
            case ["defer"]:
                invocation.release_slot()
            case ["resume", waits]:
                invocation.reacquire_slot((lambda: self._send("slot", call.number)) if waits else None)
            case _:
                raise DecodingError(f"the Ray driver said {kind[:80]!r} of a call")

    def _finish(self, call: Call) -> None:
        del self._calls[call.number]
        self._numbers.pop(call.invocation, None)
        call.invocation.end_output()

    def _end(self, error: Exception) -> None:
        """Bury the process, and end the calls it had."""
        with self._write_lock:
            self.has_ended = True
        self._process.kill()
        code = self._process.wait()
        with suppress(OSError):
            os.close(self._read_fd)
            assert self._process.stdin is not None
            self._process.stdin.close()
        _live_drivers.discard(self)
        said = f"it ended with exit code {code}" if code >= 0 else f"it was killed by {signal.Signals(-code).name}"
        if isinstance(error, DecodingError):
            said = f"it sent what is no message: {error}"
        why = self._end_reason or f"the process that speaks with Ray is gone: {said}"
        if self._is_closing:
            why = "the executor was closed"
        self._ready.set_exception(
            ExecutorUnavailable(f"Ray at {self._options.address!r}: {why}", hint="see what it wrote to stderr")
        )
        for call in list(self._calls.values()):
            self._finish(call)
            call.answer.set_exception(_lost(call.invocation, why))


def _split_invocation(invocation: TaskInvocation) -> tuple[list[str | bytes], list[str], dict[str, bytes]]:
    """Return the parts to send, keys in place of large ones; the keys of code, whose parts are the last; the blobs."""
    blobs: dict[str, bytes] = {}
    parts: list[str | bytes] = []
    for part in split_frame(invocation.payload):
        if len(part) < LARGE_BYTES:
            parts.append(part)
            continue
        key = hashlib.blake2b(part, digest_size=16).hexdigest()
        blobs[key] = part
        parts.append(key)
    code_keys = []
    for key, code in invocation.code_blobs:
        code_keys.append(key)
        if len(code) >= LARGE_BYTES:
            blobs[key] = code
        parts.append(key if len(code) >= LARGE_BYTES else code)
    return parts, code_keys, blobs


def _text(blobs: list[bytes]) -> str:
    return blobs[0].decode("utf-8", "replace") if blobs else ""


def _lost(invocation: TaskInvocation, text: str) -> WorkerCrashed:
    return WorkerCrashed(
        f"the Ray worker of task {invocation.name!r} was lost: {text}",
        hint="see the logs of Ray; a worker killed for want of memory is told there",
    )


def _failed(invocation: TaskInvocation, text: str) -> ExecutorUnavailable:
    return ExecutorUnavailable(f"Ray could not run task {invocation.name!r}: {text}")


def _infeasible(invocation: TaskInvocation, text: str) -> ResourcesUnavailable:
    return ResourcesUnavailable(
        f"task {invocation.name!r} asks for {text}",
        hint="ask for less, add such a node, or let it wait with RayExecutor(wait_for_nodes=True)",
    )


_END_ERRORS: Final = {"lost": _lost, "failed": _failed, "infeasible": _infeasible}
_live_drivers: Final[WeakSet[DriverProcess]] = WeakSet()


def _after_fork() -> None:
    for driver in list(_live_drivers):
        driver.release()


os.register_at_fork(after_in_child=_after_fork)
