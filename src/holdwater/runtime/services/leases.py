"""Leases: renewed by thirds, and looked at before a body begins.

A process that was stopped, suspended or cut off beyond its leases may have lost its work without having noticed.  So
each body asks before it begins, by the monotonic clock; one that runs is told when its lease is over (lease_watch.py);
and who renews too late finds out what is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.model.ports import LeaseRenewal
from holdwater.model.records import WorkRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt, Lease
from holdwater.runtime.lease_watch import LeaseWatch

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver


class Leases:
    """The leases of one runner; a service of its loop.  Raises StoreUnavailable."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lease = Lease()
        self._renew_every = int(driver.limits.lease_seconds * 1e6 / 3)
        self._renew_at = driver.clock.now() + self._renew_every
        self._lapsed: list[Attempt] = []
        """did not begin, as their leases may be over"""
        self._watch: LeaseWatch | None = None
        """where leases are all that proves life; started by the first attempt"""
        self._renewal = driver.store.renewal(driver.owner, driver.lease_us)
        self._armed = False
        """the other process renews if this one does not"""

    def watch(self, attempt: Attempt, row: WorkRow) -> None:
        """The attempt is about to be handed over; it may begin as long as there is a lease."""
        clock = self._driver.clock
        attempt.lease, attempt.on_lapse = self._lease, self._lapse
        attempt.leased_until = clock.steady() + row.lease_until - clock.now()
        if self._watch is None and not self._driver.store.proves_life:
            self._watch = LeaseWatch(
                self._lease, self._driver.lease_us, clock, lambda: self._driver.executor.unfinished, self._driver.faults
            )
        if self._renewal is not None and not self._armed:
            self._arm(self._renewal)

    def _arm(self, renewal: LeaseRenewal) -> None:
        clock = self._driver.clock
        renewal.note_renewed(clock.now() - clock.steady())
        self._armed = True

    def _lapse(self, attempt: Attempt) -> None:
        """From any thread: an attempt did not begin because its lease is over."""
        self._driver.call_soon(lambda: self._lapsed.append(attempt))

    # -- the service

    @property
    def pending(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return bool(self._lapsed)

    def instants(self, now: int) -> list[int]:
        """When to renew next."""
        if not self._driver.runs and not self._armed:
            return []
        return [min(self._renew_at, now + self._renew_every)]

    def look(self, now: int) -> None:
        """Renew, if it is time to; if it was too late, find out what is left."""
        driver = self._driver
        due = not now < self._renew_at <= now + self._renew_every
        if due and self._armed and self._renewal is not None and not driver.runs:
            self._renewal.stop()
            self._armed = False
        if not self._lapsed and not (due and driver.runs):
            return
        steady = driver.clock.steady()
        late = bool(self._lapsed) or (steady >= self._lease.until and any(run.attempts for run in driver.runs.values()))
        driver.store.renew(driver.owner, now + driver.lease_us)
        if late:  # before anything may begin that was lost
            self._take_stock()
        self._lease.until = steady + driver.lease_us
        self._renew_at = now + self._renew_every
        if self._renewal is not None and self._armed:
            self._arm(self._renewal)

    def clock_was_set(self) -> None:
        """From any thread."""
        if self._watch is not None:
            self._watch.look_now()

    def close(self) -> None:
        """There are no leases any more."""
        if self._watch is not None:
            self._watch.close()
        if self._armed and self._renewal is not None:
            self._renewal.stop()

    def _take_stock(self) -> None:
        """After the leases were over for a while: stop what others took, begin what waited for this."""
        driver = self._driver
        held = {(row.run_id, row.node, row.fence): row for row in driver.store.work_of_owner(driver.owner)}
        lapsed, self._lapsed = set(self._lapsed), []
        for run in list(driver.runs.values()):
            for attempt in list(run.attempts.values()):
                row = held.get((attempt.run_id, attempt.node, attempt.fence))
                if row is None:
                    driver.abandon_runs(run, attempt)
                    driver.recheck(run)
                elif attempt in lapsed:
                    driver.drop(run, attempt)
                    self._begin_again(run, row)

    def _begin_again(self, run: ActiveRun, row: WorkRow) -> None:
        driver = self._driver
        if run.machine.suspended:  # its row goes back with the pause
            run.touched.add(row.node)
            driver.dirty[row.run_id] = run
        else:
            driver.dispatch(run, row)
