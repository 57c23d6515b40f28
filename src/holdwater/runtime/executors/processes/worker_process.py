"""One worker process as its runner sees it: calls in, messages out."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final
from weakref import WeakSet

from holdwater.errors import BadAnswer
from holdwater.model import message_framing
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.child_calls import unpack_request
from holdwater.runtime.executors.processes.messages import MAX_LEVEL_CHARS, WorkerMessage, read_message
from holdwater.runtime.executors.processes.outbox import Outbox
from holdwater.runtime.executors.processes.output import CapturedOutput, WorkerOutput
from holdwater.runtime.executors.processes.worker import read_exactly

CODE_BLOBS_KEPT: Final = 256
"""of code that a worker remembers"""
SHUTDOWN_SECONDS: Final = 2.0
"""time a worker may take to end by itself"""
MAX_REASON_CHARS: Final = 500
MAX_CHILD_REQUESTS: Final = 10_000
"""child runs one call waits for at once"""
CALL_ID_BYTES: Final = 6
_WORKER_MAIN: Final = (
    "import sys, json; fds = map(int, sys.argv[2:]); sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from holdwater.runtime.executors.processes.worker import main; main(*fds)"
)


class WorkerProcess:
    """One worker, as its parent sees it.  `call_count`: calls it was given; `is_call_sent`: it has all of the last one.

    It runs code of users, so what it sends is not trusted.  Raises OSError if it cannot be started.
    """

    def __init__(self, *, captures_output: bool = True) -> None:
        self.call_count = 0
        self.is_call_sent = False
        self.idle_since = 0.0
        self._cached_keys: dict[str, None] = {}  # keys it has, the last used last
        self._sys_path = list(sys.path)
        self._lock = threading.Lock()
        self._active_call = 0  # the call that may be sent something
        self._child_requests: set[int] = set()
        self._is_reaped = False
        self._kill_timer: threading.Timer | None = None
        inbox, write_fd = os.pipe()
        self._read_fd, outbox = os.pipe()
        life, self._liveness_fd = os.pipe()
        self._outbox = Outbox(write_fd, self.kill)
        self._output = CapturedOutput() if captures_output else WorkerOutput()
        unrecorded_fd = self._output.unrecorded_fd
        theirs = (inbox, outbox, life, *([] if unrecorded_fd is None else [unrecorded_fd]))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _WORKER_MAIN, json.dumps([self._sys_path, sys.argv]), *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=self._output.stdout,
                stderr=self._output.stderr,
                pass_fds=theirs,
                process_group=0,  # not reached by Ctrl-C, and killed as a whole
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for fd in (inbox, outbox, life):
                os.close(fd)
            self._output.close_worker_fds()
        self._output.start()
        self.pid = self._process.pid
        _live_workers.add(self)

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Blocks until the answer is there.  Raises EOFError or OSError when the worker dies, BadAnswer."""
        self.call_count += 1
        self.is_call_sent = False
        self._discard_late_messages()
        call_id = int.from_bytes(os.urandom(CALL_ID_BYTES), "big")  # no earlier code in the worker can answer for it
        self._output.begin(invocation)
        needed = [key for key, _ in invocation.code_blobs]
        new = {key: data for key, data in invocation.code_blobs if key not in self._cached_keys}
        for key in needed:
            self._cached_keys.pop(key, None)
            self._cached_keys[key] = None
        gone = list(self._cached_keys)[: max(0, len(self._cached_keys) - max(CODE_BLOBS_KEPT, len(needed)))]
        for key in gone:
            del self._cached_keys[key]
        path = None if self._sys_path == sys.path else list(sys.path)
        row = ["call", call_id, needed, list(new), gone, path]
        self._outbox.write(message_framing.frame_parts(row, invocation.payload, *new.values()))
        self._sys_path = path or self._sys_path
        self.is_call_sent = True
        self._active_call = call_id
        invocation.on_cancel(lambda why: self._send("halt", call_id, why[:MAX_REASON_CHARS]))
        try:
            return self._read_answer(invocation, call_id)
        finally:
            self._active_call = 0
            self._child_requests.clear()

    def _discard_late_messages(self) -> None:
        """Take what threads of earlier calls have said since, as far as they may.  Raises BadAnswer."""
        while select.select([self._read_fd], [], [], 0)[0]:
            if self._read_message().kind == "done":
                raise BadAnswer("it answered without a call")

    def _read_message(self) -> WorkerMessage:
        return read_message(partial(read_exactly, self._read_fd))

    def _read_answer(self, invocation: TaskInvocation, call_id: int) -> bytes:
        while True:
            message = self._read_message()
            if message.call_id != call_id and message.kind == "done":
                raise BadAnswer("it answered another call")
            if message.call_id != call_id:
                continue  # a thread that an earlier function left behind still has its handle
            match message.kind:
                case "done":
                    self._output.end()
                    return message.part
                case "log":
                    self._output.catch_up()  # what was printed before comes before it
                    invocation.add_record(
                        message.fields[0][:MAX_LEVEL_CHARS], message.fields[1], message.part.decode("utf-8", "replace")
                    )
                case "defer":
                    invocation.release_slot()
                case "resume":
                    invocation.reacquire_slot(self._slot_sender(call_id, message.fields[0]))
                case "take":
                    invocation.take_slot_now()
                case _:
                    self._start_child_run(invocation, call_id, message.fields[0], message.part)

    def _slot_sender(self, call_id: int, request: int | None) -> Callable[[], None] | None:
        return None if request is None else lambda: self._send("slot", call_id, request)

    def _start_child_run(self, invocation: TaskInvocation, call_id: int, request: int, part: bytes) -> None:
        """Start a child run, and send its result when it has ended.  Raises BadAnswer."""
        if request in self._child_requests or len(self._child_requests) >= MAX_CHILD_REQUESTS:
            raise BadAnswer(f"it asked for a child run twice as one, or for more than {MAX_CHILD_REQUESTS:,} at once")
        self._child_requests.add(request)
        future = invocation.start_child_run(unpack_request(part))

        def make_parts() -> list[bytes]:
            if self._active_call != call_id:
                return []
            self._child_requests.discard(request)
            return message_framing.frame_parts(["child", call_id, request], *invocation.pack_child_answer(future))

        future.add_done_callback(lambda _: self._outbox.put(make_parts))

    def _send(self, kind: str, call_id: int, content: object) -> None:
        """Send a short message; does not block."""

        def make_parts() -> list[bytes]:
            return message_framing.frame_parts([kind, call_id, content]) if self._active_call == call_id else []

        self._outbox.put(make_parts)

    def kill(self) -> None:
        """At once, with its process group.  Does not block."""
        with self._lock:
            self._kill_group()

    def send_goodbye(self) -> None:
        """Have it end by itself: it has no call."""
        self._start_kill_timer()
        with suppress(OSError):
            self._outbox.write(message_framing.frame_parts(["bye"]))

    def reap(self) -> int:
        """Wait for its end, kill what it left, release everything; the exit code, negative for a signal."""
        self._start_kill_timer()
        with suppress(ChildProcessError):  # other code collects the children of this process
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:  # its number is its own as long as it is not collected, so that no stranger is killed
            self._kill_group()
            code = self._process.wait()
            self._is_reaped = True
            self._output.end()
            self._close_pipes()
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        _live_workers.discard(self)
        return code

    def _start_kill_timer(self) -> None:
        """It may have closed its pipes, or said good-bye, and live on."""
        if self._kill_timer is None:
            self._kill_timer = threading.Timer(SHUTDOWN_SECONDS, self.kill)
            self._kill_timer.daemon = True
            self._kill_timer.start()

    def _kill_group(self) -> None:
        if not self._is_reaped:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close_pipes(self) -> None:
        self._outbox.close()
        for fd in (self._read_fd, self._liveness_fd):
            os.close(fd)
        self._output.close()

    def release(self) -> None:
        """In a fork of the parent: close its pipes, which must not keep the worker alive."""
        if not self._is_reaped:
            self._is_reaped = True
            self._outbox.release()
            for fd in (self._read_fd, self._liveness_fd):
                os.close(fd)
            self._output.release()


_live_workers: Final[WeakSet[WorkerProcess]] = WeakSet()


def _after_fork() -> None:
    for worker in list(_live_workers):
        worker.release()


os.register_at_fork(after_in_child=_after_fork)
