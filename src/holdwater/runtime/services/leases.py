"""Leases: renewed by thirds or more often, and checked before a task function begins.

A process that was stopped, suspended or cut off beyond its leases may have lost its work without having noticed.  So
each attempt checks before it begins, by the monotonic clock; one that runs is told when its lease is over
(lease_watch.py), which also renews if the loop is late; and a renewal that comes too late finds out what is left.
"""

from __future__ import annotations

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import LeaseRenewal, Store
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros, MonotonicMicros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt, Lease
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.lease_watch import LeaseWatch
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import Inbox, LeasedWork


class LeaseKeeper:
    """The leases of one runner; a service of its loop.  Raises StoreUnavailable."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        table: RunTable,
        work: LeasedWork,
        dispatcher: Dispatcher,
        claim_requests: ClaimRequests,
        inbox: Inbox,
        error_log: InternalErrors,
        lease_us: int,
        heartbeat_us: int,
    ) -> None:
        self._store, self._clock, self._table, self._work = store, clock, table, work
        self._dispatcher, self._claim_requests, self._inbox = dispatcher, claim_requests, inbox
        self._error_log, self._lease_us = error_log, lease_us
        self._lease = Lease()
        self._renew_interval_us = heartbeat_us
        self._renew_at = Micros(clock.now() + self._renew_interval_us)
        self._expired_attempts: list[Attempt] = []
        """attempts that did not begin, as their leases may be over"""
        self._lease_watch: LeaseWatch | None = None
        """used where leases are all that proves life; started by the first attempt"""
        self._renewal = store.lease_renewal(table.owner, lease_us)
        self._is_renewal_active = False
        """the other process renews if this one does not"""

    def lease_attempt(self, attempt: Attempt, row: WorkRow) -> None:
        """Lease an attempt that is about to be handed over; it may begin as long as there is a lease."""
        clock = self._clock
        attempt.lease, attempt.on_lease_expired = self._lease, self._on_lease_expired
        attempt.lease_expires_at = MonotonicMicros(clock.monotonic() + row.lease_until - clock.now())
        if self._lease_watch is None and not self._store.tracks_liveness:
            self._lease_watch = LeaseWatch(
                self._lease, self._lease_us, clock, lambda: self._dispatcher.unfinished, self._renew, self._error_log
            )
        if self._renewal is not None and not self._is_renewal_active:
            self._note_renewed(self._renewal)

    def _note_renewed(self, renewal: LeaseRenewal) -> None:
        renewal.note_renewed(self._clock.now() - self._clock.monotonic())
        self._is_renewal_active = True

    def _on_lease_expired(self, attempt: Attempt) -> None:
        """From any thread: an attempt did not begin because its lease is over."""
        self._inbox.call_soon(lambda: self._expired_attempts.append(attempt))

    # -- the service

    def due_at(self, now: Micros) -> Micros | None:
        if self._expired_attempts:
            return now
        if not self._table.active and not self._is_renewal_active:
            return None
        return min(self._renew_at, Micros(now + self._renew_interval_us))

    def run(self, now: Micros) -> None:
        """Renew, if it is time to; if it was too late, find out what is left."""
        active = self._table.active
        due = not now < self._renew_at <= Micros(now + self._renew_interval_us)
        if due and self._is_renewal_active and self._renewal is not None and not active:
            self._renewal.stop()
            self._is_renewal_active = False
        if not self._expired_attempts and not (due and active):
            return
        monotonic_now = self._clock.monotonic()
        late = bool(self._expired_attempts) or (monotonic_now >= self._lease.expires_at and self._table.has_attempts)
        self._renew()
        if late:  # before anything may begin that was lost
            self._reconcile_after_expiry()
        self._lease.expires_at = MonotonicMicros(monotonic_now + self._lease_us)
        self._renew_at = Micros(now + self._renew_interval_us)
        if self._renewal is not None and self._is_renewal_active:
            self._note_renewed(self._renewal)

    def _renew(self) -> None:
        """Extend the leases in the database, from any thread.  Raises StoreUnavailable."""
        self._store.renew_leases(self._table.owner, Micros(self._clock.now() + self._lease_us))

    def check_now(self) -> None:
        """Check leases at once, as the clock may have been set.  From any thread."""
        if self._lease_watch is not None:
            self._lease_watch.check_now()

    def close(self) -> None:
        """End the leases."""
        if self._lease_watch is not None:
            self._lease_watch.close()
        if self._is_renewal_active and self._renewal is not None:
            self._renewal.stop()

    def _reconcile_after_expiry(self) -> None:
        """After the leases were over for a while: stop what other runners took, begin what waited for this."""
        rows = self._store.work_of_owner(self._table.owner)
        held = {(row.run_id, row.node, row.fence): row for row in rows}
        lapsed, self._expired_attempts = set(self._expired_attempts), []
        for run in list(self._table.active.values()):
            for attempt in list(run.attempts.values()):
                row = held.get((attempt.run_id, attempt.node, attempt.fence))
                if row is None:
                    self._work.abandon(run, attempt)
                    self._claim_requests.stale_runs.add(run.row.id)
                elif attempt in lapsed:
                    self._table.detach(run, attempt)
                    self._restart_attempt(run, row)

    def _restart_attempt(self, run: ActiveRun, row: WorkRow) -> None:
        if run.machine.suspended:  # its row goes back with the pause
            run.changed_nodes.add(row.node)
            self._table.mark_unsaved(run)
        else:
            self._work.start(run, row)
