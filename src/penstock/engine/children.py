"""Runs that task bodies start and wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.model import events as ev
from penstock.model.records import RunFilter
from penstock.runtime.handle import Called, ChildRun
from penstock.runtime.live_run import LiveRun

if TYPE_CHECKING:
    from penstock.engine.engine import Engine


class ChildRuns:
    """Starts children.  `present`: what a body gets for a run that has ended."""

    def __init__(self, engine: Engine, present: Callable[[LiveRun], Any]) -> None:
        self._engine, self._present = engine, present

    def start(self, parent: Called, ordinal: int, workflow: str, inputs: Any) -> ChildRun:
        """Start the body's n-th child, or find it if an attempt with this number has started it before it died.

        Raises WorkflowNotFound, EncodingError, StoreUnavailable, RunnerClosed.
        """
        engine = self._engine
        beginning = f"{parent.run_id}:{parent.name}:"
        if ordinal == 1 and parent.number > 1:
            self._end_those_of_earlier_attempts(parent.run_id, beginning)
        key = f"{beginning}{parent.epoch}:{parent.number}:{ordinal}"
        run_id = engine.submit_child(workflow, inputs, parent.run_id, key)
        engine.driver.note_child(parent.run_id, run_id, waits=True)
        return Child(engine, parent.run_id, run_id, self._present)

    def _end_those_of_earlier_attempts(self, parent_id: str, beginning: str) -> None:
        for row in self._engine.runs(RunFilter(parent_id=parent_id, limit=1000)):
            if row.finished_at is None and (row.idempotency_key or "").startswith(beginning):
                self._engine.driver.control(row.id, ev.CancelRequested("the attempt that started it is over")).wait()


class Child:
    """A child as its parent's body sees it."""

    def __init__(self, engine: Engine, parent_id: str, run_id: str, present: Callable[[LiveRun], Any]) -> None:
        self._engine, self._parent_id, self._run_id, self._present = engine, parent_id, run_id, present

    def look(self, ring: Callable[[], None]) -> Any:
        """Raises StoreUnavailable, RunnerClosed."""
        promise = self._engine.watch(self._run_id)
        if not promise.done:
            promise.then(lambda _: ring())
        if self._engine.head(self._run_id).finished_at is None:
            return None
        self._engine.driver.note_child(self._parent_id, self._run_id, waits=False)
        return self._present(self._engine.read(self._run_id))
