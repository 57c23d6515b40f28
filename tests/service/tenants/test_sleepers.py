"""Tenants that are asleep wake when something is due, by a clock of the test."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from holdwater.errors import StoreError, StoreUnavailable
from holdwater.model.next_work import NextWork
from holdwater.model.time import Micros, add_seconds
from holdwater.service.tenants.engines import WakeCause
from holdwater.service.tenants.sleepers import Sleepers

START = Micros(1_700_000_000_000_000)


def due(at: Micros | None, ready: int = 0) -> NextWork:
    return NextWork("channel", at, ready, at if ready else None)


@dataclass
class World:
    """Tenants with their next work; `now` is moved by the test."""

    work: dict[str, NextWork | None] = field(default_factory=dict)
    errors: dict[str, StoreError] = field(default_factory=dict)
    is_preferred: bool = True
    awake: set[str] = field(default_factory=set)
    woken: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    now: Micros = START

    def __post_init__(self) -> None:
        self.sleepers = Sleepers(self._read, lambda name: self.is_preferred, self.awake.__contains__, self._wake)

    def _read(self, name: str) -> NextWork | None:
        self.reads.append(name)
        if name in self.errors:
            raise self.errors[name]
        return self.work.get(name, due(None))

    def _wake(self, name: str, cause: WakeCause) -> None:
        self.woken.append(name)
        self.causes.append(cause)
        self.awake.add(name)

    def add(self, name: str, work: NextWork | None) -> None:
        self.work[name] = work
        self.sleepers.add(name, self.now)

    def advance(self, seconds: float) -> None:
        """Let time pass, from one instant of the heap to the next."""
        end = add_seconds(self.now, seconds)
        while (next_at := self.sleepers.run_due(self.now)) is not None and next_at <= end:
            self.now = max(self.now, next_at)
        self.now = end

    def fall_asleep(self, name: str, left: NextWork | None = None) -> None:
        self.awake.discard(name)
        self.sleepers.note_asleep(name, left, self.now)

    def seconds_after_start(self, seconds: float) -> Micros:
        return add_seconds(START, seconds)


def test_a_tenant_wakes_right_before_what_is_due() -> None:
    world = World()
    world.add("hourly", due(world.seconds_after_start(100)))
    world.add("nothing", due(None))
    world.advance(99)
    assert world.woken == []
    world.advance(1)
    assert world.woken == ["hourly"]
    assert world.causes == ["due"]


def test_a_thousand_sleeping_tenants_are_looked_at_every_five_minutes() -> None:
    world = World()
    for number in range(1000):
        world.add(f"tenant {number}", due(None))
    world.advance(1)
    assert len(world.reads) == 1000
    world.advance(298)
    assert len(world.reads) == 1000
    world.advance(2)
    assert len(world.reads) == 2000
    assert world.woken == []


def test_news_of_work_wake_at_once() -> None:
    world = World()
    world.add("a", due(None))
    world.advance(10)
    world.work["a"] = due(world.now, ready=1)
    world.sleepers.note_news("a", world.now)
    world.sleepers.run_due(world.now)
    assert world.woken == ["a"]
    assert world.causes == ["news"]


def test_much_news_is_one_look_in_a_while() -> None:
    world = World()
    world.add("a", due(None))
    world.advance(10)
    for _ in range(100):
        world.sleepers.note_news("a", world.now)
        world.advance(0.01)
    assert len(world.reads) <= 1 + 5


def test_another_replica_has_two_seconds() -> None:
    world = World(is_preferred=False)
    world.add("taken by the other", due(world.seconds_after_start(10), ready=1))
    world.add("left by the other", due(world.seconds_after_start(10), ready=1))
    world.advance(11)
    assert world.woken == []
    world.work["taken by the other"] = due(None)
    world.advance(2)
    assert world.woken == ["left by the other"]


def test_work_that_an_engine_has_left_does_not_wake_it_again() -> None:
    """Its workflow may be one that no package of this server has."""
    world = World()
    strange = due(world.seconds_after_start(0), ready=1)
    world.add("a", strange)
    world.advance(1)
    assert world.woken == ["a"]
    world.advance(60)
    world.fall_asleep("a", left=strange)
    world.advance(1000)
    assert world.woken == ["a"]
    world.work["a"] = NextWork("channel", strange.due_at, 2, world.now)
    world.sleepers.note_news("a", world.now)
    world.advance(1)
    assert world.woken == ["a", "a"], "there is other work beside it"


def test_after_a_day_it_is_awake_for_a_while() -> None:
    world = World()
    world.add("a", due(None))
    world.advance(86_000)
    assert world.woken == []
    world.advance(500)
    assert world.woken == ["a"]
    assert world.causes == ["daily"]


def test_one_that_is_broken_is_looked_at_again_and_others_are_not_affected() -> None:
    world = World()
    world.errors["broken"] = StoreError("no such table")
    world.errors["unreachable"] = StoreUnavailable("not now")
    for name in ("broken", "unreachable", "good"):
        world.add(name, due(world.seconds_after_start(50)))
    world.advance(45)
    assert world.reads.count("broken") == 1
    assert world.reads.count("unreachable") > 5
    world.errors.clear()
    world.advance(30)
    assert sorted(world.woken) == ["broken", "good", "unreachable"]


def test_one_that_was_never_used_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    world.add("unused", None)
    world.advance(100)
    assert (world.reads, world.woken, caplog.messages) == (["unused"] * 2, [], [])
    world.work["unused"] = due(world.now)
    world.advance(60)
    assert world.woken == ["unused"]


def test_one_that_could_not_be_woken_is_tried_again() -> None:
    world = World()
    world.add("a", due(world.seconds_after_start(1)))
    world.advance(1)
    world.awake.clear()  # there was no room
    world.sleepers.retry("a", world.now, 1.0)
    world.advance(1)
    assert world.woken == ["a", "a"]


def test_one_that_is_removed_is_forgotten() -> None:
    world = World()
    world.add("a", due(world.seconds_after_start(1)))
    world.sleepers.remove("a")
    world.sleepers.note_news("a", world.now)
    world.fall_asleep("a")
    world.advance(1000)
    assert world.reads == []
    assert world.sleepers.names() == set()
