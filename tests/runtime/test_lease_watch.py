"""Bodies are told at the ends of their leases, and not because their process did not run for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdwater.errors import StoreUnavailable
from holdwater.model.time import MonotonicMicros
from holdwater.runtime.attempt import Lease
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.lease_watch import CHECKS_PER_LEASE, LeaseWatch
from tests.engine.fake_clock import FakeClock
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import poll_pause

LEASE_US = 6_000_000_000
SOME_US = 100_000_000
"""both so long that nothing happens here by itself"""


class ObservedFakeClock(FakeClock):
    """Tells when the watch asks for the time: twice per look, the second time when that is over."""

    def __init__(self) -> None:
        super().__init__("2026-11-21T00:00:00")
        self.time_reads = threading.Semaphore(0)

    def monotonic(self) -> MonotonicMicros:
        steady = super().monotonic()
        if threading.current_thread().name == "holdwater-leases":
            self.time_reads.release()
        return steady


@dataclass(eq=False)
class FakeAttempt:
    """An attempt, as far as the watch is concerned."""

    lease_expires_at: int = 0
    state: str = "running"
    interrupted: bool = False
    interrupt_received: threading.Event = field(default_factory=threading.Event)

    def interrupt(self, reason: str) -> None:
        self.interrupted = True
        self.interrupt_received.set()


class WatchBench:
    def __init__(self) -> None:
        self.clock, self.lease = ObservedFakeClock(), Lease()
        self.lease.expires_at = MonotonicMicros(self.clock.now() + LEASE_US)
        self.attempts: list[Any] = []
        self.is_reachable = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.renewals = threading.Semaphore(0)
        self.watch = LeaseWatch(
            self.lease, LEASE_US, self.clock, lambda: self.attempts, self._renew, InternalErrors(self.clock)
        )
        self._wait_for_check()

    def _renew(self) -> None:
        self.renewals.release()
        assert self.may_answer.wait(SIGNAL_TIMEOUT_SECONDS)
        if not self.is_reachable:
            raise StoreUnavailable("the database is away")

    def _wait_for_check(self) -> None:
        for _ in range(2):
            assert self.clock.time_reads.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)

    def advance(self, microseconds: int) -> None:
        """The watch looks again when so much time has passed."""
        self.clock.set(self.clock.now() + microseconds)
        self.watch.check_now()
        self._wait_for_check()

    def interrupted_attempts(self) -> list[bool]:
        return [body.interrupt_received.is_set() for body in self.attempts]


@pytest.fixture
def bench() -> Iterator[WatchBench]:
    made = WatchBench()
    yield made
    made.watch.close()


def test_an_attempt_is_interrupted_when_its_lease_expires(bench: WatchBench) -> None:
    end = bench.lease.expires_at
    bench.attempts = [
        FakeAttempt(end - SOME_US),
        FakeAttempt(end + SOME_US),
        FakeAttempt(end - SOME_US, "queued"),
        FakeAttempt(end - SOME_US, "over"),
    ]
    bench.advance(LEASE_US - SOME_US)
    assert bench.interrupted_attempts() == [False] * 4
    bench.advance(SOME_US)
    assert bench.interrupted_attempts() == [True, False, False, False]
    bench.advance(SOME_US)
    assert bench.interrupted_attempts() == [True, True, False, False]


def test_leases_renewed_in_time_interrupt_nothing(bench: WatchBench) -> None:
    bench.attempts = [FakeAttempt()]
    for _ in range(5):
        bench.advance(LEASE_US // 3)
        bench.lease.expires_at = MonotonicMicros(bench.clock.now() + LEASE_US)
    assert bench.interrupted_attempts() == [False]


def test_leases_are_renewed_if_the_loop_is_late(bench: WatchBench) -> None:
    bench.attempts = [FakeAttempt()]
    bench.is_reachable = True
    for _ in range(4):
        end = bench.lease.expires_at
        bench.advance(LEASE_US // 2)
        assert bench.renewals.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
        while bench.lease.expires_at == end:  # bounded by the test's time-out
            poll_pause()
        assert bench.lease.expires_at == bench.clock.now() + LEASE_US
        bench.advance(0)  # the renewal has woken the watch up, which looks at a lease of full length again
    assert bench.interrupted_attempts() == [False]


def test_leases_are_left_to_the_loop_while_nothing_runs(bench: WatchBench) -> None:
    bench.attempts = [FakeAttempt(state="queued")]
    bench.is_reachable = True
    bench.advance(LEASE_US - SOME_US)
    assert not bench.renewals.acquire(blocking=False)


def test_a_renewal_that_hangs_does_not_keep_attempts_running(bench: WatchBench) -> None:
    bench.attempts, bench.is_reachable = [FakeAttempt()], True
    bench.may_answer.clear()
    end = bench.lease.expires_at
    bench.advance(LEASE_US // 2)
    assert bench.renewals.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    bench.advance(LEASE_US // 2)
    bench.advance(LEASE_US // CHECKS_PER_LEASE)
    assert bench.interrupted_attempts() == [True]
    bench.may_answer.set()
    assert bench.watch._renewal is not None
    bench.watch._renewal.join(SIGNAL_TIMEOUT_SECONDS)
    assert bench.lease.expires_at == end, "it came too late to say anything"


@pytest.mark.parametrize("renews", [True, False])
def test_a_process_that_did_not_run_has_the_time_to_renew(bench: WatchBench, renews: bool) -> None:
    bench.attempts = [FakeAttempt()]
    bench.advance(10 * LEASE_US)
    assert bench.interrupted_attempts() == [False]
    if renews:
        bench.lease.expires_at = MonotonicMicros(bench.clock.now() + LEASE_US)
    bench.advance(LEASE_US // CHECKS_PER_LEASE)
    assert bench.interrupted_attempts() == [not renews]


def test_an_attempt_that_cannot_be_interrupted_does_not_affect_others(bench: WatchBench) -> None:
    class Broken(FakeAttempt):
        def interrupt(self, reason: str) -> None:
            super().interrupt(reason)
            raise OSError("its worker is gone")

    bench.attempts = [Broken(), FakeAttempt()]
    for _ in range(2):
        bench.advance(LEASE_US // 2)
    for _ in range(2):
        bench.advance(LEASE_US // CHECKS_PER_LEASE)
    assert bench.interrupted_attempts() == [True, True]
