"""A thread of the server that executes bulk jobs one after another, and ends when there are none.

A job that another process had begun, and that it says nothing of any more, is gone on with.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import HoldwaterError, InvalidTransition, RunnerClosed
from holdwater.model.bulk_jobs import BulkJob
from holdwater.operations.bulk_jobs import execute_bulk_job, list_bulk_jobs
from holdwater.operations.databases import Database

LOOKED_AT_JOBS: Final = 1000
"""the newest jobs, among which those that are left are looked for"""
RETRY_SECONDS: Final = 5.0
"""after an error, and between looks at jobs that other processes execute"""
CLOSE_SECONDS: Final = 10.0
"""longest wait for the runs that are acted on when the server ends"""

_LOG: Final = logging.getLogger("holdwater.server")


class BulkWorker:
    """`engine`: None for a database that is only read, of which nothing is executed.  Thread-safe."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_asked = False
        """there may be jobs the thread has not seen"""
        self._stopping = threading.Event()
        self._ended: set[str] = set()
        """jobs that the thread has executed since it was started"""
        self._idle = threading.Condition(self._lock)

    def start(self) -> None:
        """Execute the jobs there are."""
        with self._lock:
            self._is_asked = True
            if self._thread is None:
                self._ended.clear()
            if self._thread is None and self._engine is not None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._thread_main, name="holdwater-bulk-jobs", daemon=True)
                self._thread.start()

    @property
    def is_busy(self) -> bool:
        """True while it executes jobs, or looks for some."""
        return self._thread is not None

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Wait until there is nothing to execute; returns False after so long."""
        with self._idle:
            return self._idle.wait_for(lambda: self._thread is None, timeout_seconds)

    def wait_for_job(self, job_id: str, timeout_seconds: float) -> None:
        """Wait until a job has ended, or nothing is executed, or for so long."""
        with self._idle:
            self._idle.wait_for(lambda: self._thread is None or job_id in self._ended, timeout_seconds)

    def close(self) -> None:
        """End the thread; the jobs that are left are gone on with by the next server.  Idempotent."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)

    def _thread_main(self) -> None:
        assert self._engine is not None
        while True:
            with self._lock:
                self._is_asked = False
            try:
                has_more = self._execute_jobs(self._engine)
            except RunnerClosed:  # the runner of an application was shut down
                self._stopping.set()
                has_more = False
            except HoldwaterError as error:
                _LOG.warning("bulk jobs: %s; it is tried again in %g s", error.message, RETRY_SECONDS)
                has_more = True
            except Exception:  # noqa: BLE001 - jobs stay as they are, and are tried again
                _LOG.exception("executing bulk jobs; it is tried again in %g s", RETRY_SECONDS)
                has_more = True
            with self._idle:
                if self._stopping.is_set() or not (has_more or self._is_asked):
                    self._thread = None
                    self._idle.notify_all()
                    return
            if has_more:
                self._stopping.wait(RETRY_SECONDS)

    def _execute_jobs(self, engine: Engine) -> bool:
        """Execute the jobs that are left, the oldest first; returns True if another process executes some."""
        jobs = [job for job in list_bulk_jobs(Database.of(engine), LOOKED_AT_JOBS) if job.state == "running"]
        return any([not self._execute(engine, job) for job in reversed(jobs)])

    def _execute(self, engine: Engine, job: BulkJob) -> bool:
        """Execute a job; returns False if another process has it, or an error ended it."""
        if self._stopping.is_set():
            return True
        try:
            execute_bulk_job(engine, job.id, stopping=self._stopping)
        except InvalidTransition:
            return False
        except RunnerClosed:
            raise
        except HoldwaterError as error:
            _LOG.warning("bulk job %s: %s; it is tried again", job.id, error.message)
            return False
        with self._idle:
            self._ended.add(job.id)
            self._idle.notify_all()
        return True
