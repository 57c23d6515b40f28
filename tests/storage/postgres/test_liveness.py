"""Owners of work on PostgreSQL: what their leases and their sessions tell of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from holdwater.model.ports import Store
from holdwater.storage import open_store
from holdwater.storage.postgres.liveness import Watch, lock_key
from tests.postgres.cluster import Cluster
from tests.storage.factories import work
from tests.storage.helpers import helper

LEASE = 30_000_000
SECOND = 1_000_000
SOON_SECONDS = 20.0


class Looker:
    """Looks at the leases of one owner; both of its clocks go on together, but when a test sets one."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.steady = 7 * SECOND
        self.ahead = 1_800_000_000 * SECOND

    @property
    def now(self) -> int:
        return self.steady + self.ahead

    def sees(self, until: int, after: float = 0.0) -> bool:
        """Whether the owner's work may be taken, so many seconds later."""
        self.steady += int(after * SECOND)
        return self.watch.silent([("they", until, until)], self.now, self.steady, LEASE) == ["they"]


@pytest.fixture
def looker() -> Looker:
    return Looker()


def test_an_owner_that_does_not_renew_is_taken_soon_after_its_lease(looker: Looker) -> None:
    until = looker.now + LEASE
    assert not looker.sees(until)
    assert not looker.sees(until, 30.1)
    assert looker.sees(until, 5.1)


@pytest.mark.parametrize("ahead", [600, 3600, 86_400])
def test_a_clock_that_is_ahead_takes_nothing_that_is_renewed(looker: Looker, ahead: int) -> None:
    """The looker starts with a clock that shows all leases expired; the owner renews by thirds."""
    looker.ahead += ahead * SECOND
    until = 0
    for second in range(120):
        if second % 10 == 0:
            until = looker.now - ahead * SECOND + LEASE
        assert not looker.sees(until, 1.0)


def test_a_clock_that_is_set_forward_takes_nothing_that_is_renewed(looker: Looker) -> None:
    until = looker.now + LEASE
    assert not looker.sees(until)
    assert not looker.sees(until + 10 * SECOND, 10.0)
    looker.ahead += 600 * SECOND
    for k in range(1, 60):
        renewed = until + 10 * SECOND * (1 + k // 10)
        assert not looker.sees(renewed, 1.0)


@pytest.mark.parametrize("hangs", [31.0, 50.0, 600.0])
def test_a_server_that_hung_gives_owners_time_to_renew(looker: Looker, hangs: float) -> None:
    """Nobody could renew meanwhile.  They do as soon as it answers, which may be a moment after this look."""
    until = looker.now + LEASE
    assert not looker.sees(until)
    assert not looker.sees(until, 8.0)
    assert not looker.sees(until, hangs)
    assert not looker.sees(until, 4.9)
    assert not looker.sees(looker.now + LEASE, 0.1)


def test_a_server_that_hangs_again_and_again_gives_the_time_again(looker: Looker) -> None:
    until = looker.now + LEASE
    for _ in range(10):
        assert not looker.sees(until, 40.0)
    assert looker.sees(until, 6.0)


def test_without_a_lease_one_look_judges() -> None:
    watch = Watch()
    assert watch.silent([("a", 5, 9), ("b", 6, 6)], 5, 0, 0) == ["a"]


def test_keys_of_locks_are_signed_and_differ() -> None:
    keys = [lock_key(f"owner-{k}") for k in range(1000)]
    assert len(set(keys)) == 1000
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys)
    assert min(keys) < 0 < max(keys)


OWN = """
import sys, threading
from holdwater.model.records import Change, RunRow, WorkRow
from holdwater.storage import open_store
store = open_store(sys.argv[1])
store.register("they")
ready = threading.Event()
store.listen(lambda news: ready.set())
ready.wait()
row = WorkRow("r1", 0, 1, "execute", "orders", 100, owner="they", lease_until=500)
store.commit([Change(RunRow("r1", "orders", "tasks", "s1", "c1", 1), 0, [], 1, born=True, work_in=[row])])
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
        end = time.monotonic() + SOON_SECONDS
        high, low = (lock_key("they") >> 32) & 0xFFFFFFFF, lock_key("they") & 0xFFFFFFFF
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            while admin.execute("SELECT 1 FROM pg_locks WHERE classid = %s AND objid = %s", (high, low)).fetchall():
                assert time.monotonic() < end

    return wait


def test_a_stopped_process_has_not_crashed(store: Store, url: str) -> None:
    with helper(OWN, url) as they:
        assert they.hear() == "owned"
        assert store.orphan_dead(499) == 0
        they.stop()
        assert store.orphan_dead(500) == 1
        assert store.work("r1") == [work("r1", orphaned=True, expired=True)]
        they.process.send_signal(signal.SIGCONT)


def test_a_killed_process_has_crashed(store: Store, url: str, wait_for_end: Callable[[], None]) -> None:
    with helper(OWN, url) as they:
        assert they.hear() == "owned"
        they.process.send_signal(signal.SIGKILL)
        they.process.wait()
        wait_for_end()
        assert store.orphan_dead(499) == 0
        assert store.orphan_dead(500) == 1
    assert store.work("r1") == [work("r1", orphaned=True)]
