"""Task functions in worker processes: for work that keeps a processor busy, and for code that may crash.

Workers are started when they are needed and kept.  Each is the leader of a process group of its own, so that killing
one takes along what its body started.  They are no forks of this process and import nothing of its main program.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field

from holdwater.errors import BadAnswer, WorkerCrashed
from holdwater.model import validation
from holdwater.runtime.executors.base import TaskInvocation, check_count
from holdwater.runtime.executors.processes.code_worker import CodeWorkerProcess


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
        self._idle: list[CodeWorkerProcess] = []  # the last one used is used first
        self._busy: dict[TaskInvocation, CodeWorkerProcess] = {}
        self._idle_timer: threading.Timer | None = None
        self._closed = False

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Raises WorkerCrashed, BadAnswer; OSError if no process can be started."""
        while True:
            worker = self._acquire_worker(invocation)
            if invocation.is_abandoned or self._closed:  # given up before it was known here, so it could not be killed
                worker.kill()
            try:
                answer = worker.run_invocation(invocation)
                invocation.check_answer(answer)
            except (EOFError, OSError, BadAnswer) as error:
                if isinstance(error, BadAnswer):
                    worker.kill()
                code = self._bury_worker(invocation, worker)
                if self._died_idle(worker) and not invocation.is_abandoned:
                    continue
                if isinstance(error, BadAnswer):
                    raise _bad_answer_error(worker, invocation, error) from error
                raise WorkerCrashed(
                    f"the worker process {worker.pid} of task {invocation.name!r} {_describe_exit(code)} while it ran",
                    hint="see what it wrote to stderr; SIGKILL may mean that the machine ran out of memory",
                ) from error
            except BaseException:
                worker.kill()
                self._bury_worker(invocation, worker)
                raise
            self._release_worker(invocation, worker)
            return answer

    def _died_idle(self, worker: CodeWorkerProcess) -> bool:
        """Return True if it died, or said what it must not, while it had nothing to do: no fault of the next task."""
        return not worker.is_call_sent and worker.call_count > 1 and not self._closed

    def _bury_worker(self, invocation: TaskInvocation, worker: CodeWorkerProcess) -> int:
        """Wait for the end of the worker of a call; returns its exit code."""
        with self._lock:
            del self._busy[invocation]
        return worker.reap()

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

    def _acquire_worker(self, invocation: TaskInvocation) -> CodeWorkerProcess:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is not None:
                self._busy[invocation] = worker
                return worker
        worker = CodeWorkerProcess(captures_output=self._config.capture_output)
        with self._lock:
            self._busy[invocation] = worker
        return worker

    def _release_worker(self, invocation: TaskInvocation, worker: CodeWorkerProcess) -> None:
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


def _shut_down_workers(workers: list[CodeWorkerProcess]) -> None:
    for worker in workers:
        worker.send_goodbye()
    for worker in workers:
        worker.reap()


def _bad_answer_error(worker: CodeWorkerProcess, invocation: TaskInvocation, error: BadAnswer) -> BadAnswer:
    return BadAnswer(
        f"the worker process {worker.pid} of task {invocation.name!r} sent what its runner does not take, and was "
        f"killed: {error.message}",
        hint="code in the worker writes to the pipe of the runner: see what closes or reuses file descriptors",
    )


def _describe_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name} (signal {-exit_code})"
    except ValueError:
        return f"was killed by signal {-exit_code}"
