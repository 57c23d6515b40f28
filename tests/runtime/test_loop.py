"""The loop alone: callbacks, services and the end, for an owner that has no runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import InternalError, RunnerClosed, RunNotFound, StoreError, StoreUnavailable, StoreUnusable
from holdwater.model.time import Micros
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.future import Future
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.loop import Loop
from holdwater.runtime.services.base import SupervisedService
from holdwater.runtime.store_status import StoreStatus
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


class EventOwner:
    """An owner of a loop that lists what the loop calls."""

    has_unsaved_changes = False
    is_executing = False

    def __init__(self) -> None:
        self.events: list[str] = []
        self.fatal_error: BaseException | None = None
        self.on_end_turn: Callable[[], None] = lambda: None
        self.on_release: Callable[[], None] = lambda: None

    def end_turn(self) -> None:
        self.events.append("turn")
        self.on_end_turn()

    def on_store_error(self, error: StoreError) -> None:
        self.events.append(f"store error: {error.message}")

    def start_closing(self) -> None:
        self.events.append("closing")

    def release(self, fatal_error: BaseException | None) -> None:
        self.fatal_error = fatal_error
        self.events.append("release")
        self.on_release()

    def reject_waiters(self, fatal_error: BaseException | None) -> None:
        self.events.append("reject")


class EventService:
    """A service that lists its runs with those of its owner."""

    def __init__(self, name: str, owner: EventOwner) -> None:
        self.name, self.events = name, owner.events
        self.due: Micros | None = None
        self.error: BaseException | None = None

    def due_at(self, now: Micros) -> Micros | None:
        return self.due

    def run(self, now: Micros) -> None:
        self.events.append(self.name)
        if self.error is not None:
            error, self.error = self.error, None
            raise error


class RunningLoop:
    """A loop with its owner; nothing but the test wakes it."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.error_log = InternalErrors(self.clock)
        self.status = StoreStatus(self.clock, lambda error: None)
        self.owner = EventOwner()
        self.loop = Loop(self.clock, self.error_log, self.status)

    def start(self, *services: SupervisedService) -> None:
        self.loop.start(self.owner, services)

    def supervise(self, service: EventService, **options: Any) -> SupervisedService:
        return SupervisedService(service.name, service, self.error_log, **options)

    def turn(self, callback: Callable[[], None] = lambda: None) -> None:
        """Have the loop call `callback`, and wait for the end of that turn."""
        ended = threading.Event()
        self.owner.on_end_turn = lambda: self._signal(ended)
        self.loop.call_soon(callback)
        assert ended.wait(SIGNAL_TIMEOUT_SECONDS)

    def _signal(self, ended: threading.Event) -> None:
        self.owner.on_end_turn = lambda: None
        ended.set()

    def close(self) -> None:
        self.loop.close(0.0)


@pytest.fixture
def running() -> RunningLoop:
    return RunningLoop()


def test_a_turn_calls_callbacks_then_services_and_then_its_owner(running: RunningLoop) -> None:
    names = ("first", "local", "second")
    services = [EventService(name, running.owner) for name in names]
    running.start(*[running.supervise(s, uses_store=s.name != "local", until_closed=True) for s in services])
    running.turn(lambda: running.owner.events.append("callback"))
    running.close()
    first_turn = running.owner.events[: running.owner.events.index("turn") + 1]
    assert first_turn == ["callback", "local", "first", "second", "turn"]


def test_errors_of_callbacks_reach_their_futures_and_no_other_callback(running: RunningLoop) -> None:
    running.start()
    wrong, strange, fine = Future[int](), Future[int](), Future[int]()

    def raises(error: BaseException) -> Callable[[], None]:
        def callback() -> None:
            raise error

        return callback

    running.loop.call_soon_strict(raises(RunNotFound("as asked")), wrong)
    running.loop.call_soon_strict(raises(KeyError("strange")), strange)
    running.loop.call_soon_strict(lambda: fine.set_result(1), fine)
    assert fine.wait(SIGNAL_TIMEOUT_SECONDS)
    running.close()
    with pytest.raises(RunNotFound):
        wrong.result()
    with pytest.raises(InternalError, match="strange"):
        strange.result()
    assert fine.result() == 1
    assert [record.error for record in running.error_log.latest] == ["KeyError: 'strange'"]


def test_a_store_error_of_one_service_pauses_all_that_use_the_store(running: RunningLoop) -> None:
    store, local = EventService("store", running.owner), EventService("local", running.owner)
    running.start(running.supervise(store), running.supervise(local, uses_store=False, until_closed=True))
    store.error = StoreUnavailable("down, says the test")
    running.turn()
    assert running.owner.events == ["local", "store", "store error: down, says the test", "turn"]
    assert running.status.is_unavailable
    running.status.retry_at = Micros(running.clock.now() + 3_600_000_000)
    running.owner.events.clear()
    running.turn()
    assert "store" not in running.owner.events
    assert "local" in running.owner.events
    running.close()


def test_while_it_closes_only_services_that_are_needed_to_the_end_run(running: RunningLoop) -> None:
    kept, dropped = EventService("kept", running.owner), EventService("dropped", running.owner)
    running.start(running.supervise(kept, until_closed=True), running.supervise(dropped))
    running.owner.is_executing = True
    running.loop.close(3600.0, wait=False)
    running.turn()
    running.owner.events.clear()
    running.turn()
    assert running.owner.events == ["kept", "turn"]
    with pytest.raises(RunnerClosed, match="was shut down"):
        running.loop.call_soon_strict(lambda: None)
    running.owner.is_executing = False
    running.turn()
    running.loop.close(0.0)
    assert running.owner.events[-2:] == ["release", "reject"]


def test_a_callback_that_comes_after_the_last_turn_is_called_before_waiters_are_rejected(running: RunningLoop) -> None:
    running.owner.on_release = lambda: running.loop.call_soon(lambda: running.owner.events.append("late"))
    running.start()
    running.close()
    assert running.owner.events[-3:] == ["release", "late", "reject"]


def test_an_owner_that_fails_all_the_time_ends_the_loop(running: RunningLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.runtime.loop.MIN_RETRY_DELAY_SECONDS", 0.0)
    due = EventService("due", running.owner)
    due.due = Micros(0)  # every turn follows the one before at once

    def fails() -> None:
        raise LookupError("says the test")

    running.owner.on_end_turn = fails
    running.start(running.supervise(due))
    running.loop._thread.join(SIGNAL_TIMEOUT_SECONDS)
    assert isinstance(running.owner.fatal_error, LookupError)
    with pytest.raises(RunnerClosed, match="stopped after an internal error"):
        running.loop.raise_if_closed()


def test_a_timer_that_raises_is_called_again_after_longer_and_longer_pauses(running: RunningLoop) -> None:
    called_at: list[int] = []
    timers = running.loop.timers

    def fails_three_times() -> None:
        called_at.append(now)
        if len(called_at) <= 3:
            raise LookupError

    timers.call_at(Micros(1_000), fails_three_times)
    now = Micros(1_000)
    while timers.next_due_at is not None:
        now = timers.next_due_at
        timers.run_due(now)
    assert called_at == [1_000, 251_000, 751_000, 1_751_000]


@pytest.mark.parametrize(
    ("error", "is_refused"), [(StoreUnavailable("x"), False), (StoreUnusable("x"), True), (StoreError("x"), True)]
)
def test_a_store_that_refuses_is_told_from_one_that_cannot_be_reached(error: StoreError, is_refused: bool) -> None:
    refusals: list[StoreError] = []
    status = StoreStatus(SystemClock(), refusals.append)
    status.on_error(error)
    assert refusals == [error] * is_refused


def test_pauses_of_the_store_double_up_to_a_limit_and_begin_anew_after_a_commit() -> None:
    clock = SystemClock(wall=lambda: Micros(0), monotonic=lambda: Micros(0))  # type: ignore[arg-type, return-value]
    status = StoreStatus(clock, lambda error: None)
    pauses = [status.back_off() - clock.now() for _ in range(10)]
    assert pauses[:4] == [50_000, 100_000, 200_000, 400_000]
    assert pauses[-2:] == [5_000_000, 5_000_000]
    status.on_commit()
    assert status.back_off() - clock.now() == 50_000
    status.retry_at = Micros(10**15)  # the clock was set back since
    assert status.paused_until(clock.now()) == clock.now() + 5_000_000
