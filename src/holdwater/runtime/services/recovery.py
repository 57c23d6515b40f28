"""Recovery: periodic scans for whatever notifications may have missed.

Expired work of dead runners goes back to the queue, runs past their deadlines are ended, and children whose parents
have ended are cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import ChildControl, StoredRuns
from holdwater.runtime.services.deadlines import Deadlines
from holdwater.runtime.workflows import ExecutableWorkflows

EXPIRY_MARGIN_US: Final = 100_000
"""leases are renewed by thirds; one that has run out by more than this was not renewed"""


class StaleClaimSweeper:
    """A service of the loop.  Raises StoreUnavailable; the scan is due again then."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: DriverConfig,
        table: RunTable,
        claim_requests: ClaimRequests,
        workflows: ExecutableWorkflows,
        stored_runs: StoredRuns,
        deadlines: Deadlines,
        control: ChildControl,
        sample_clock: Callable[[], None],
    ) -> None:
        self._store, self._clock, self._config, self._table = store, clock, config, table
        self._claim_requests, self._workflows, self._stored_runs = claim_requests, workflows, stored_runs
        self._deadlines, self._control, self._sample_clock = deadlines, control, sample_clock
        self._interval_us = int(config.scan_interval_seconds * 1e6)
        self._scan_at = clock.now()

    def due_at(self, now: Micros) -> Micros | None:
        return min(self._scan_at, Micros(now + self._interval_us))

    def run(self, now: Micros) -> None:
        """Scan, if it is time to."""
        if not now < self._scan_at <= now + self._interval_us:
            self._scan_at = self._scan()

    def _scan(self) -> Micros:
        """Returns the instant of the next scan."""
        self._claim_requests.request_claim()
        self._sample_clock()
        now = self._clock.now()  # the clock may have been set, and the store may have taken its time
        self._claim_requests.on_scan()
        following = Micros(now + self._interval_us)
        if not self._config.recover:
            return following
        expiry = self._store.next_lease_expiry(self._table.owner)
        if expiry is not None and self._store.reclaim_expired(now, self._clock.monotonic(), self._config.lease_us):
            expiry = self._store.next_lease_expiry(self._table.owner)
        if expiry is not None:  # scan again then: the work of a dead runner does not wait for a whole interval
            following = min(following, Micros(max(expiry + EXPIRY_MARGIN_US, now + self._config.lease_us // 6)))
        claim_keys = self._workflows.claim_keys()
        for run_id, key in self._store.orphaned_children():
            if key in claim_keys and self._claim_requests.is_included(run_id):
                self._control.cancel_child(run_id)
        for run_id, key, due in self._store.overdue_runs(now):
            if key in claim_keys and self._table.get(run_id) is None and self._claim_requests.is_included(run_id):
                run = self._stored_runs.adopt(run_id)
                if run is not None:
                    self._deadlines.expire_run(run, due)
        return following
