"""Time as runs see it: clocks that are set while they run, deadlines, timers, and what is nobody's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.model.time import Micros, MonotonicMicros
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import STEP_CONFIRMATION_US, SystemClock
from tests.engine.fake_clock import ContextRecorder, FakeClock, instant_us, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]
START = "2026-11-21T00:00:00"
LIMIT_S = 100.0


class MachineClocks:
    """The clocks of a machine, in the hands of a test."""

    def __init__(self) -> None:
        self.steady = 1_000_000_000
        self.wall_offset_us = instant_us(START) - self.steady
        self.clocks: list[MachineClock] = []

    def clock(self) -> MachineClock:
        self.clocks.append(MachineClock(self))
        return self.clocks[-1]

    def advance(self, seconds: float) -> None:
        self.steady += int(seconds * 1e6)
        for clock in self.clocks:
            clock.wake()

    def set_wall(self, seconds: float) -> None:
        self.wall_offset_us += int(seconds * 1e6)


class MachineClock(SystemClock):
    """A runner's clock on that machine."""

    def __init__(self, machine: MachineClocks) -> None:
        super().__init__(
            lambda: Micros(machine.steady + machine.wall_offset_us), lambda: MonotonicMicros(machine.steady)
        )
        self.wake: Callable[[], None] = lambda: None

    def seconds_until(self, instant: Micros) -> float | None:
        return 0.0 if instant <= self.now() else None

    def on_jump(self, wake: Callable[[], None]) -> None:
        self.wake = wake


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, url: str) -> MachineClocks:
    if not url.startswith("sqlite"):
        pytest.skip("its time is the server's")
    made = MachineClocks()
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", made.clock)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock(START)
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


def violations(runner: DefaultRunner, now: int) -> list[str]:
    return [str(violation) for violation in StoreChecker(runner._engine.store, lambda: Micros(now)).find_violations()]


@pytest.mark.parametrize("step", [600, -600, 86_400, -3600])
def test_a_wall_clock_that_is_set_ends_nothing_and_takes_nothing(
    step: float, machine: MachineClocks, open_runner: Open, define: Define, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {"timeout_seconds": 300}), ("b", lambda context: None, {}))
    runner = open_runner(workflow_timeout_seconds=400)
    handle = runner.submit("w")
    gate.wait_started()
    machine.set_wall(step)
    other = open_runner()  # it starts with the new time
    for _ in range(10):
        machine.advance(STEP_CONFIRMATION_US / 5e6)
        wait_until_idle(runner)
        wait_until_idle(other)
    assert abs(runner._engine.clock.now() - other._engine.clock.now()) < 1_000_000, "both follow in the end"
    assert handle.status == "Running"
    gate.open.set()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert {t.attempt_count for t in result.task_results} == {1}
    assert violations(runner, runner._engine.clock.now()) == []


@pytest.mark.parametrize("step", [600, -600])
def test_what_runs_keeps_its_time_out_when_a_clock_was_followed(
    step: float, machine: MachineClocks, open_runner: Open, define: Define, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {"timeout_seconds": 300}))
    runner = open_runner()
    handle = runner.submit("w")
    gate.wait_started()
    machine.set_wall(step)
    for _ in range(5):
        machine.advance(50)
        wait_until_idle(runner)
    assert handle.status == "Running"
    for _ in range(2):
        machine.advance(50)
        wait_until_idle(runner)
    assert "ran longer than 300 s" in str(handle.result(SIGNAL_TIMEOUT_SECONDS).error_message)


@pytest.mark.parametrize(("step", "fires_after_seconds"), [(600, 60), (-600, 600 + 420)])
def test_no_schedule_fires_because_a_clock_was_just_set(
    step: float, fires_after_seconds: int, machine: MachineClocks, open_runner: Open, define: Define
) -> None:
    """At seven past: it fires when the new time has stood for a minute, or when that has come to it."""
    ran = ContextRecorder()
    define("w", ("a", ran, {}))
    runner = open_runner()
    runner.register_cron_workflow("w", "7 0 * * *")
    wait_until_idle(runner)
    machine.set_wall(step)
    passed = 0
    while passed < fires_after_seconds - 10:
        machine.advance(10)
        passed += 10
        wait_until_idle(runner)
        assert ran.times == []
    for _ in range(6):
        machine.advance(10)
        wait_until_idle(runner)
    ran.wait_for_runs(1)
    assert ran.times == ["2026-11-21T00:07:00"]


@pytest.mark.parametrize("steps", [(600, 600), (600, -20), (-20, 600), (-20, -5)])
def test_runners_whose_clocks_differ_leave_a_sound_record(
    steps: tuple[float, float], machine: MachineClocks, open_runner: Open, define: Define, gate: Gate
) -> None:
    """A run goes from one to the other; what is written later is never dated earlier."""
    define("w", *[(f"t{k}", lambda context: gate(), {"dependencies": [f"t{k - 1}"] if k else []}) for k in range(3)])
    runner = open_runner(shutdown_timeout_seconds=0)
    run_id = runner.submit("w").run_id
    for set_by in steps:
        gate.wait_started()
        runner.shutdown()
        machine.set_wall(set_by)
        runner = open_runner(shutdown_timeout_seconds=0)
    gate.wait_started()
    gate.open.set()
    assert runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    for shift in (0, 600, -600):
        assert violations(runner, runner._engine.clock.now() + int(shift * 1e6)) == []


def test_a_deadline_passes_although_no_runner_has_work_of_the_run(
    clock: FakeClock, open_runner: Open, define: Define
) -> None:
    """It waits for a retry too far off to be anybody's, and the runner that began it is gone."""

    def fails(context: Context) -> None:
        raise ConnectionError

    long = 3_600_000
    define("w", ("a", fails, {"retry_attempts": 2, "retry_delay_ms": long, "retry_max_delay_ms": long}))
    first = open_runner(workflow_timeout_seconds=100)
    run_id = first.submit("w").run_id
    while first.handle(run_id).info().task_results[0].status != "Waiting":
        poll_pause()
    first.shutdown()
    second = open_runner()
    clock.advance(99)
    wait_until_idle(second)
    assert second.handle(run_id).status == "Running"
    clock.advance(31)
    assert "ran longer than 100 s" in str(second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).error_message)


# -- bodies that are deferred


class DeferredTasks:
    """A workflow whose task `a` is deferred until `go_on`, and then runs; `beside` is what else there is."""

    def __init__(self, open_runner: Open, define: Define, other_task: Callable[..., None], **options: object) -> None:
        self.condition_checks, self.release, self.running = (
            threading.Semaphore(0),
            threading.Event(),
            threading.Semaphore(0),
        )
        self.end = threading.Event()
        define("w", ("a", self._task_function, {"timeout_seconds": 1e6}), ("b", other_task, options))
        self.runner = open_runner(workflow_timeout_seconds=LIMIT_S)
        self.handle = self.runner.submit("w")
        for _ in range(2):  # the second time it has given up its slot
            assert self.condition_checks.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
        wait_until_idle(self.runner)

    def _task_function(self, context: Context, handle: TaskHandle) -> None:
        def condition() -> bool:
            self.condition_checks.release()
            return self.release.is_set()

        handle.defer_until(condition, poll_interval_ms=10)
        self.running.release()
        assert self.end.wait(SIGNAL_TIMEOUT_SECONDS)

    def stop_deferral(self) -> None:
        self.release.set()
        assert self.running.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
        wait_until_idle(self.runner)

    def wait_for_status(self, task: str, status: str) -> None:
        while {t.task_name: t.status for t in self.handle.info().task_results}[task] != status:
            pass
        wait_until_idle(self.runner)

    def has_time_left(self, clock: FakeClock, seconds: float) -> bool:
        """Whether its deadline passes after so many seconds, and not before."""
        clock.advance(seconds - 1)
        wait_until_idle(self.runner)
        if self.handle.status != "Running":
            return False
        clock.advance(2)
        ended = self.handle.result(SIGNAL_TIMEOUT_SECONDS)
        self.end.set()
        return f"ran longer than {LIMIT_S:g} s" in str(ended.error_message)


@pytest.mark.parametrize("how", ["returns", "raises", "times out"])
def test_the_deadline_stands_still_when_the_last_body_that_is_not_deferred_ends(
    how: str, clock: FakeClock, open_runner: Open, define: Define, gate: Gate
) -> None:
    def beside(context: Context) -> None:
        gate()
        if how == "raises":
            raise ValueError

    timeout_seconds = 30 if how == "times out" else 1e6
    run = DeferredTasks(open_runner, define, beside, retry_attempts=1, timeout_seconds=timeout_seconds)
    gate.wait_started()
    clock.advance(20)
    wait_until_idle(run.runner)
    if how == "times out":
        clock.advance(10)
    else:
        gate.open.set()
    run.wait_for_status("b", "Completed" if how == "returns" else "Failed")
    clock.advance(1000)
    wait_until_idle(run.runner)
    assert run.handle.status == "Running"
    run.stop_deferral()
    assert run.has_time_left(clock, LIMIT_S - (30 if how == "times out" else 20))


def test_the_deadline_goes_on_when_a_body_begins_beside_one_that_is_deferred(
    clock: FakeClock, open_runner: Open, define: Define, gate: Gate
) -> None:
    def beside(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            raise ValueError("once more")
        gate()

    delay = {"retry_delay_ms": 50_000, "retry_max_delay_ms": 50_000, "retry_jitter": False}
    run = DeferredTasks(open_runner, define, beside, retry_attempts=2, timeout_seconds=1e6, **delay)
    run.wait_for_status("b", "Waiting")
    clock.advance(51)
    gate.wait_started()
    wait_until_idle(run.runner)
    assert run.has_time_left(clock, LIMIT_S)


def test_a_pause_of_a_run_whose_bodies_are_deferred_counts_once(
    clock: FakeClock, open_runner: Open, define: Define
) -> None:
    run = DeferredTasks(open_runner, define, lambda context: None)
    run.wait_for_status("b", "Completed")
    clock.advance(10)
    run.runner.pause(run.handle.run_id)
    clock.advance(1000)
    run.runner.resume(run.handle.run_id)
    clock.advance(10)
    run.stop_deferral()
    assert run.has_time_left(clock, LIMIT_S)


@pytest.mark.parametrize("handed_over", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("delay_seconds", [5, 29, 31, 3600])
def test_a_durable_timer_is_never_early(
    delay_seconds: int, handed_over: bool, clock: FakeClock, open_runner: Open, define: Define
) -> None:
    """Also one that is claimed ahead, within a lease of its instant."""
    ran: list[int] = []

    def fails_once(context: Context) -> None:
        ran.append(clock.now())
        if len(ran) == 1:
            raise ConnectionError

    ms = delay_seconds * 1000
    define("w", ("a", fails_once, {"retry_attempts": 2, "retry_delay_ms": ms, "retry_max_delay_ms": ms}))
    runner = open_runner(workflow_timeout_seconds=1e6)
    handle = runner.submit("w")
    while handle.info().task_results[0].status != "Waiting":
        poll_pause()
    if handed_over:
        runner.shutdown()
        runner = open_runner()
        handle = runner.handle(handle.run_id)
    due = ran[0] + delay_seconds * 1_000_000
    for before_seconds in (delay_seconds / 2, 1, 0.001):
        clock.set(due - int(before_seconds * 1e6))
        wait_until_idle(runner)
        runner._engine.driver.check_for_work()
        wait_until_idle(runner)
        assert len(ran) == 1, f"{before_seconds} s early"
    clock.set(due)
    clock.advance(31)  # a scan finds what is nobody's
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert ran[1] >= due
