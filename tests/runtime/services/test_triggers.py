"""Triggers of runners, in a time the tests make."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, Graph, TriggerResult, WorkflowBuilder, node, register_graph, trigger
from holdwater.errors import ScheduleError, ScheduleNotFound
from holdwater.model.triggers import triggers
from holdwater.runtime.services.triggers import MAX_CONCURRENT_CALLS, MAX_CONCURRENT_CALLS_OF_PACKAGE
from tests.engine.fake_clock import ContextRecorder, FakeClock, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeClock]:
    made = FakeClock("2026-11-21T00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    yield made
    for known in triggers.list_triggers():
        triggers.unregister(known.name)


@pytest.fixture
def ran(define: Define) -> ContextRecorder:
    made = ContextRecorder()
    define("w", ("a", made, {}))
    return made


class ScriptedTrigger:
    """A trigger function that answers what it is told to."""

    def __init__(self) -> None:
        self.answer: Callable[[], Any] = TriggerResult.skip
        self.call_count = 0
        self._calls = threading.Semaphore(0)

    def __call__(self) -> Any:
        self.call_count += 1
        try:
            return self.answer()
        finally:
            self._calls.release()

    def wait_for_calls(self, count: int = 1) -> None:
        for _ in range(count):
            assert self._calls.acquire(timeout=SIGNAL_TIMEOUT_SECONDS), f"asked {self.call_count} times"


def wait_until(condition: Callable[[], Any]) -> Any:
    while not (found := condition()):  # bounded by the test's time-out
        poll_pause()
    return found


def test_fires_with_its_context(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    asked = ScriptedTrigger()
    trigger("w", name="inbox", poll_interval="5s")(asked)
    runner = open_runner()
    asked.wait_for_calls()
    asked.answer = lambda: TriggerResult.fire(Context({"file": "a.csv", "trigger_name": "mine"}))
    wait_until(lambda: not runner._engine.driver.services.triggers._in_flight)
    clock.advance(5)
    ran.wait_for_runs(1)
    assert ran.contexts == [
        {"file": "a.csv", "trigger_name": "inbox", "triggered_at": "2026-11-21T00:00:05.000000Z"}
    ]  # fmt: skip
    (fire,) = runner.get_trigger_execution_history("inbox")
    assert runner.handle(fire["workflow_execution_id"]).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert (fire["trigger_name"], len(fire["context_hash"])) == ("inbox", 32)
    (row,) = runner.list_trigger_schedules()
    assert row == runner.get_trigger_schedule("inbox")
    assert (row["workflow_name"], row["poll_interval_ms"], row["enabled"]) == ("w", 5000, True)
    assert row["last_poll_at"] == "2026-11-21T00:00:05.000000Z"
    assert runner.get_cron_execution_stats("2020-01-01")["total_executions"] == 0


def test_decorated_while_a_runner_runs(open_runner: Open, ran: ContextRecorder) -> None:
    open_runner()

    @trigger(on="w")
    async def late() -> TriggerResult:
        return TriggerResult.fire()

    ran.wait_for_runs(1)
    assert ran.contexts[0]["trigger_name"] == "late"


def test_one_runner_asks_each_time_and_a_restart_doubles_nothing(
    open_runner: Open, ran: ContextRecorder, clock: FakeClock
) -> None:
    asked = ScriptedTrigger()
    trigger("w", name="inbox", poll_interval=10)(asked)
    runners = [open_runner() for _ in range(3)]
    asked.wait_for_calls()
    for n in range(2, 6):
        wait_until(lambda: not any(r._engine.driver.services.triggers._in_flight for r in runners))
        clock.advance(10)
        asked.wait_for_calls()
        for runner in runners:
            wait_until_idle(runner)
        assert asked.call_count == n
    runners[0].shutdown()
    assert len(open_runner().list_trigger_schedules()) == 1


def test_the_same_context_waits_for_the_run_before(
    open_runner: Open, define: Define, clock: FakeClock, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {}))
    asked, free = ScriptedTrigger(), ScriptedTrigger()
    asked.answer = free.answer = lambda: TriggerResult.fire({"b": 1, "a": [1, {"y": 1, "x": 2}]})
    trigger("w", name="one", poll_interval=1)(asked)
    trigger("w", name="many", poll_interval=1, allow_concurrent=True)(free)
    runner = open_runner(lease_seconds=1e6, max_concurrent_tasks=16)
    polling = runner._engine.driver.services.triggers
    for n in range(1, 4):
        wait_until(lambda: len(runner.get_trigger_execution_history("many")) == n and not polling._in_flight)  # noqa: B023
        clock.advance(1)
    asked.answer = lambda: TriggerResult.fire({"a": [1, {"x": 2, "y": 1}], "b": 1})  # equal, whatever the order
    wait_until(lambda: len(runner.get_trigger_execution_history("many")) == 4 and not polling._in_flight)
    assert len(runner.get_trigger_execution_history("one")) == 1
    asked.answer = lambda: TriggerResult.fire({"b": 2})
    clock.advance(1)
    wait_until(lambda: len(runner.get_trigger_execution_history("one")) == 2)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: "fire", "TriggerResult"),
        (lambda: TriggerResult.fire({"x": object()}), "x"),
        (lambda: exec("raise SystemExit"), "SystemExit"),
    ],
)
def test_errors_are_shown_and_end_nothing(
    open_runner: Open, ran: ContextRecorder, clock: FakeClock, answer: Any, says: str
) -> None:
    asked = ScriptedTrigger()
    asked.answer = answer
    trigger("w", name="bad", poll_interval=1)(asked)
    runner = open_runner()

    def row() -> dict[str, Any]:
        return runner.get_trigger_schedule("bad") or {}

    assert says in wait_until(lambda: row().get("last_error"))
    asked.answer = TriggerResult.fire
    clock.advance(1)
    ran.wait_for_runs(1)
    wait_until(lambda: row()["last_error"] is None)


def test_no_answer_in_time(open_runner: Open, ran: ContextRecorder, clock: FakeClock, gate: Gate) -> None:
    asked = ScriptedTrigger()

    def slowly() -> TriggerResult:
        gate()
        return TriggerResult.fire()

    asked.answer = slowly
    trigger("w", name="slow", poll_interval=1)(asked)
    runner = open_runner(trigger_poll_timeout=7.0)
    gate.wait_started()
    clock.advance(7)
    wait_until(lambda: "within 7 s" in str((runner.get_trigger_schedule("slow") or {})["last_error"]))
    assert asked.call_count == 1  # not again before it has answered
    asked.answer = lambda: TriggerResult.fire({"late": False})
    gate.open.set()
    ran.wait_for_runs(1)
    assert ran.contexts[0]["late"] is False


def test_triggers_of_a_package_that_do_not_answer_hold_up_no_others(
    open_runner: Open, ran: ContextRecorder, clock: FakeClock, gate: Gate
) -> None:
    def wait() -> TriggerResult:
        gate()
        return TriggerResult.skip()

    silent = [ScriptedTrigger() for _ in range(2 * MAX_CONCURRENT_CALLS)]
    for number, one in enumerate(silent):
        one.answer = wait
        trigger(workflow="w", name=f"silent/{number}", poll_interval="1s")(one)
    prompt = ScriptedTrigger()
    trigger(workflow="w", name="zz/prompt", poll_interval="1s")(prompt)  # registered last, so due last
    open_runner()
    prompt.wait_for_calls()
    for _ in range(3):
        clock.advance(1)
        prompt.wait_for_calls()
    assert sum([one.call_count for one in silent]) == MAX_CONCURRENT_CALLS_OF_PACKAGE
    gate.open.set()
    for one in silent:
        one.wait_for_calls()


def test_a_graph_is_given_of_a_fire_what_it_takes(
    open_runner: Open, clock: FakeClock, recwarn: pytest.WarningsRecorder
) -> None:
    """Values of the fire itself that are no inputs of the graph are no mistake of its author."""

    @node(output_name="seen")
    def see(pieces: int, trigger_name: str) -> str:
        return f"{pieces} {trigger_name}"

    register_graph(Graph([see], name="sees"))
    trigger("sees", name="asks", poll_interval=1)(lambda: TriggerResult.fire({"pieces": 3}))
    runner = open_runner()
    wait_until(lambda: [run for run in runner.list_runs(workflow_name="sees") if run.status == "Completed"])
    assert runner.get_trigger_execution_history("asks")
    assert [str(one.message) for one in recwarn] == []


def test_disabled(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    asked = ScriptedTrigger()
    trigger("w", name="inbox", poll_interval=1)(asked)
    runner = open_runner()
    asked.wait_for_calls()
    runner.set_trigger_enabled("inbox", False)
    clock.advance(100)
    wait_until_idle(runner)
    assert (asked.call_count, runner.list_trigger_schedules(enabled_only=True)) == (1, [])
    runner.set_trigger_enabled("inbox", True)
    asked.wait_for_calls()
    clock.set("2020-01-01T00:00:00")  # set back: it does not sleep for years
    asked.wait_for_calls()


def test_what_is_not_there(open_runner: Open) -> None:
    runner = open_runner()
    assert runner.get_trigger_schedule("nobody") is None
    assert runner.get_trigger_execution_history("nobody") == runner.list_trigger_schedules() == []
    with pytest.raises(ScheduleNotFound):
        runner.set_trigger_enabled("nobody", True)


def test_within_a_workflow() -> None:
    with WorkflowBuilder("mine") as builder:

        @holdwater.task()
        def a(context: Context) -> None: ...

        @trigger(poll_interval="500ms")
        def inbox() -> TriggerResult:
            return TriggerResult.skip()

    found = triggers.find("inbox")
    assert found is not None
    assert (found.workflow, found.poll_interval_us, found.function) == (builder.name, 500_000, inbox)
    assert inbox().is_skip_result()


def test_answers() -> None:
    assert repr(TriggerResult.skip()) == "TriggerResult.Skip"
    assert repr(TriggerResult.fire()) == "TriggerResult.Fire(None)"
    assert repr(TriggerResult.fire(Context({"a": 1}))) == "TriggerResult.Fire(Context({'a': 1}))"
    assert TriggerResult.fire().is_fire_result()
    assert not TriggerResult.fire().is_skip_result()


def test_what_makes_no_sense() -> None:
    def function() -> TriggerResult:
        return TriggerResult.skip()

    for wrong in (
        lambda: trigger()(function),
        lambda: trigger("w", on="v")(function),
        lambda: trigger("w", poll_interval="soon")(function),
        lambda: trigger("w", poll_interval=0)(function),
        lambda: trigger(function),  # type: ignore[arg-type]
        lambda: trigger("w", name="")(function),
        lambda: trigger(7)(function),  # type: ignore[arg-type]
    ):
        with pytest.raises(ScheduleError):
            wrong()
