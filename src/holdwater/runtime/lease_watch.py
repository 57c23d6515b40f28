"""Task functions whose leases are over are told to stop, by a thread of its own.

The loop may be in a call of a database that hangs for longer than a lease; meanwhile another runner takes the work.
If it is late for any other reason, and the database answers, the leases are renewed without it.
A process that did not run (it was stopped, or a task function held the interpreter) first has the time to renew: its
leases may have been kept, and if they were not, the loop stops the task functions whose work is elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

from holdwater.errors import RunnerClosed, StoreUnavailable
from holdwater.model.ports.clock import Clock
from holdwater.model.time import MonotonicMicros
from holdwater.runtime.attempt import Attempt, Lease
from holdwater.runtime.internal_errors import InternalErrors, logger

CHECKS_PER_LEASE: Final = 6
"""checks in the length of a lease, from the end of the leases that were renewed together"""
LATE_AFTER: Final = 2
"""part of a lease (1/2) after which the loop, which renews after a third, is late"""
MIN_WAIT_US: Final = 1_000


class LeaseWatch:
    """Stops task functions at the ends of their leases.

    `lease`: extended by each renewal.  `renew`: renews the leases in the database; called from a thread of its own,
    which may hang.  `list_attempts`: gives those that run and those that wait for a slot; called from the watch's
    thread.
    """

    def __init__(
        self,
        lease: Lease,
        lease_us: int,
        clock: Clock,
        list_attempts: Callable[[], Collection[Attempt]],
        renew: Callable[[], None],
        error_log: InternalErrors,
    ) -> None:
        self._lease, self._lease_us, self._clock = lease, lease_us, clock
        self._renew = renew
        self._renewal: threading.Thread | None = None
        """the thread that renews for the loop, once there was one"""
        self._list_attempts, self._error_log = list_attempts, error_log
        self._closed = False
        self._next_check_at = clock.monotonic()
        self._wakeup = threading.Event()
        self._thread = threading.Thread(target=self._thread_main, name="holdwater-leases", daemon=True)
        self._thread.start()

    def check_now(self) -> None:
        """Check at once: the clock may have been set by hand."""
        self._wakeup.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._wakeup.set()
        self._thread.join()

    def _thread_main(self) -> None:
        while not self._closed:
            try:
                wait_us = self._check_leases(self._clock.monotonic())
            except BaseException as error:  # noqa: BLE001 - one that cannot be told is no other's concern
                self._error_log.add("telling task functions that their leases are over", error)
                wait_us = self._lease_us // CHECKS_PER_LEASE
            self._next_check_at = MonotonicMicros(self._clock.monotonic() + wait_us)
            self._wakeup.wait(max(wait_us, MIN_WAIT_US) / 1e6)
            self._wakeup.clear()

    def _check_leases(self, monotonic_now: MonotonicMicros) -> int:
        """Tell those whose leases are over; returns the microseconds until another one can be."""
        pause_us = self._lease_us // CHECKS_PER_LEASE
        left = self._lease.expires_at - monotonic_now
        if left > 0:  # no attempt has less than the lease that was renewed last
            late_in = left - self._lease_us // LATE_AFTER
            if late_in > 0:
                return late_in
            self._renew_beside_loop()
            return min(left, pause_us)
        if monotonic_now - self._next_check_at > pause_us:  # this process did not run
            return pause_us
        following = MonotonicMicros(monotonic_now + pause_us)
        interrupted = 0
        for attempt in self._list_attempts():
            if attempt.interrupted or attempt.state == "over":
                continue
            if attempt.lease_expires_at > monotonic_now:
                following = min(following, attempt.lease_expires_at)
            elif attempt.state == "running":  # one that has not begun checks its lease itself
                attempt.interrupt("its lease is over and the database does not answer: another runner may have it")
                interrupted += 1
        if interrupted:
            text = "its leases are over and the database does not answer: %d task functions of this runner are stopped"
            logger.warning(text, interrupted)
        return following - monotonic_now

    def _renew_beside_loop(self) -> None:
        """Renew leases that are not over yet, unless that is under way: it may hang, and this thread must not."""
        if self._renewal is not None and self._renewal.is_alive():
            return
        if any([attempt.state == "running" for attempt in self._list_attempts()]):
            self._renewal = threading.Thread(target=self._renew_once, name="holdwater-late-renewal", daemon=True)
            self._renewal.start()

    def _renew_once(self) -> None:
        began_at, until = self._clock.monotonic(), self._lease.expires_at
        try:
            self._renew()
        except (StoreUnavailable, RunnerClosed):
            return  # the loop meets the same error; the leases end as they would have
        if self._clock.monotonic() < until:  # else another runner may have some of the work: the loop finds out
            self._lease.expires_at = max(self._lease.expires_at, MonotonicMicros(began_at + self._lease_us))
        self._wakeup.set()
