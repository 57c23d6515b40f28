"""Task functions in worker processes: for work that keeps a processor busy, and for code that may crash.

Workers are started when they are needed and kept.  Each is the leader of a process group of its own, so that killing
one takes along what its body started.  They are no forks of this process and import nothing of its main program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from weakref import WeakSet

from holdwater.errors import DecodingError, WorkerCrashed
from holdwater.model import message_framing, validation
from holdwater.runtime.executors.base import TaskInvocation, check_count
from holdwater.runtime.executors.processes.output import CapturedOutput, WorkerOutput
from holdwater.runtime.executors.processes.worker import read_exactly, write_all

CODE_BLOBS_KEPT: Final = 256
"""of code that a worker remembers"""
SHUTDOWN_SECONDS: Final = 2.0
"""time a worker may take to end by itself"""
MAX_REASON_CHARS: Final = 500
"""messages to a worker beside its calls have to fit into a pipe at once"""
_WORKER_MAIN: Final = (
    "import sys, json; fds = map(int, sys.argv[2:]); sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from holdwater.runtime.executors.processes.worker import main; main(*fds)"
)


@dataclass(frozen=True, slots=True)
class ProcessExecutor:
    """Task functions run in worker processes, at most `max_workers` at once (default: one per processor).

    One that times out or does not heed a cancellation is killed with all it started.  A worker that dies costs its
    task one attempt, of kind "CRASHED".  `max_tasks_per_worker`: a worker is replaced after so many.
    `idle_seconds`: one that had nothing to do for so long is ended.  None: never.  `capture_output`: what a function
    prints and logs, and the programs it starts print, is kept in the log of its run.  Raises ConfigError.
    """

    max_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_tasks_per_worker: int | None = None
    idle_seconds: float | None = None
    capture_output: bool = True

    def __post_init__(self) -> None:
        check_count("max_workers", self.max_workers)
        if self.max_tasks_per_worker is not None:
            check_count("max_tasks_per_worker", self.max_tasks_per_worker)
        if self.idle_seconds is not None:
            validation.check_seconds("idle_seconds", self.idle_seconds)

    @property
    def max_concurrent(self) -> int:
        return self.max_workers

    def open(self, name: str) -> WorkerPool:
        """No worker is started yet."""
        return WorkerPool(self)


class WorkerPool:
    """The worker processes of one executor."""

    def __init__(self, config: ProcessExecutor) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []  # the last one used is used first
        self._busy: dict[TaskInvocation, WorkerProcess] = {}
        self._idle_timer: threading.Timer | None = None
        self._closed = False

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Raises WorkerCrashed; OSError if no process can be started."""
        while True:
            worker = self._acquire_worker(invocation)
            if invocation.is_abandoned or self._closed:  # given up before it was known here, so it could not be killed
                worker.kill()
            try:
                answer = worker.run_invocation(invocation)
            except (EOFError, OSError, DecodingError) as error:
                with self._lock:
                    del self._busy[invocation]
                if isinstance(error, DecodingError):
                    worker.kill()
                code = worker.reap()
                if (
                    not worker.is_call_sent
                    and worker.call_count > 1
                    and not invocation.is_abandoned
                    and not self._closed
                ):
                    continue  # it died while it had nothing to do: that is not this task's fault
                raise WorkerCrashed(
                    f"the worker process {worker.pid} of task {invocation.name!r} {_describe_exit(code)} while it ran",
                    hint="see what it wrote to stderr; SIGKILL may mean that the machine ran out of memory",
                ) from error
            except BaseException:
                worker.kill()
                with self._lock:
                    del self._busy[invocation]
                worker.reap()
                raise
            self._release_worker(invocation, worker)
            return answer

    def kill(self, invocation: TaskInvocation) -> None:
        """Kill the worker, with everything the task function started in its process group."""
        with self._lock:
            worker = self._busy.get(invocation)
            if worker is not None:
                worker.kill()

    def close(self) -> None:
        """End idle workers, kill the others."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            for worker in self._busy.values():
                worker.kill()  # the thread that waits for it buries it
        _shut_down_workers(idle)

    def _acquire_worker(self, invocation: TaskInvocation) -> WorkerProcess:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is not None:
                self._busy[invocation] = worker
                return worker
        worker = WorkerProcess(captures_output=self._config.capture_output)
        with self._lock:
            self._busy[invocation] = worker
        return worker

    def _release_worker(self, invocation: TaskInvocation, worker: WorkerProcess) -> None:
        with self._lock:
            del self._busy[invocation]
            # deferred tasks keep their workers while others run, so there may be more than slots
            spent = worker.call_count >= (self._config.max_tasks_per_worker or sys.maxsize)
            keep = not (self._closed or spent or len(self._idle) >= self._config.max_workers)
            if keep:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                if self._config.idle_seconds is not None and self._idle_timer is None:
                    self._schedule_idle_check(self._config.idle_seconds)
        if not keep:
            _shut_down_workers([worker])

    def _schedule_idle_check(self, seconds: float) -> None:
        self._idle_timer = threading.Timer(seconds, self._retire_idle_workers)
        self._idle_timer.daemon = True
        self._idle_timer.start()

    def _retire_idle_workers(self) -> None:
        limit = self._config.idle_seconds or 0.0
        with self._lock:
            self._idle_timer = None
            if self._closed:
                return
            now = time.monotonic()
            old = [worker for worker in self._idle if now - worker.idle_since >= limit]
            self._idle = [worker for worker in self._idle if worker not in old]
            if self._idle:
                self._schedule_idle_check(limit - (now - min([worker.idle_since for worker in self._idle])))
        _shut_down_workers(old)


class WorkerProcess:
    """One worker, as its parent sees it.  `call_count`: calls it was given; `is_call_sent`: it has all of the last one.

    Raises OSError if it cannot be started.
    """

    def __init__(self, *, captures_output: bool = True) -> None:
        self.call_count = 0
        self.is_call_sent = False
        self.idle_since = 0.0
        self._cached_keys: dict[str, None] = {}  # keys it has, the last used last
        self._sys_path = list(sys.path)
        self._lock = threading.Lock()
        self._active_call = 0  # the call that may be sent something
        self._is_reaped = False
        self._kill_timer: threading.Timer | None = None
        inbox, self._write_fd = os.pipe()
        self._read_fd, outbox = os.pipe()
        life, self._liveness_fd = os.pipe()
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
        """Blocks until the answer is there.  Raises EOFError or OSError when the worker dies, DecodingError."""
        self.call_count += 1
        self.is_call_sent = False
        serial = self.call_count
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
        row = ["call", serial, needed, list(new), gone, path]
        for part in message_framing.frame_parts(row, invocation.payload, *new.values()):
            write_all(self._write_fd, part)
        self._sys_path = path or self._sys_path
        self.is_call_sent = True
        self._active_call = serial
        invocation.on_cancel(lambda why: self._send("halt", serial, why[:MAX_REASON_CHARS]))
        try:
            return self._read_answer(invocation, serial)
        finally:
            with self._lock:
                self._active_call = 0

    def _read_answer(self, invocation: TaskInvocation, call_number: int) -> bytes:
        while True:
            said, blobs = message_framing.read_frame(partial(read_exactly, self._read_fd))
            match said:
                case ["done", _]:
                    self._output.end()
                    return blobs[0]
                case ["log", number, level, logger]:
                    if number == call_number:
                        self._output.catch_up()  # what was printed before comes before it
                        invocation.add_record(str(level), str(logger), blobs[0].decode("utf-8", "replace"))
                case ["defer", number] if number == call_number:
                    invocation.release_slot()
                case ["resume", number, waits] if number == call_number:
                    invocation.reacquire_slot((lambda: self._send("slot", call_number)) if waits else None)
                case ["defer" | "resume", *_]:
                    pass  # a thread that a task function left behind still has its handle
                case _:
                    raise DecodingError(f"a worker said {str(said)[:80]}")

    def _send(self, *message: object) -> None:
        # Short, and the worker listens all the time: the pipe has room, so the caller is not held up.
        with self._lock, suppress(OSError):
            if self._active_call == message[1]:
                write_all(self._write_fd, message_framing.pack_frame(message))

    def kill(self) -> None:
        """At once, with its process group.  Does not block."""
        with self._lock:
            self._kill_group()

    def send_goodbye(self) -> None:
        """Have it end by itself: it has no call."""
        with suppress(OSError):
            write_all(self._write_fd, message_framing.pack_frame(["bye"]))
        self._start_kill_timer()

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
        for fd in (self._read_fd, self._write_fd, self._liveness_fd):
            os.close(fd)
        self._output.close()

    def release(self) -> None:
        """In a fork of the parent: close its pipes, which must not keep the worker alive."""
        if not self._is_reaped:
            self._is_reaped = True
            for fd in (self._read_fd, self._write_fd, self._liveness_fd):
                os.close(fd)
            self._output.release()


def _shut_down_workers(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        worker.send_goodbye()
    for worker in workers:
        worker.reap()


def _describe_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name} (signal {-exit_code})"
    except ValueError:
        return f"was killed by signal {-exit_code}"


_live_workers: Final[WeakSet[WorkerProcess]] = WeakSet()


def _after_fork() -> None:
    for worker in list(_live_workers):
        worker.release()


os.register_at_fork(after_in_child=_after_fork)
