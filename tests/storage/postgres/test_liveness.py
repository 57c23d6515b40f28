"""Owners of work on PostgreSQL: what their leases and their sessions tell of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from holdwater.model.ports.store import Store
from holdwater.model.time import Micros, MonotonicMicros
from holdwater.storage import open_store
from holdwater.storage.postgres.liveness import LeaseObserver, owner_lock_key
from tests.postgres.cluster import Cluster
from tests.storage.factories import make_work_row
from tests.storage.helpers import run_script

LEASE_US = 30_000_000
SECOND_US = 1_000_000
WAIT_TIMEOUT_SECONDS = 20.0


class SimulatedObserver:
    """Looks at the leases of one owner; both of its clocks go on together, but when a test sets one."""

    def __init__(self) -> None:
        self.observer = LeaseObserver()
        self.monotonic_at = MonotonicMicros(7 * SECOND_US)
        self.clock_offset_us = 1_800_000_000 * SECOND_US

    @property
    def now(self) -> Micros:
        return Micros(self.monotonic_at + self.clock_offset_us)

    def finds_expired(self, until: int, after: float = 0.0) -> bool:
        """Whether the owner's work may be taken, so many seconds later."""
        self.monotonic_at = MonotonicMicros(self.monotonic_at + int(after * SECOND_US))
        leases = [("they", Micros(until), Micros(until))]
        return self.observer.find_expired_owners(leases, self.now, self.monotonic_at, LEASE_US) == ["they"]


@pytest.fixture
def looker() -> SimulatedObserver:
    return SimulatedObserver()


def test_an_owner_that_does_not_renew_is_taken_soon_after_its_lease(looker: SimulatedObserver) -> None:
    until = looker.now + LEASE_US
    assert not looker.finds_expired(until)
    assert not looker.finds_expired(until, 30.1)
    assert looker.finds_expired(until, 5.1)


@pytest.mark.parametrize("ahead", [600, 3600, 86_400])
def test_a_clock_that_is_ahead_reclaims_nothing_that_is_renewed(looker: SimulatedObserver, ahead: int) -> None:
    """The looker starts with a clock that shows all leases expired; the owner renews by thirds."""
    looker.clock_offset_us += ahead * SECOND_US
    until = 0
    for second in range(120):
        if second % 10 == 0:
            until = looker.now - ahead * SECOND_US + LEASE_US
        assert not looker.finds_expired(until, 1.0)


def test_a_clock_that_is_set_forward_takes_nothing_that_is_renewed(looker: SimulatedObserver) -> None:
    until = looker.now + LEASE_US
    assert not looker.finds_expired(until)
    assert not looker.finds_expired(until + 10 * SECOND_US, 10.0)
    looker.clock_offset_us += 600 * SECOND_US
    for k in range(1, 60):
        renewed = until + 10 * SECOND_US * (1 + k // 10)
        assert not looker.finds_expired(renewed, 1.0)


@pytest.mark.parametrize("hangs", [31.0, 50.0, 600.0])
def test_a_server_that_hung_gives_owners_time_to_renew(looker: SimulatedObserver, hangs: float) -> None:
    """Nobody could renew meanwhile.  They do as soon as it answers, which may be a moment after this look."""
    until = looker.now + LEASE_US
    assert not looker.finds_expired(until)
    assert not looker.finds_expired(until, 8.0)
    assert not looker.finds_expired(until, hangs)
    assert not looker.finds_expired(until, 4.9)
    assert not looker.finds_expired(looker.now + LEASE_US, 0.1)


def test_a_server_that_hangs_again_and_again_gives_the_time_again(looker: SimulatedObserver) -> None:
    until = looker.now + LEASE_US
    for _ in range(10):
        assert not looker.finds_expired(until, 40.0)
    assert looker.finds_expired(until, 6.0)


def test_without_a_lease_one_look_judges() -> None:
    watch = LeaseObserver()
    assert watch.find_expired_owners(
        [("a", Micros(5), Micros(9)), ("b", Micros(6), Micros(6))], Micros(5), MonotonicMicros(0), 0
    ) == ["a"]


def test_keys_of_locks_are_signed_and_differ() -> None:
    keys = [owner_lock_key(f"owner-{k}") for k in range(1000)]
    assert len(set(keys)) == 1000
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)
    assert min(keys) < 0 < max(keys)


OWN = """
import sys, threading
from holdwater.model.records import RunUpdate, RunRow, WorkRow
from holdwater.storage import open_store
store = open_store(sys.argv[1])
store.register_owner("they")
ready = threading.Event()
store.listen(lambda news: ready.set())
ready.wait()
row = WorkRow("r1", 0, 1, "execute", "orders", 100, owner="they", lease_until=500)
store.commit([RunUpdate(RunRow("r1", "orders", "tasks", "s1", "c1", 1), 0, [], 1, is_new=True, work_added=[row])])
print("owned", flush=True)
input()
store.close()
"""


@pytest.fixture
def url(migrated_schema: Callable[[], str]) -> str:
    return migrated_schema()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def wait_for_end(postgres: Cluster) -> Callable[[], None]:
    """Returns when the session of "they" is gone."""

    def wait() -> None:
        end = time.monotonic() + WAIT_TIMEOUT_SECONDS
        high, low = (owner_lock_key("they") >> 32) & 0xFFFFFFFF, owner_lock_key("they") & 0xFFFFFFFF
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            while admin.execute("SELECT 1 FROM pg_locks WHERE classid = %s AND objid = %s", (high, low)).fetchall():
                assert time.monotonic() < end

    return wait


def test_a_stopped_process_has_not_crashed(store: Store, url: str) -> None:
    with run_script(OWN, url) as they:
        assert they.read_line() == "owned"
        assert store.reclaim_expired(Micros(499)) == 0
        they.suspend()
        assert store.reclaim_expired(Micros(500)) == 1
        assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True, expired=True)]
        they.process.send_signal(signal.SIGCONT)


def test_a_killed_process_has_crashed(store: Store, url: str, wait_for_end: Callable[[], None]) -> None:
    with run_script(OWN, url) as they:
        assert they.read_line() == "owned"
        they.process.send_signal(signal.SIGKILL)
        they.process.wait()
        wait_for_end()
        assert store.reclaim_expired(Micros(499)) == 0
        assert store.reclaim_expired(Micros(500)) == 1
    assert store.work_of_run("r1") == [make_work_row("r1", reclaimed=True)]
