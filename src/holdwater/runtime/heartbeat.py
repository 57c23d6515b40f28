"""The heartbeat of a runner: its row in the table of runners, written by a thread of its own.

The row says when the loop last answered, not only that the process is there.  It is written every ten seconds, and the
first time after one, so that short-lived runners write none; commits never wait for it.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Final

from holdwater.errors import HoldwaterError, RunnerClosed, StoreUnavailable
from holdwater.model import ids
from holdwater.model.catalog import RunnerRow, RunnerState
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.service_protocols import Inbox
from holdwater.runtime.workflows import ExecutableWorkflows

FIRST_HEARTBEAT_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10.0
FORGOTTEN_AFTER_US: Final = 3_600_000_000
"""silence after which the row of a runner is deleted by the others"""
CLOSE_SECONDS: Final = 5.0
"""longest wait for a heartbeat under way when the runner ends"""


class RunnerHeartbeat:
    """Writes the row of one runner until it is closed."""

    def __init__(
        self,
        store: Store,
        owner: str,
        config: DriverConfig,
        clock: Clock,
        workflows: ExecutableWorkflows,
        dispatcher: Dispatcher,
        inbox: Inbox,
        error_log: InternalErrors,
    ) -> None:
        self._store, self._owner, self._config, self._clock = store, owner, config, clock
        self._workflows, self._dispatcher, self._inbox = workflows, dispatcher, inbox
        self._error_log = error_log
        self._started_at = clock.now()
        self._state: RunnerState = "running"
        self.workflow_names: list[str] = []
        """claim keys of what the runner can execute, as of the latest heartbeat"""
        self._names_changed = True
        self._closed = threading.Event()
        self._beat_needed = threading.Event()
        self._loop_answered = threading.Event()
        self._written = threading.Event()
        self._requests: deque[threading.Event] = deque()
        """set with the first heartbeat that begins after them"""
        self._thread = threading.Thread(target=self._thread_main, name="holdwater-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread, for a runner that is listed."""
        if self._config.listed:
            self._thread.start()

    def beat_now(self, timeout_seconds: float) -> bool:
        """Have the row written at once; returns True when it is."""
        written = threading.Event()
        self._requests.append(written)
        self._beat_needed.set()
        return written.wait(timeout_seconds)

    def on_workflows_changed(self) -> None:
        """The next heartbeat names the workflows anew."""
        self._names_changed = True

    def start_draining(self) -> None:
        """The runner takes no more work."""
        self._state = "draining"
        if self._written.is_set():
            self._beat_needed.set()

    def close(self) -> None:
        """End the thread, and delete the row."""
        if not self._thread.is_alive():
            return
        self._closed.set()
        self._beat_needed.set()
        self._loop_answered.set()
        self._thread.join(CLOSE_SECONDS)
        try:
            if self._written.is_set():
                self._store.delete_runner(self._owner)
        except (StoreUnavailable, RunnerClosed):
            pass  # it is shown as gone soon, and deleted by others later

    def _thread_main(self) -> None:
        requests: list[threading.Event] = []
        self._beat_needed.wait(FIRST_HEARTBEAT_SECONDS)
        while not self._closed.is_set():
            self._beat_needed.clear()
            self._loop_answered.clear()
            if self._closed.is_set():  # looked at after the events are cleared, which `close` sets
                break
            while self._requests:
                requests.append(self._requests.popleft())
            self._inbox.call_soon(self._answer)
            self._loop_answered.wait()
            if not self._closed.is_set() and self._write():
                for written in requests:
                    written.set()
                requests.clear()
            self._beat_needed.wait(HEARTBEAT_SECONDS)

    def _answer(self) -> None:
        """Called by the loop, whose thread alone asks for executable workflows."""
        if self._names_changed:
            self._names_changed = False
            self.workflow_names = sorted(self._workflows.claim_keys())
        self._loop_answered.set()

    def _write(self) -> bool:
        now = self._clock.now()
        try:
            self._store.put_runner(self._row(now), Micros(now - FORGOTTEN_AFTER_US))
            self._written.set()
            return True
        except (StoreUnavailable, RunnerClosed):
            pass  # the next heartbeat tries again
        except HoldwaterError as error:
            self._error_log.add("the heartbeat of the runner, tried again later", error)
        return False

    def _row(self, now: Micros) -> RunnerRow:
        host, pid = ids.parse_owner_id(self._owner)
        return RunnerRow(
            owner=self._owner,
            name=self._config.name or self._config.runner_id or f"{host}:{pid}",
            host=host or "",
            pid=pid or 0,
            version=sys.modules["holdwater"].__version__,
            executors={name: one.slot_limit for name, one in self._dispatcher.executors.items()},
            workflows=self.workflow_names,
            own_runs_only=self._config.own_runs_only,
            state=self._state,
            started_at=self._started_at,
            seen_at=now,
        )
