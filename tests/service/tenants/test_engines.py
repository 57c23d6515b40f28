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
        self.are_streams_told = self.is_work_ended = False
        self.may_close = threading.Event()
        self.may_close.set()

    def close_streams_soon(self) -> None:
        self.are_streams_told = True

    def end_work_soon(self) -> None:
        self.is_work_ended = True
        self.may_close.set()

    def close(self) -> None:
        """What it executes ends when `may_close` is set."""
        assert self.may_close.wait(20)
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
        self.engines.give_back(name, engine)
        return engine

    def wait_for_ends(self, *names: str) -> None:
        """Wait until these have ended, in any order."""
        wait_until(lambda: sorted(self.asleep) == sorted(names))


def test_the_least_recently_used_engine_makes_room() -> None:
    pool = Pool()
    first = pool.use("a")
    pool.use("b")
    assert pool.use("a") is first
    pool.use("c")
    assert pool.engines.awake() == ["a", "c"]
    pool.wait_for_ends("b")
    assert [one.name for one in pool.made if one.is_closed] == ["b"]


def test_one_that_is_borrowed_or_busy_is_not_ended_for_another() -> None:
    pool = Pool()
    borrowed = pool.engines.borrow("borrowed")
    pool.use("busy").is_busy = True
    with pytest.raises(TenantWaking, match="is being woken"):
        pool.engines.borrow("c", wait_seconds=0.01)
    assert pool.made[0].are_streams_told, "its streams are to end, so that it can be given back"
    pool.engines.give_back("borrowed", borrowed)
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
    first = pool.engines.borrow("a")
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(pool.engines.borrow, "b", 20.0)
        wait_until(lambda: pool.made[0].are_streams_told)
        pool.engines.give_back("a", first)
        assert found.result(20).name == "b"


def test_who_waits_gets_the_room_of_one_that_becomes_idle() -> None:
    """It does not say so."""
    pool = Pool(limit=1)
    busy = pool.use("a")
    busy.is_busy = True
    with ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(pool.engines.borrow, "b", 20.0)
        with pytest.raises(TimeoutError):
            found.result(0.01)
        busy.is_busy = False
        assert found.result(20).name == "b"


def test_room_is_made_by_an_engine_whose_end_is_not_waited_for() -> None:
    pool = Pool()
    first = pool.use("a")
    pool.use("b").is_busy = first.is_busy = True
    pool.now += MIN_AWAKE_SECONDS
    first.may_close.clear()  # it executes something that takes its time
    assert pool.use("c").name == "c"
    assert pool.engines.awake() == ["b", "c"]
    assert not first.is_closed
    with pytest.raises(TenantWaking, match="made room for others"):
        pool.use("a")
    first.may_close.set()
    pool.wait_for_ends("a")
    assert pool.use("a") is not first


def test_so_many_are_ending_at_once_and_no_more() -> None:
    pool = Pool(limit=16)
    for number in range(16):
        pool.use(f"old_{number}").may_close.clear()
    assert pool.engines.max_ending == 2
    for number in range(2):
        pool.use(f"new_{number}")
    with pytest.raises(TenantWaking):
        pool.use("new_2")
    assert len(pool.engines.names()) == 18
    pool.made[0].may_close.set()
    pool.wait_for_ends("old_0")
    pool.use("new_2")
    for one in pool.made:
        one.may_close.set()
    pool.wait_for_ends("old_0", "old_1", "old_2")


def test_an_engine_that_does_not_end_in_order_leaves_room_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Engine):
        def close(self) -> None:
            raise StoreUnavailable("no")

    pool = Pool(limit=1)
    pool.engines.make = Broken
    pool.use("a")
    pool.use("b")
    pool.wait_for_ends("a")
    wait_until(lambda: "tenant a does not end in order" in caplog.text)


def test_why_engines_were_made_is_told() -> None:
    causes: list[str] = []
    pool = Pool(on_awake=causes.append)
    pool.use("a")
    pool.engines.give_back("b", pool.engines.borrow("b", cause="due"))
    pool.use("b")
    assert causes == ["request", "due"]


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
    assert pool.made[0].is_work_ended
    pool.engines.give_back("a", pool.made[0])
    assert pool.use("a") is not pool.made[0]


def test_what_was_borrowed_before_a_removal_says_nothing_about_the_engine_that_came_after_it() -> None:
    """A tenant is removed and made again while requests have engines."""
    pool = Pool()
    before = pool.engines.borrow("a")
    pool.engines.remove("a")
    after = pool.engines.borrow("a")
    pool.engines.give_back("a", before)
    assert not pool.engines.put_to_sleep("a"), "a request has it"
    assert not after.is_closed
    pool.engines.give_back("a", after)
    assert pool.engines.put_to_sleep("a")


def test_removal_does_not_wait_for_what_an_engine_executes_that_is_ending() -> None:
    pool = Pool(limit=1)
    first = pool.use("a")
    first.may_close.clear()
    pool.use("b")
    assert not first.is_closed
    assert pool.engines.remove("a")
    assert first.is_closed


def test_none_is_made_after_the_end() -> None:
    pool = Pool()
    pool.engines.borrow("a")
    pool.use("b")
    pool.engines.close()
    pool.engines.close()
    assert all([one.is_closed for one in pool.made])
    with pytest.raises(RunnerClosed):
        pool.engines.borrow("a")
