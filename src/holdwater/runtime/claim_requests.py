"""Requests to the claimer, which looks at them in each turn of the loop.

They are level-triggered: flags and sets that stay until the work is done, so that a request can come too often and
never too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate
from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.records import WorkRow
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.run_table import RunTable

EXTRA_SCANS: Final = 2
"""a transaction that failed may take effect later, when a server that hung goes on: so many scans look for it again"""
RECHECK_SECONDS: Final = (0.1, 0.5, 2.0, 5.0, 20.0)
"""pauses between looks before these scans, from when the store answers again: longer than a lock is waited for"""


class ClaimRequests:
    """Only the driver's thread is in here."""

    def __init__(self, table: RunTable, dispatcher: Dispatcher, config: DriverConfig, clock: Clock) -> None:
        self._table, self._dispatcher, self._config, self._clock = table, dispatcher, config, clock
        self.claim_needed = False
        """there may be work to claim"""
        self.backlog_left = False
        """work stayed in the queue for want of room"""
        self.limits_changed = True
        """concurrency limits are to be read"""
        self.has_limited_work = False
        """own work was left in the queue, to be claimed within concurrency limits when others end"""
        self.check_owned_work = False
        """rows may be this runner's on disk and unknown here"""
        self._outcome_unknown = False
        self._extra_scans = 0
        self.recheck_at: Micros | None = None
        """instant of the next look for work of a transaction that failed"""
        self._rechecks: deque[Micros] = deque()
        """instants of the looks after that"""
        self.stale_runs: set[str] = set()
        """active runs that other runners may have advanced"""
        self.rows_to_release: list[WorkRow] = []
        """own work that goes back to the queue: it cannot begin here soon"""
        self.included_runs: set[str] | None = set() if config.own_runs_only else None
        """runs to claim work of, with their children; None: all runs whose workflows can be executed here"""

    @property
    def pending(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return (
            self.claim_needed
            or self.limits_changed
            or self.check_owned_work
            or bool(self.stale_runs or self.rows_to_release)
        )

    def include_run(self, run_id: str) -> None:
        """Claim work of this run and its children, where a runner claims that of its own runs only."""
        if self.included_runs is not None:
            self.included_runs.add(run_id)
            self.claim_needed = True

    def is_included(self, run_id: str) -> bool:
        return self.included_runs is None or run_id in self.included_runs

    def request_claim(self) -> None:
        """There may be work to claim, or a slot for it."""
        self.claim_needed = True

    def claim_when_free(self, executors: Collection[Executor]) -> None:
        """Work stays in the queue for want of room on these: claim when there is some."""
        self.backlog_left = True
        if self._dispatcher.is_free_or_notify(executors):
            self.claim_needed = True

    def on_attempt_ended(self) -> None:
        """Claim before a slot is idle, if prefetched work is about to run out."""
        if self.backlog_left and not self.claim_needed:
            self.claim_needed = self._dispatcher.is_running_low(
                self._clock.now(), self._config.prefetch_tasks, by_throughput=self._config.recover
            )

    def outcome_unknown(self) -> None:
        """The store failed in a transaction that creates or claims work: perhaps it took effect."""
        self.check_owned_work = self._outcome_unknown = True

    def on_owned_work_checked(self) -> None:
        """The store was asked for all work of this runner."""
        self.check_owned_work = False
        if self._outcome_unknown:
            self._outcome_unknown, self._extra_scans = False, EXTRA_SCANS
            _, self.recheck_at, *later = accumulate(RECHECK_SECONDS, add_seconds, initial=self._clock.now())
            self._rechecks = deque(later)

    def take_recheck(self, now: Micros) -> bool:
        """Return True if it is time to look for work of a transaction that failed."""
        assert self.recheck_at is not None
        if now < self.recheck_at <= add_seconds(now, RECHECK_SECONDS[-1]):  # else the clock was set back
            return False
        self.recheck_at = self._rechecks.popleft() if self._rechecks else None
        return True

    def on_duplicate(self, run_id: str) -> None:
        """A run was asked for that is there: perhaps by a transaction that failed here, and took effect later."""
        self.include_run(run_id)
        if (self._extra_scans or self._outcome_unknown) and self._table.get(run_id) is None:
            self.check_owned_work = True

    def on_scan(self) -> None:
        """Request all that notifications may have missed."""
        self.claim_needed = self.limits_changed = True
        self.stale_runs.update(self._table.active)
        if self._extra_scans:
            self.check_owned_work = True
            self._extra_scans -= 1

    def on_notification(self, run_ids: Iterable[str] | None) -> None:
        """Other runners have advanced these runs; None: any."""
        active = self._table.active.keys()
        self.stale_runs.update(active if run_ids is None else active & set(run_ids))

    # -- own work that goes back to the queue

    def release_later(self, run: ActiveRun, row: WorkRow) -> None:
        """Give back work that is this runner's on disk, and cannot begin here now."""
        held = run.work_rows.get(row.node)
        if held is not None and held.fence == row.fence and held.owner == self._table.owner:
            self.rows_to_release.append(held)
        else:  # other runners have advanced the run; own work of it comes up again when that is read
            self.stale_runs.add(run.row.id)

    def release_queued(self) -> None:
        """Give back everything that waits for a slot: there will be none for a while."""
        self.release_attempts(self._dispatcher.unqueue_surplus(UNSET, everything=True))

    def release_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Give back the work of attempts that were taken from the queues of executors."""
        for attempt in attempts:
            run = self._table.get(attempt.run_id)
            if run is not None and run.attempts.get(attempt.node) is attempt:
                self._table.detach(run, attempt)
                row = run.work_rows.get(attempt.node)
                if row is not None and row.fence == attempt.fence and row.owner == self._table.owner:
                    self.rows_to_release.append(row)
