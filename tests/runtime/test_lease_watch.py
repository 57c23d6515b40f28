"""Bodies are told at the ends of their leases, and not because their process did not run for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdwater.runtime.attempt import Lease
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.lease_watch import LOOKS_PER_LEASE, LeaseWatch
from tests.engine.fake_clock import FakeClock
from tests.suite.runners import SOON_SECONDS

LEASE_US = 6_000_000_000
SOME_US = 100_000_000
"""both so long that nothing happens here by itself"""


class Counted(FakeClock):
    """Tells when the watch asks for the time: twice per look, the second time when that is over."""

    def __init__(self) -> None:
        super().__init__("2026-11-21T00:00:00")
        self.asked = threading.Semaphore(0)

    def steady(self) -> int:
        steady = super().steady()
        if threading.current_thread().name == "holdwater-leases":
            self.asked.release()
        return steady


@dataclass(eq=False)
class Body:
    """An attempt, as far as the watch is concerned."""

    leased_until: int = 0
    state: str = "running"
    begins_again: bool = False
    told: threading.Event = field(default_factory=threading.Event)

    def hand_back(self, why: str) -> None:
        self.begins_again = True
        self.told.set()


class Bench:
    def __init__(self) -> None:
        self.clock, self.lease = Counted(), Lease()
        self.lease.until = self.clock.now() + LEASE_US
        self.bodies: list[Any] = []
        self.watch = LeaseWatch(self.lease, LEASE_US, self.clock, lambda: self.bodies, InternalErrors(self.clock))
        self._looked()

    def _looked(self) -> None:
        for _ in range(2):
            assert self.clock.asked.acquire(timeout=SOON_SECONDS)

    def passes(self, microseconds: int) -> None:
        """The watch looks again when so much time has passed."""
        self.clock.set(self.clock.now() + microseconds)
        self.watch.look_now()
        self._looked()

    def told(self) -> list[bool]:
        return [body.told.is_set() for body in self.bodies]


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.watch.close()


def test_a_body_is_told_when_its_lease_is_over_and_not_before(bench: Bench) -> None:
    end = bench.lease.until
    bench.bodies = [
        Body(end - SOME_US),
        Body(end + SOME_US),
        Body(end - SOME_US, "queued"),
        Body(end - SOME_US, "over"),
    ]
    bench.passes(LEASE_US - SOME_US)
    assert bench.told() == [False] * 4
    bench.passes(SOME_US)
    assert bench.told() == [True, False, False, False]
    bench.passes(SOME_US)
    assert bench.told() == [True, True, False, False]


def test_leases_that_are_renewed_in_time_tell_nothing(bench: Bench) -> None:
    bench.bodies = [Body()]
    for _ in range(5):
        bench.passes(LEASE_US // 3)
        bench.lease.until = bench.clock.now() + LEASE_US
    assert bench.told() == [False]


@pytest.mark.parametrize("renews", [True, False])
def test_a_process_that_did_not_run_has_the_time_to_renew(bench: Bench, renews: bool) -> None:
    bench.bodies = [Body()]
    bench.passes(10 * LEASE_US)
    assert bench.told() == [False]
    if renews:
        bench.lease.until = bench.clock.now() + LEASE_US
    bench.passes(LEASE_US // LOOKS_PER_LEASE)
    assert bench.told() == [not renews]


def test_a_body_that_cannot_be_told_does_not_keep_others_from_it(bench: Bench) -> None:
    class Broken(Body):
        def hand_back(self, why: str) -> None:
            super().hand_back(why)
            raise OSError("its worker is gone")

    bench.bodies = [Broken(), Body()]
    bench.passes(LEASE_US)
    bench.passes(LEASE_US // LOOKS_PER_LEASE)
    assert bench.told() == [True, True]
