"""The store of a WorkflowRunner, with an engine created on first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import RunnerClosed
from holdwater.events.processors import EventProcessor
from holdwater.model import events as ev
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.registry import Registry
from holdwater.model.time import Micros, seconds_between, to_rfc3339
from holdwater.runners.steps.config import WorkflowRunnerConfig
from holdwater.runs.view import RunView
from holdwater.storage.checkpoints.store import CheckpointedStore

DRAIN_SECONDS: Final = 5.0


class LazyEngine:
    """A runner's store, and the engine on it once it is needed."""

    def __init__(
        self,
        store: Store,
        config: WorkflowRunnerConfig,
        clock: Clock | None,
        make_processors: Callable[[], Sequence[EventProcessor]],
    ) -> None:
        """`make_processors`: called when the engine is made."""
        self._store, self._config, self._clock = store, config, clock
        self._make_processors = make_processors
        self.url = store.url
        self._engine: Engine | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """Raises RunnerClosed, StoreUnavailable."""
        with self._lock:
            if self._closed:
                raise RunnerClosed("this runner was closed; its unfinished runs can be resumed with another one")
            if self._engine is None:
                self._engine = Engine(
                    self.url,
                    self._config.driver_config(),
                    run_timeout_seconds=self._config.workflow_timeout,
                    clock=self._clock,
                    registry=Registry(),
                    store=self._store,
                    event_processors=self._make_processors(),
                )
            return self._engine

    def register_definitions(self, definitions: Iterable[WorkflowDefinition]) -> None:
        """Have them and those of their child runs at hand: runs that go on, or are tried again, are found by name."""
        known: set[str] = set()
        stack = list(definitions)
        while stack:
            one = stack.pop()
            if one.plan.name not in known:
                known.add(one.plan.name)
                self.engine.registry.register(one)
                stack += one.child_definitions().values()

    @property
    def missing_run_hint(self) -> str:
        """Hint for a run that was not found."""
        if self._config.dry_run:
            return "dry runs are recorded nowhere"
        if self.url == "memory://":
            return "without a database only the last 1,000 runs of this process are kept: give the runner a db_engine"
        if isinstance(self._store, CheckpointedStore):
            return ""
        return "`holdwater runs list` shows the runs of a database; here an id is given whole"

    def acquire_run(self, run_id: str) -> None:
        """Have the run for this process, where a place of checkpoints knows one process only.  Raises RunInProgress."""
        if isinstance(self._store, CheckpointedStore):
            self._store.acquire_run(run_id)

    def pause_if_long_wait(self, run_id: str, until: Micros) -> None:
        """Pause a run whose step waits until an instant beyond `max_inline_wait_seconds`."""
        if self._exceeds_inline_wait(until):
            self.engine.driver.request_control_event(run_id, ev.Paused(f"it waits until {to_rfc3339(until)}"))

    def long_wait_until(self, run: RunView) -> Micros | None:
        """Until when a step of the run sleeps, if that is too long to hold it."""
        deferred = [node.deferred_until for node in run.nodes if node.deferred_until is not None]
        return next((until for until in deferred if self._exceeds_inline_wait(until)), None)

    def _exceeds_inline_wait(self, until: Micros) -> bool:
        limit = self._config.max_inline_wait_seconds
        return limit is not None and seconds_between(self.engine.clock.now(), until) > limit

    def close(self, *, wait: bool) -> None:
        with self._lock:
            self._closed, closed = True, self._closed
        if self._engine is not None:
            self._engine.close(DRAIN_SECONDS, wait=wait)
        elif not closed:
            self._store.close()
