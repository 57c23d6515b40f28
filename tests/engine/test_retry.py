"""Runs that failed or were cancelled are tried again: what succeeded is kept, what failed is mended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import holdwater
from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.engine import Engine
from holdwater.errors import InvalidTransition, RunNotFound, StructureChanged
from holdwater.model import events as ev
from holdwater.model.registry import Registry, registry
from holdwater.model.time import ClockSample, Micros, MonotonicMicros, add_seconds
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.config import DriverConfig
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

HOUR_US = 3_600_000_000


def does_nothing(context: Context) -> None:
    pass


class FlakyTasks:
    """Bodies that note that they ran, and fail as long as they are told to."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing_tasks: set[str] = set()

    def __call__(self, name: str) -> Callable[[Context], None]:
        def body(context: Context) -> None:
            self.ran.append(name)
            if name in self.failing_tasks:
                raise ValueError(f"{name} is ill")
            context[name] = [*context.get("seen", []), name]

        return body


@pytest.fixture
def bench() -> FlakyTasks:
    return FlakyTasks()


def has_no_violations(runner: DefaultRunner) -> bool:
    """The checker finds nothing wrong in the runner's database."""
    engine = runner._engine
    return [str(v) for v in StoreChecker(engine.store, engine.clock.now).find_violations()] == []


def tasks_of(result: holdwater.PipelineResult) -> dict[str, str]:
    return {t.task_name: t.status for t in result.task_results}


def test_what_failed_runs_again_and_nothing_else(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define(
        "w",
        ("a", bench("a"), {}),
        ("b", bench("b"), {"dependencies": ["a"], "retry_attempts": 2, "retry_delay_ms": 0}),
        ("c", bench("c"), {"dependencies": ["b"]}),
        ("tidy", bench("tidy"), {"dependencies": ["b"], "trigger_rules": {"type": "TaskFailed", "task_name": "b"}}),
        ("apart", bench("apart"), {}),
    )
    bench.failing_tasks = {"b"}
    first = runner.submit("w").result(SIGNAL_TIMEOUT_SECONDS)
    assert first.status == "Failed"
    assert sorted(bench.ran) == ["a", "apart", "b", "b", "tidy"]
    assert tasks_of(first)["tidy"] == "Completed"
    bench.ran.clear()
    bench.failing_tasks.clear()
    handle = runner.handle(first.run_id)
    handle.retry("the disk is there again")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert (result.error_message, result.reason) == (None, None)
    assert bench.ran == ["b", "c"]
    assert tasks_of(result) == {
        "a": "Completed", "b": "Completed", "c": "Completed", "tidy": "Skipped", "apart": "Completed"
    }  # fmt: skip
    by_name = {t.task_name: t for t in result.task_results}
    assert by_name["b"].attempt_count == 3
    assert by_name["b"].error_message is None
    assert by_name["tidy"].end_time is None
    assert "tidy" not in result.final_context
    assert (first.end_time or "") < (by_name["b"].start_time or "")
    assert has_no_violations(runner)


def test_the_attempts_begin_anew(runner: DefaultRunner, define: Define) -> None:
    attempts: list[int] = []

    def body(context: Context, handle: TaskHandle) -> None:
        attempts.append(handle.attempt)
        raise ValueError("no")

    define("w", ("a", body, {"retry_attempts": 3, "retry_delay_ms": 0}))
    handle = runner.submit("w")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    handle.retry()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    assert attempts == [1, 2, 3, 1, 2, 3]


def test_an_old_handle_sees_the_new_end(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define("w", ("a", bench("a"), {}))
    bench.failing_tasks = {"a"}
    old = runner.submit("w")
    assert old.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    bench.failing_tasks.clear()
    runner.retry(old.run_id)
    assert old.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert old.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    runner.shutdown()
    assert old.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_cancelled_run(runner: DefaultRunner, define: Define, gate: Gate, bench: FlakyTasks) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        bench.ran.append("b")
        gate.started.release()
        while not handle.cancelled and not gate.open.is_set():
            gate.open.wait(0.001)
        handle.raise_if_cancelled()

    define("w", ("a", bench("a"), {}), ("b", body, {"dependencies": ["a"]}), ("c", bench("c"), {"dependencies": ["b"]}))
    handle = runner.submit("w")
    gate.wait_started()
    handle.cancel("enough")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    gate.open.set()
    handle.retry()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.reason) == ("Completed", None)
    assert bench.ran == ["a", "b", "b", "c"]
    assert has_no_violations(runner)


def test_a_run_that_took_too_long_has_as_long_again(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate, bench: FlakyTasks
) -> None:
    bench.failing_tasks = {"early"}
    define(
        "w",
        ("early", bench("early"), {}),
        ("a", lambda context: gate(), {}),
        ("b", does_nothing, {"dependencies": ["a"]}),
    )
    runner = open_runner(workflow_timeout_seconds=0.2)
    handle = runner.submit("w")
    first = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert first.status == "Failed"
    assert "TIMEOUT: the workflow ran longer than 0.2 s" in (first.error_message or "")
    gate.open.set()
    bench.failing_tasks.clear()
    engine = runner._engine
    ended = engine.reader.row(handle.run_id)
    handle.retry()
    head = engine.reader.row(handle.run_id)
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert head.deadline_at is not None
    assert ended.finished_at is not None
    assert ended.finished_at + 200_000 <= head.deadline_at
    assert head.deadline_at - (ended.deadline_at or 0) < HOUR_US
    assert bench.ran[-1] == "early"  # a busy machine may have come to its first attempt too late
    assert has_no_violations(runner)


class ManualClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_us = Micros(1_800_000_000_000_000)
        self.wake: Callable[[], None] = lambda: None

    def now(self) -> Micros:
        return self.now_us

    def monotonic(self) -> MonotonicMicros:
        return MonotonicMicros(self.now_us)

    def earliest_now(self) -> Micros:
        return self.now_us

    def adjust(self, sample: ClockSample | None) -> int:
        return 0

    def seconds_until(self, instant: Micros) -> float | None:
        return 0.0 if instant <= self.now_us else None

    def on_jump(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def jump(self, seconds: float) -> None:
        self.now_us = add_seconds(self.now_us, seconds)
        self.wake()


def test_the_limit_is_that_of_the_first_time_every_time(define: Define, bench: FlakyTasks) -> None:
    """Also after pauses, and after the run was read back from its journal."""
    bench.failing_tasks = {"a"}
    define("w", ("a", bench("a"), {}))
    clock = ManualClock()
    engine = Engine("memory://", DriverConfig(), run_timeout_seconds=100, clock=clock)
    try:
        started = engine.submit("w", None)
        row = started.info
        started.future.result(SIGNAL_TIMEOUT_SECONDS)
        assert engine.reader.row(row.id).deadline_at == row.created_at + 100_000_000
        for _ in range(3):
            clock.jump(1000)
            engine.control.retry(row.id)
            engine.wait_for_run(row.id, SIGNAL_TIMEOUT_SECONDS)
            head = engine.reader.row(row.id)
            assert head.deadline_at == clock.now() + 100_000_000
            assert engine.reader.fold(engine.reader.row(row.id)).time_limit_us == 100_000_000
    finally:
        engine.close(1.0)


def test_a_pause_beyond_the_deadline_is_no_time_out(define: Define, gate: Gate, bench: FlakyTasks) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", bench("b"), {"dependencies": ["a"]}))
    clock = ManualClock()
    engine = Engine("memory://", DriverConfig(task_timeout_seconds=1e6), run_timeout_seconds=100, clock=clock)
    try:
        row = engine.submit("w", None).info
        gate.wait_started()
        clock.jump(10)
        engine.control.pause(row.id)
        clock.jump(10_000)
        engine.control.resume(row.id)
        assert engine.reader.fold(engine.reader.row(row.id)).time_limit_us == 100_000_000
        gate.open.set()
        assert engine.wait_for_run(row.id, SIGNAL_TIMEOUT_SECONDS).status == "completed"
    finally:
        gate.open.set()
        engine.close(1.0)


def test_refusals_say_what_the_run_is_and_what_to_do(
    runner: DefaultRunner, define: Define, gate: Gate, bench: FlakyTasks
) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", bench("b"), {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    with pytest.raises(InvalidTransition, match=r"it is running(.|\n)*cancel it"):
        handle.retry()
    handle.pause()
    with pytest.raises(InvalidTransition, match=r"it is paused(.|\n)*resume it"):
        handle.retry()
    handle.resume()
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    with pytest.raises(InvalidTransition, match=r"it is completed(.|\n)*fork it"):
        handle.retry()
    with pytest.raises(RunNotFound):
        runner.retry("no-such-run")
    bench.failing_tasks = {"b"}
    failed = runner.submit("w")
    assert failed.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    with pytest.raises(InvalidTransition, match=r"it is failed(.|\n)*retry it"):
        failed.resume()


def test_a_mended_body_is_what_runs_and_the_head_says_so(
    runner: DefaultRunner, define: Define, bench: FlakyTasks
) -> None:
    bench.failing_tasks = {"b"}
    define("w", ("a", bench("a"), {}), ("b", bench("b"), {"dependencies": ["a"]}))
    first = runner.submit("w").result(SIGNAL_TIMEOUT_SECONDS)

    def mended(context: Context) -> None:
        context["mended"] = True

    define("w", ("a", bench("a"), {}), ("b", mended, {"dependencies": ["a"]}))
    runner.retry(first.run_id)
    result = runner.handle(first.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context["mended"] is True
    assert bench.ran == ["a", "b"]
    program = registry.get("w")
    assert result.summary.code_version == program.code_fingerprint != first.summary.code_version
    assert result.summary.workflow_version == program.plan.structure == first.summary.workflow_version


def test_another_structure_is_refused_with_both_named(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    bench.failing_tasks = {"a"}
    define("w", ("a", bench("a"), {}))
    first = runner.submit("w").result(SIGNAL_TIMEOUT_SECONDS)
    define("w", ("a", bench("a"), {}), ("b", bench("b"), {}))
    with pytest.raises(StructureChanged) as caught:
        runner.retry(first.run_id)
    assert first.summary.workflow_version in str(caught.value)
    assert registry.get("w").plan.structure in str(caught.value)
    assert runner.handle(first.run_id).status == "Failed"
    with pytest.raises(StructureChanged):
        runner.fork(first.run_id, "a")


def test_whoever_has_the_workflow_goes_on(
    open_runner: Callable[..., DefaultRunner], define: Define, bench: FlakyTasks, url: str
) -> None:
    """A process without the code journals the retry; the runner that has it hears of it."""
    bench.failing_tasks = {"a"}
    define("w", ("a", bench("a"), {}))
    runner = open_runner()
    handle = runner.submit("w")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    bench.failing_tasks.clear()
    stranger = Engine(url, DriverConfig(recover=False), registry=Registry())
    try:
        stranger.control.retry(handle.run_id, "elsewhere")
        assert stranger.wait_for_run(handle.run_id, SIGNAL_TIMEOUT_SECONDS).status == "completed"
        fork = stranger.fork(handle.run_id, "a", {"x": 1}, ())
        row = fork.info
        assert fork.is_new
        assert stranger.wait_for_run(row.id, SIGNAL_TIMEOUT_SECONDS).status == "completed"
    finally:
        stranger.close(1.0)
    assert bench.ran == ["a", "a", "a"]
    assert runner.get_run(row.id).final_context["x"] == 1
    assert has_no_violations(runner)


def test_retries_at_the_same_time(open_runner: Callable[..., DefaultRunner], define: Define, bench: FlakyTasks) -> None:
    """One of them is taken; the others hear that there is nothing to retry."""
    bench.failing_tasks = {"a"}
    define("w", ("a", bench("a"), {}))
    runners = [open_runner() for _ in range(3)]
    run_id = runners[0].execute("w").run_id
    for round_ in range(1, 6):
        said: list[Any] = []
        barrier = threading.Barrier(6)

        def retry(runner: DefaultRunner, barrier: threading.Barrier = barrier, said: list[Any] = said) -> None:
            barrier.wait()
            try:
                runner.retry(run_id)
                said.append(True)
            except InvalidTransition as error:
                said.append(error)

        threads = [threading.Thread(target=retry, args=(runners[k % 3],)) for k in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert runners[1].handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
        # a retry may have come after the end of the one before it, and then it was right
        assert (
            bench.ran.count("a")
            == sum(e.event == ev.Resumed() for e in runners[0]._engine.reader.view(run_id).journal) + 1
        )
        assert said.count(True) >= 1, round_
    taken = sum(e.event == ev.Resumed() for e in runners[0]._engine.reader.view(run_id).journal)
    assert taken >= 5
    assert has_no_violations(runners[0])


def test_a_cancel_that_comes_too_late_is_refused(
    open_runner: Callable[..., DefaultRunner], define: Define, url: str
) -> None:
    """Whatever the order of the two: exactly one end, and whoever cancelled knows which."""
    define("w", ("a", does_nothing, {}), ("b", does_nothing, {"dependencies": ["a"]}))
    runner, other = open_runner(), open_runner()
    for _ in range(100):
        handle = runner.submit("w")
        try:
            other.cancel(handle.run_id)
            expected = "Cancelled"
        except InvalidTransition:
            expected = "Completed"
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == expected
    assert has_no_violations(runner)
