"""Runs of a version of their workflow that this runner does not have, and another one has announced.

In a rolling upgrade runners with the old and the new structure of a workflow work on one database, and clients start
runs of the one that was announced last.  An older runner gives the work of these back, and passes the workflow over for
a while, so that a newer one takes it.  (Runs of an older structure are parked by a newer runner.)
"""

from __future__ import annotations

from collections.abc import Collection

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow, WorkRow
from holdwater.model.time import Micros, add_seconds
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.internal_errors import logger
from holdwater.runtime.run_table import RunTable


class OtherVersions:
    """`pass_seconds`: for how long a workflow is passed over; scans look for its work afterwards."""

    def __init__(self, store: Store, table: RunTable, clock: Clock, pass_seconds: float) -> None:
        self._store, self._table, self._clock, self._pass_seconds = store, table, clock, pass_seconds
        self._passed_over_until: dict[str, Micros] = {}

    def is_announced(self, row: RunRow) -> bool:
        """Return True if a runner has announced the structure a run was started under, in its release.

        Raises StoreUnavailable.
        """
        known = self._store.get_workflow(row.workflow)
        return known is not None and known.release == row.release and row.structure in known.structures

    def give_back(self, run: ActiveRun, row: WorkRow) -> None:
        """Give work of a run back to the queue, and take none of its workflow for a while.  Raises StoreUnavailable."""
        self._store.release_work(self._table.owner, [row])
        if row.node in run.work_rows:
            run.work_rows[row.node].owner = None
        self._table.evict_if_idle(run)
        if row.workflow not in self._passed_over_until:
            logger.info(
                "run %s of %s is left to a runner of its version: it was started under %s",
                row.run_id,
                row.workflow,
                run.row.structure,
            )
        self._passed_over_until[row.workflow] = add_seconds(self._clock.now(), self._pass_seconds)

    def claimable(self, workflows: Collection[str]) -> Collection[str]:
        """Leave out the workflows that are passed over now."""
        if not self._passed_over_until:
            return workflows
        now = self._clock.now()
        latest = add_seconds(now, self._pass_seconds)  # the clock may have been set back
        self._passed_over_until = {name: at for name, at in self._passed_over_until.items() if now < at <= latest}
        return [name for name in workflows if name not in self._passed_over_until]
