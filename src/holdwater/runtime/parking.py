"""Parking: a run that cannot be decided here is paused by its row alone, with the reason, until it is resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from holdwater.errors import StoreUnavailable
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import Conflict, RunRow, RunUpdate
from holdwater.runtime.internal_errors import logger
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.store_status import StoreStatus

_STRUCTURE_CHANGED: Final = "the structure of workflow "


def structure_changed_reason(run_row: RunRow, known: str) -> str:
    """The reason of a run that waits for another structure of its workflow.  `known`: that of this process."""
    return (
        f"{_STRUCTURE_CHANGED}{run_row.workflow!r} changed: the run was recorded under {run_row.structure}, "
        f"this process has {known}"
    )


def is_structure_change(reason: str | None) -> bool:
    """The run waits for another structure of its workflow."""
    return reason is not None and reason.startswith(_STRUCTURE_CHANGED)


class Parking:
    """Writes parked runs.  A store that does not take one is asked again later."""

    def __init__(self, store: Store, store_status: StoreStatus, owner: str, clock: Clock, timers: Timers) -> None:
        self._store, self._store_status, self._owner = store, store_status, owner
        self._clock, self._timers = clock, timers

    def park(self, run_row: RunRow, reason: str) -> None:
        """Pause a run.  Its work that this runner has goes back to the queue, for the runner that resumes it."""
        self._timers.call_with_retry(lambda: self._park(run_row, reason), self._clock.now())

    def park_unreadable(self, run_id: str, reason: str) -> None:
        """The same by its id.  Raises StoreUnavailable."""
        row = self._store.get_run(run_id)
        if row is not None:
            self.park(row, reason)

    def _park(self, run_row: RunRow, reason: str) -> None:
        if run_row.finished_at is not None:
            return
        now = self._clock.now()
        parked = replace(run_row, status="paused", reason=reason, paused_at=now)
        try:
            (verdict,) = self._store.commit([RunUpdate(parked, run_row.seq, [], now, parked=True)])
            logger.warning("run %s of %s is parked: %s", run_row.id, run_row.workflow, reason)
            held = [row for row in self._store.work_of_run(run_row.id) if row.owner == self._owner]
            if isinstance(verdict, Conflict) and held:  # the last change of this runner is not in this row
                fresh = self._store.get_run(run_row.id)
                if fresh is not None and fresh.seq != run_row.seq:
                    self._park(fresh, reason)
            elif held:
                self._store.release_work(self._owner, held)
        except StoreUnavailable as error:
            self._timers.call_at(self._store_status.on_error(error), lambda: self.park(run_row, reason))
