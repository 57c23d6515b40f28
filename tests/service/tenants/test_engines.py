"""Engines are made by use, shared, and ended when they are idle or there are too many."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from holdwater.errors import RunnerClosed, StoreUnavailable, TenantWaking
from holdwater.service.tenants.engines import MIN_AWAKE_SECONDS, TenantEngines
from tests.suite.waiting import wait_until


class Engine:
    def __init__(self, name: str) -> None:
        self.name, self.is_busy, self.is_closed = name, False, False
        self.are_streams_told = False

    def close_streams_soon(self) -> None:
        self.are_streams_told = True

    def close(self) -> None:
        self.is_closed = True


class Pool:
    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.made: list[Engine] = []
        self.asleep: list[str] = []
        self.engines = TenantEngines(
            self._make, on_asleep=self.asleep.append, monotonic=lambda: self.now, **{"limit": 2, **options}
        )

    def _make(self, name: str) -> Engine:
        if name == "broken":
            raise StoreUnavailable("no")
        self.made.append(Engine(name))
        return self.made[-1]

    def use(self, name: str) -> Engine:
        engine = self.engines.borrow(name, wait_seconds=0.01)
        self.engines.give_back(name)
        return engine


def test_the_least_recently_used_engine_makes_room() -> None:
    pool = Pool()
    first = pool.use("a")
    pool.use("b")
    assert pool.use("a") is first
    pool.use("c")
    assert pool.engines.awake() == ["a", "c"]
    assert pool.asleep == ["b"]
    assert [one.name for one in pool.made if one.is_closed] == ["b"]


def test_one_that_is_borrowed_or_busy_is_not_ended_for_another() -> None:
    pool = Pool()
    pool.engines.borrow("borrowed")
    pool.use("busy").is_busy = True
    with pytest.raises(TenantWaking, match="is being woken"):
        pool.engines.borrow("c", wait_seconds=0.01)
    assert pool.made[0].are_streams_told, "its streams are to end, so that it can be given back"
    pool.engines.give_back("borrowed")
    pool.use("c")
    assert pool.engines.awake() == ["busy", "c"]


def test_one_that_has_worked_for_a_while_makes_room_for_those_that_wait() -> None:
    pool = Pool()
    for name in ("a", "b"):
        pool.use(name).is_busy = True
    with pytest.raises(TenantWaking):
        pool.use("c")
    pool.now += MIN_AWAKE_SECONDS
    pool.use("c")
    assert pool.engines.awake() == ["b", "c"]


def test_who_waits_gets_the_room_that_is_given_back() -> None:
    pool = Pool(limit=1)
    pool.engines.borrow("a")
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(pool.engines.borrow, "b", 20.0)
        wait_until(lambda: pool.made[0].are_streams_told)
        pool.engines.give_back("a")
        assert found.result(20).name == "b"


def test_idle_engines_are_found_after_a_while() -> None:
    pool = Pool(idle_seconds=60.0)
    pool.use("idle")
    busy = pool.use("busy")
    busy.is_busy = True
    pool.now = 59.0
    assert pool.engines.idle() == []
    pool.now = 60.0
    assert pool.engines.idle() == ["idle"]
    assert pool.engines.put_to_sleep("idle")
    assert not pool.engines.put_to_sleep("busy")
    busy.is_busy = False
    pool.now = 100.0
    assert pool.engines.idle() == [], "it was busy until a moment ago"
    pool.now = 120.0
    assert pool.engines.idle() == ["busy"]
    pool.engines.keep("busy")
    assert pool.engines.idle() == []


def test_many_requests_make_one_engine() -> None:
    pool = Pool()
    started = threading.Barrier(8)

    def borrow(_: int) -> Engine:
        started.wait(20)
        return pool.engines.borrow("a")

    with ThreadPoolExecutor(8) as requests:
        assert len(set(requests.map(borrow, range(8)))) == 1
    assert len(pool.made) == 1


def test_an_error_of_one_leaves_room_for_others() -> None:
    pool = Pool(limit=1)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            pool.engines.borrow("broken")
    assert pool.use("a").name == "a"


def test_removal_ends_an_engine_whatever_it_does() -> None:
    pool = Pool()
    pool.engines.borrow("a").is_busy = True
    assert pool.engines.remove("a")
    assert not pool.engines.remove("a")
    assert pool.made[0].is_closed
    pool.engines.give_back("a")
    assert pool.use("a") is not pool.made[0]


def test_none_is_made_after_the_end() -> None:
    pool = Pool()
    pool.engines.borrow("a")
    pool.use("b")
    pool.engines.close()
    pool.engines.close()
    assert all([one.is_closed for one in pool.made])
    with pytest.raises(RunnerClosed):
        pool.engines.borrow("a")
