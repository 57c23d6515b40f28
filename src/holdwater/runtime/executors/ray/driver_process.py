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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from holdwater.errors import BadAnswer, ExecutorUnavailable, ResourcesUnavailable, WorkerCrashed
from holdwater.model import message_framing
from holdwater.model.resources import Resources
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.child_calls import unpack_request
from holdwater.runtime.executors.processes.messages import MAX_LEVEL_CHARS, WorkerMessage, read_message
from holdwater.runtime.executors.processes.outbox import Outbox
from holdwater.runtime.executors.processes.worker import read_exactly
from holdwater.runtime.executors.processes.worker_process import MAX_CHILD_REQUESTS
from holdwater.runtime.executors.ray.frames import LARGE_BYTES, split_frame
from holdwater.runtime.executors.ray.messages import DRIVER_MESSAGES
from holdwater.runtime.executors.secret_calls import pack_secret
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

    __slots__ = ("answer", "child_requests", "invocation", "is_unsent", "number")

    def __init__(self, number: int, invocation: TaskInvocation) -> None:
        self.number, self.invocation = number, invocation
        self.answer: Future[bytes] = Future()
        self.is_unsent = False
        self.child_requests: set[int] = set()


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
        calls_fd, write_fd = os.pipe()
        self._read_fd, answers_fd = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _DRIVER_MAIN.format(answers_fd), json.dumps([sys.path, sys.argv])],
                stdin=calls_fd,
                pass_fds=(answers_fd,),
                process_group=0,  # not reached by Ctrl-C
            )
        except BaseException:
            os.close(write_fd)
            os.close(self._read_fd)
            raise
        finally:
            os.close(calls_fd)
            os.close(answers_fd)
        self._outbox = Outbox(write_fd, self._process.kill)
        _live_drivers.add(self)
        self._send("start", options.address, dict(options.init_options), options.wait_for_nodes, options.capture_output)
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
            keys = [part if isinstance(part, str) else None for part in parts]
            inline = [part for part in parts if not isinstance(part, str)]
            row = ["call", call.number, invocation.name, dict(resources), len(parts) - len(code_keys), code_keys, keys]
            new, dropped = self._stored.use(blobs)
            try:
                if new:
                    self._outbox.write(message_framing.frame_parts(["put", new], *[blobs[key] for key in new]))
                self._outbox.write(message_framing.frame_parts(row, *inline))
                if dropped:
                    self._outbox.write(message_framing.frame_parts(["drop", dropped]))
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
        if not self.has_ended:
            self._outbox.release()
            os.close(self._read_fd)

    # -- messages

    def _send(self, *message: object) -> None:
        """Send a short message; does not block."""
        self._outbox.put(lambda: message_framing.frame_parts(list(message)))

    def _read_messages(self) -> None:
        read = partial(read_exactly, self._read_fd)
        try:
            while True:
                self._take(read_message(read, DRIVER_MESSAGES))
        except (EOFError, OSError, BadAnswer) as error:
            self._end(error)

    def _take(self, message: WorkerMessage) -> None:
        match message.kind:
            case "ready":
                self._ready.set_result(None)
            case "unreachable":
                self._ready.set_exception(
                    ExecutorUnavailable(f"Ray at {self._options.address!r} cannot be used: {_text(message)}")
                )
            case "gone":
                self._end_reason = _text(message)
            case _:
                call = self._calls.get(message.call_id)
                if call is not None:  # a thread that a function left behind may still say something
                    self._take_of_call(call, message)

    def _take_of_call(self, call: Call, message: WorkerMessage) -> None:
        """Take a message about a call; one that is none ends the call."""
        invocation = call.invocation
        match message.kind:
            case "begun":
                invocation.start_timeout()
            case "done":
                self._finish(call)
                call.answer.set_result(message.part)
            case "lost" | "failed" | "infeasible" as end:
                self._finish(call)
                call.answer.set_exception(_END_ERRORS[end](invocation, _text(message)))
            case "log":
                invocation.add_record(message.fields[0][:MAX_LEVEL_CHARS], message.fields[1], _text(message))
            case "output":
                invocation.add_output("stderr" if message.fields[0] == "stderr" else "stdout", _text(message))
            case "defer":
                invocation.release_slot()
            case "resume":
                invocation.reacquire_slot(self._slot_sender(call, message.fields[0]))
            case "take":
                invocation.take_slot_now()
            case "secret":  # in a thread of its own: this one reads what all calls say
                sender = partial(self._send_secret, call, *message.fields)
                threading.Thread(target=sender, name="holdwater-secret", daemon=True).start()
            case _:
                try:
                    self._start_child_run(call, message.fields[0], message.part)
                except BadAnswer as error:
                    self.kill(invocation)
                    self._finish(call)
                    call.answer.set_exception(error)

    def _slot_sender(self, call: Call, request: int | None) -> Callable[[], None] | None:
        return None if request is None else lambda: self._send("slot", call.number, request)

    def _start_child_run(self, call: Call, request: int, part: bytes) -> None:
        """Start a child run, and send its result when it has ended.  Raises BadAnswer."""
        if request in call.child_requests or len(call.child_requests) >= MAX_CHILD_REQUESTS:
            raise BadAnswer(f"it asked for a child run twice as one, or for more than {MAX_CHILD_REQUESTS:,} at once")
        call.child_requests.add(request)
        future = call.invocation.start_child_run(unpack_request(part))

        def make_parts() -> list[bytes]:
            call.child_requests.discard(request)
            if call.answer.done:
                return []
            answer = call.invocation.pack_child_answer(future)
            return message_framing.frame_parts(["child", call.number, request], *answer)

        future.add_done_callback(lambda _: self._outbox.put(make_parts))

    def _send_secret(self, call: Call, request: int, name: str, field: str) -> None:
        answer = pack_secret(lambda: call.invocation.read_secret(name, field))

        def make_parts() -> list[bytes]:
            return [] if call.answer.done else message_framing.frame_parts(["secret", call.number, request], answer)

        self._outbox.put(make_parts)

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
        self._outbox.close()
        os.close(self._read_fd)
        _live_drivers.discard(self)
        said = f"it ended with exit code {code}" if code >= 0 else f"it was killed by {signal.Signals(-code).name}"
        if isinstance(error, BadAnswer):
            said = f"it sent what is no message: {error.message}"
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


def _text(message: WorkerMessage) -> str:
    return message.part.decode("utf-8", "replace")


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
