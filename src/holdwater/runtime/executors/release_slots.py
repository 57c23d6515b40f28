"""Slots of each release on an executor of packages, so that the backlog of one leaves those of the others free."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol, runtime_checkable

from holdwater.errors import WorkerCrashed
from holdwater.runtime.executors.base import ExecutorBackend, TaskInvocation
from holdwater.runtime.executors.slots import Executor


@runtime_checkable
class LimitsReleases(Protocol):
    """An `ExecutorConfig` of which each release of a package has a limit of its own."""

    def max_concurrent_of(self, release: str) -> int:
        """Return the number of task functions of a release that may run at once."""
        ...


class ReleaseSlots:
    """The executors of the releases, which share one backend.  `executors`: by release; never changed in place."""

    def __init__(
        self,
        config: LimitsReleases,
        make_executor: Callable[[int, ExecutorBackend], Executor],
        backend: ExecutorBackend,
    ) -> None:
        self._config, self._make_executor, self._backend = config, make_executor, backend
        self.executors: Mapping[str, Executor] = {}

    def add(self, release: str, used: Collection[Executor]) -> Executor:
        """Make the executor of a release; end idle ones that are not `used` any more."""
        kept = {}
        for name, executor in self.executors.items():
            if executor in used or executor.running or executor.queue:
                kept[name] = executor
            else:
                executor.close()
        made = self._make_executor(self._config.max_concurrent_of(release), SharedBackend(self._backend))
        self.executors = {**kept, release: made}
        return made


class SharedBackend:
    """A backend of which several executors have a part each."""

    def __init__(self, backend: ExecutorBackend) -> None:
        self._backend: Final = backend
        self._lock = threading.Lock()
        self._running: set[TaskInvocation] = set()
        self._is_closed = False

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Raises WorkerCrashed after the end, BadAnswer and all else that the backend raises."""
        with self._lock:
            if self._is_closed:
                raise WorkerCrashed("the executor is closed")
            self._running.add(invocation)
        try:
            return self._backend.run_invocation(invocation)
        finally:
            with self._lock:
                self._running.discard(invocation)

    def kill(self, invocation: TaskInvocation) -> None:
        """Have it end soon."""
        self._backend.kill(invocation)

    def close(self) -> None:
        """Have all of this part end; the backend itself goes on."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for invocation in running:
            self._backend.kill(invocation)
