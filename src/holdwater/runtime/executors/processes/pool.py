"""Bodies in worker processes: for work that keeps a processor busy, and for code that may crash.

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
from holdwater.runtime.executors.processes.worker import read_exactly, write_all

CODE_BLOBS_KEPT: Final = 256
"""how much code a worker remembers"""
SHUTDOWN_SECONDS: Final = 2.0
"""how long a worker may take to end by itself"""
WHY_LIMIT_CHARS: Final = 500
"""what is said to a worker beside its calls must fit into a pipe at once"""
_START: Final = (
    "import sys, json; fds = map(int, sys.argv[2:]); sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from holdwater.runtime.executors.processes.worker import main; main(*fds)"
)


@dataclass(frozen=True, slots=True)
class ProcessExecutor:
    """Bodies run in worker processes, at most `max_workers` at once (default: one per processor).

    A body that times out or does not heed a cancellation is killed with all it started.  A worker that dies costs its
    body one attempt, of kind "CRASHED".  `max_tasks_per_worker`: a worker is replaced after so many bodies.
    `idle_seconds`: one that had nothing to do for so long is ended.  None: never.  Raises ConfigError.
    """

    max_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_tasks_per_worker: int | None = None
    idle_seconds: float | None = None

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

    def __init__(self, kind: ProcessExecutor) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []  # the last one used is used first
        self._busy: dict[TaskInvocation, WorkerProcess] = {}
        self._timer: threading.Timer | None = None
        self._closed = False

    def run(self, job: TaskInvocation) -> bytes:
        """Raises WorkerCrashed; OSError if no process can be started."""
        while True:
            worker = self._taken(job)
            if job.over or self._closed:  # given up before it was known here, so nobody could kill it
                worker.kill()
            try:
                answer = worker.carry_out(job)
            except (EOFError, OSError, DecodingError) as error:
                with self._lock:
                    del self._busy[job]
                if isinstance(error, DecodingError):
                    worker.kill()
                code = worker.reap()
                if not worker.begun and worker.calls > 1 and not job.over and not self._closed:
                    continue  # it died while it had nothing to do: that is not this body's fault
                raise WorkerCrashed(
                    f"the worker process {worker.pid} of task {job.name!r} {_ended(code)} while it ran",
                    hint="see what it wrote to stderr; SIGKILL may mean that the machine ran out of memory",
                ) from error
            except BaseException:
                worker.kill()
                with self._lock:
                    del self._busy[job]
                worker.reap()
                raise
            self._release(job, worker)
            return answer

    def kill(self, job: TaskInvocation) -> None:
        """With everything the body started in its process group."""
        with self._lock:
            worker = self._busy.get(job)
            if worker is not None:
                worker.kill()

    def close(self) -> None:
        """End idle workers, kill the others."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
            for worker in self._busy.values():
                worker.kill()  # the thread that waits for it buries it
        _retire(idle)

    def _taken(self, job: TaskInvocation) -> WorkerProcess:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is not None:
                self._busy[job] = worker
                return worker
        worker = WorkerProcess()
        with self._lock:
            self._busy[job] = worker
        return worker

    def _release(self, job: TaskInvocation, worker: WorkerProcess) -> None:
        with self._lock:
            del self._busy[job]
            # deferred bodies keep their workers while others run, so there may be more than slots
            spent = worker.calls >= (self._kind.max_tasks_per_worker or sys.maxsize)
            keep = not (self._closed or spent or len(self._idle) >= self._kind.max_workers)
            if keep:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                if self._kind.idle_seconds is not None and self._timer is None:
                    self._watch_idle(self._kind.idle_seconds)
        if not keep:
            _retire([worker])

    def _watch_idle(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end_idle)
        self._timer.daemon = True
        self._timer.start()

    def _end_idle(self) -> None:
        limit = self._kind.idle_seconds or 0.0
        with self._lock:
            self._timer = None
            if self._closed:
                return
            now = time.monotonic()
            old = [worker for worker in self._idle if now - worker.idle_since >= limit]
            self._idle = [worker for worker in self._idle if worker not in old]
            if self._idle:
                self._watch_idle(limit - (now - min([worker.idle_since for worker in self._idle])))
        _retire(old)


class WorkerProcess:
    """One worker, as its parent sees it.  `calls`: how many it was given; `begun`: it has all of the last one.

    Raises OSError if it cannot be started.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.begun = False
        self.idle_since = 0.0
        self._parcels: dict[str, None] = {}  # keys it has, the last used last
        self._path = list(sys.path)
        self._guard = threading.Lock()
        self._listening = 0  # the call that may be told something
        self._gone = False
        self._timer: threading.Timer | None = None
        inbox, self._outbox = os.pipe()
        self._inbox, outbox = os.pipe()
        life, self._life = os.pipe()
        theirs = (inbox, outbox, life)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, json.dumps([self._path, sys.argv]), *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
                process_group=0,  # not reached by Ctrl-C, and killed as a whole
            )
        except BaseException:
            self._close()
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid = self._process.pid
        _living.add(self)

    def carry_out(self, job: TaskInvocation) -> bytes:
        """Blocks until the answer is there.  Raises EOFError or OSError when the worker dies, DecodingError."""
        self.calls += 1
        self.begun = False
        serial = self.calls
        needed = [key for key, _ in job.parcels]
        new = {key: data for key, data in job.parcels if key not in self._parcels}
        for key in needed:
            self._parcels.pop(key, None)
            self._parcels[key] = None
        gone = list(self._parcels)[: max(0, len(self._parcels) - max(CODE_BLOBS_KEPT, len(needed)))]
        for key in gone:
            del self._parcels[key]
        path = None if self._path == sys.path else list(sys.path)
        head = ["call", serial, needed, list(new), gone, path]
        for part in message_framing.parts(head, job.call, *new.values()):
            write_all(self._outbox, part)
        self._path = path or self._path
        self.begun = True
        self._listening = serial
        job.on_cancel(lambda why: self._tell("halt", serial, why[:WHY_LIMIT_CHARS]))
        try:
            return self._answer(job, serial)
        finally:
            with self._guard:
                self._listening = 0

    def _answer(self, job: TaskInvocation, serial: int) -> bytes:
        while True:
            said, blobs = message_framing.read(partial(read_exactly, self._inbox))
            match said:
                case ["done", _]:
                    return blobs[0]
                case ["defer", number] if number == serial:
                    job.defer()
                case ["resume", number, waits] if number == serial:
                    job.resume((lambda: self._tell("slot", serial)) if waits else None)
                case ["defer" | "resume", *_]:
                    pass  # a thread that a body left behind still has its handle
                case _:
                    raise DecodingError(f"a worker said {str(said)[:80]}")

    def _tell(self, *data: object) -> None:
        # Short, and the worker listens all the time: the pipe has room, so whoever calls is not held up.
        with self._guard, suppress(OSError):
            if self._listening == data[1]:
                write_all(self._outbox, message_framing.pack(data))

    def kill(self) -> None:
        """At once, with its process group.  Does not block."""
        with self._guard:
            self._kill_group()

    def send_goodbye(self) -> None:
        """Have it end by itself: it has no call."""
        with suppress(OSError):
            write_all(self._outbox, message_framing.pack(["bye"]))
        self._limit()

    def reap(self) -> int:
        """Wait for its end, kill what it left, release everything; the exit code, negative for a signal."""
        self._limit()
        with suppress(ChildProcessError):  # somebody else collects the children of this process
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._guard:  # its number is its own as long as it is not collected, so that no stranger is killed
            self._kill_group()
            code = self._process.wait()
            self._gone = True
            self._close()
        if self._timer is not None:
            self._timer.cancel()
        _living.discard(self)
        return code

    def _limit(self) -> None:
        """It may have closed its pipes, or said good-bye, and live on."""
        if self._timer is None:
            self._timer = threading.Timer(SHUTDOWN_SECONDS, self.kill)
            self._timer.daemon = True
            self._timer.start()

    def _kill_group(self) -> None:
        if not self._gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        for fd in (self._inbox, self._outbox, self._life):
            os.close(fd)

    def release(self) -> None:
        """In a fork of the parent: its pipes must not keep the worker alive."""
        if not self._gone:
            self._gone = True
            self._close()


def _retire(workers: list[WorkerProcess]) -> None:
    for worker in workers:
        worker.send_goodbye()
    for worker in workers:
        worker.reap()


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name} (signal {-code})"
    except ValueError:
        return f"was killed by signal {-code}"


_living: Final[WeakSet[WorkerProcess]] = WeakSet()


def _after_fork() -> None:
    for worker in list(_living):
        worker.release()


os.register_at_fork(after_in_child=_after_fork)
