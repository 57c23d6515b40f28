"""The backend of a Ray executor: hands invocations to the process that speaks with Ray, and starts that again."""

from __future__ import annotations

import threading
from typing import Final

from holdwater.errors import WorkerCrashed
from holdwater.model.resources import Resources
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.ray.driver_process import DriverOptions, DriverProcess


class RayBackend:
    """Carries out invocations on a Ray cluster.  Thread-safe."""

    def __init__(self, options: DriverOptions, resources: Resources) -> None:
        self._options: Final = options
        self._resources: Final = resources
        self._lock = threading.Lock()
        self._driver: DriverProcess | None = None
        self._busy: dict[TaskInvocation, DriverProcess] = {}
        self._closed = False

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Raises WorkerCrashed, ExecutorUnavailable, ResourcesUnavailable."""
        invocation.hold_timeout()
        while True:
            with self._lock:
                driver = self._current_driver()
                self._busy[invocation] = driver
            try:
                driver.wait_ready()
                if invocation.is_abandoned:
                    raise WorkerCrashed(f"task {invocation.name!r} was given up before it was handed to Ray")
                call = driver.submit(invocation, {**self._resources, **invocation.resources})
                if invocation.is_abandoned:  # given up before it was known there, so it could not be killed
                    driver.kill(invocation)
                call.answer.wait()
                if call.is_unsent:  # the process had ended, of which this call is innocent: a new one is started
                    continue
                return call.answer.result()
            finally:
                with self._lock:
                    del self._busy[invocation]

    def kill(self, invocation: TaskInvocation) -> None:
        """Kill the worker that runs the function, or withdraw it from the queue of the cluster."""
        with self._lock:
            driver = self._busy.get(invocation)
        if driver is not None:
            driver.kill(invocation)

    def close(self) -> None:
        """Disconnect from the cluster, which ends what runs there for this executor; end a cluster that it started."""
        with self._lock:
            self._closed = True
            driver = self._driver
        if driver is not None:
            driver.close()

    def _current_driver(self) -> DriverProcess:
        """Return the process that speaks with Ray, a new one if it has ended; the lock is held."""
        if self._closed:
            raise WorkerCrashed("the executor is closed")
        if self._driver is None or self._driver.has_ended:
            self._driver = DriverProcess(self._options)
        return self._driver
