"""Leases: renewed by thirds, and looked at before a body begins.

A process that was stopped, suspended or cut off beyond its leases may have lost its work without having noticed.  So
each body asks before it begins, by the monotonic clock; one that runs is told when its lease is over (lease_watch.py);
and who renews too late finds out what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.ports import LeaseRenewal
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros, MonotonicMicros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt, Lease
from holdwater.runtime.lease_watch import LeaseWatch

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver


class LeaseKeeper:
    """The leases of one runner; a service of its loop.  Raises StoreUnavailable."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lease = Lease()
        self._renew_interval_us = int(driver.config.lease_seconds * 1e6 / 3)
        self._renew_at = Micros(driver.clock.now() + self._renew_interval_us)
        self._expired_attempts: list[Attempt] = []
        """did not begin, as their leases may be over"""
        self._lease_watch: LeaseWatch | None = None
        """where leases are all that proves life; started by the first attempt"""
        self._renewal = driver.store.lease_renewal(driver.owner, driver.lease_us)
        self._is_renewal_active = False
        """the other process renews if this one does not"""

    def lease_attempt(self, attempt: Attempt, row: WorkRow) -> None:
        """The attempt is about to be handed over; it may begin as long as there is a lease."""
        clock = self._driver.clock
        attempt.lease, attempt.on_lease_expired = self._lease, self._on_lease_expired
        attempt.lease_expires_at = MonotonicMicros(clock.monotonic() + row.lease_until - clock.now())
        if self._lease_watch is None and not self._driver.store.tracks_liveness:
            self._lease_watch = LeaseWatch(
                self._lease,
                self._driver.lease_us,
                clock,
                lambda: self._driver.dispatcher.unfinished,
                self._driver.error_log,
            )
        if self._renewal is not None and not self._is_renewal_active:
            self._note_renewed(self._renewal)

    def _note_renewed(self, renewal: LeaseRenewal) -> None:
        clock = self._driver.clock
        renewal.note_renewed(clock.now() - clock.monotonic())
        self._is_renewal_active = True

    def _on_lease_expired(self, attempt: Attempt) -> None:
        """From any thread: an attempt did not begin because its lease is over."""
        self._driver.call_soon(lambda: self._expired_attempts.append(attempt))

    # -- the service

    @property
    def has_work(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return bool(self._expired_attempts)

    def due_times(self, now: Micros) -> list[Micros]:
        """When to renew next."""
        if not self._driver.active_runs and not self._is_renewal_active:
            return []
        return [min(self._renew_at, Micros(now + self._renew_interval_us))]

    def run_due(self, now: Micros) -> None:
        """Renew, if it is time to; if it was too late, find out what is left."""
        driver = self._driver
        due = not now < self._renew_at <= now + self._renew_interval_us
        if due and self._is_renewal_active and self._renewal is not None and not driver.active_runs:
            self._renewal.stop()
            self._is_renewal_active = False
        if not self._expired_attempts and not (due and driver.active_runs):
            return
        monotonic_now = driver.clock.monotonic()
        late = bool(self._expired_attempts) or (
            monotonic_now >= self._lease.expires_at and any(run.attempts for run in driver.active_runs.values())
        )
        driver.store.renew_leases(driver.owner, Micros(now + driver.lease_us))
        if late:  # before anything may begin that was lost
            self._reconcile_after_expiry()
        self._lease.expires_at = MonotonicMicros(monotonic_now + driver.lease_us)
        self._renew_at = Micros(now + self._renew_interval_us)
        if self._renewal is not None and self._is_renewal_active:
            self._note_renewed(self._renewal)

    def on_clock_set(self) -> None:
        """From any thread."""
        if self._lease_watch is not None:
            self._lease_watch.check_now()

    def close(self) -> None:
        """There are no leases any more."""
        if self._lease_watch is not None:
            self._lease_watch.close()
        if self._is_renewal_active and self._renewal is not None:
            self._renewal.stop()

    def _reconcile_after_expiry(self) -> None:
        """After the leases were over for a while: stop what others took, begin what waited for this."""
        driver = self._driver
        held = {(row.run_id, row.node, row.fence): row for row in driver.store.work_of_owner(driver.owner)}
        lapsed, self._expired_attempts = set(self._expired_attempts), []
        for run in list(driver.active_runs.values()):
            for attempt in list(run.attempts.values()):
                row = held.get((attempt.run_id, attempt.node, attempt.fence))
                if row is None:
                    driver.abandon_runs(run, attempt)
                    driver.recheck(run)
                elif attempt in lapsed:
                    driver.detach_attempt(run, attempt)
                    self._restart_attempt(run, row)

    def _restart_attempt(self, run: ActiveRun, row: WorkRow) -> None:
        driver = self._driver
        if run.machine.suspended:  # its row goes back with the pause
            run.changed_nodes.add(row.node)
            driver.unsaved_runs[row.run_id] = run
        else:
            driver.dispatch_work(run, row)
