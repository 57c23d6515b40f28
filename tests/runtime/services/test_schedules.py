"""Cron schedules of runners, in a time the tests make."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import DefaultRunner
from holdwater.errors import ScheduleError, ScheduleNotFound, WorkflowNotFound
from holdwater.model.schedules import FireRow, Firing
from tests.engine.fake_clock import ContextRecorder, FakeClock, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]
START = "2026-11-21T00:00:00"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock(START)
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


@pytest.fixture
def ran(define: Define) -> ContextRecorder:
    made = ContextRecorder()
    define("w", ("a", made, {}))
    return made


def fire_history(runner: DefaultRunner, schedule_id: str) -> list[tuple[str, str]]:
    rows = runner.get_cron_execution_history(schedule_id)
    return [(row["scheduled_time"][:19], row["status"]) for row in reversed(rows)]


def test_fires_at_its_instants_with_the_context(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "0 2 * * *", "Europe/Berlin", context={"x": 1, "schedule_id": "mine"})
    assert runner.get_cron_schedule(schedule)["next_run_at"] == "2026-11-21T01:00:00.000000Z"
    clock.set("2026-11-21T00:59:59")
    clock.set("2026-11-21T01:00:00")
    ran.wait_for_runs(1)
    clock.set("2026-11-22T01:00:00")
    ran.wait_for_runs(1)
    assert ran.contexts[0] == {
        "x": 1,
        "scheduled_time": "2026-11-21T01:00:00.000000Z",
        "schedule_id": schedule,
        "schedule_timezone": "Europe/Berlin",
        "schedule_expression": "0 2 * * *",
    }
    assert ran.times == ["2026-11-21T01:00:00", "2026-11-22T01:00:00"]
    row = runner.get_cron_schedule(schedule)
    assert (row["last_run_at"], row["next_run_at"]) == ("2026-11-22T01:00:00.000000Z", "2026-11-23T01:00:00.000000Z")


def test_the_fire_and_its_run_are_linked(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "* * * * *")
    clock.set("2026-11-21T00:01:00")
    ran.wait_for_runs(1)
    (fire,) = runner.get_cron_execution_history(schedule, limit=20)
    assert fire["pipeline_execution_id"] == fire["workflow_execution_id"]
    result = runner.handle(fire["pipeline_execution_id"]).result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.workflow_name) == ("Completed", "w")
    (fire,) = runner.get_cron_execution_history(schedule)
    assert (fire["status"], fire["scheduled_time"]) == ("Completed", "2026-11-21T00:01:00.000000Z")
    assert fire["completed_at"] is not None
    assert runner.get_cron_execution_history(schedule, offset=1) == []


DOWN = {
    "hour": ("2026-11-21T01:00:30", 61),
    "day": ("2026-11-22T00:00:30", 1441),
    "year": ("2027-11-21T00:00:30", 525_601),
}


@pytest.mark.parametrize("policy", ["skip", "run_once", "run_all", None])
@pytest.mark.parametrize("down", DOWN)
def test_down_for_a_while(open_runner: Open, ran: ContextRecorder, clock: FakeClock, policy: Any, down: str) -> None:
    first = open_runner()
    schedule = first.register_cron_workflow("w", "* * * * *", catchup_policy=policy)
    first.shutdown()
    until, _ = DOWN[down]
    clock.set(until)
    second = open_runner(cron_max_catchup_executions=10)
    wanted = 10 if policy in (None, "run_all") else 1
    ran.wait_for_runs(wanted)
    wait_until_idle(second)
    assert len(ran.times) == wanted
    assert ran.times[-1] == f"{until[:17]}00"
    skipped, *rest = second.get_cron_execution_history(schedule)[::-1]
    assert skipped["status"] == "Skipped"
    assert skipped["reason"].startswith("2026-11-21T00:01:00.000000Z to ")
    assert len(rest) == wanted


def test_missed_for_longer_than_the_grace(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    first = open_runner()
    schedule = first.register_cron_workflow("w", "0 12 * * *", misfire_grace_seconds=60)
    first.shutdown()
    clock.set("2026-11-21T12:01:00")
    second = open_runner()
    while not (rows := fire_history(second, schedule)):  # bounded by the test's time-out
        poll_pause()
    assert rows == [("2026-11-21T12:00:00", "Skipped")]
    assert ran.times == []
    assert second.get_cron_schedule(schedule)["next_run_at"] == "2026-11-22T12:00:00.000000Z"


def test_the_clock_jumps(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "*/10 * * * *")
    clock.set("2026-11-21T03:05:00")
    ran.wait_for_runs(1)
    for back in ("2026-11-21T01:00:00", "2026-11-21T03:00:00", "2026-11-21T03:09:59", "2020-01-01T00:00:00"):
        clock.set(back)
        wait_until_idle(runner)
    clock.set("2026-11-21T03:10:00")
    ran.wait_for_runs(1)
    wait_until_idle(runner)
    assert ran.times == ["2026-11-21T03:00:00", "2026-11-21T03:10:00"]
    assert fire_history(runner, schedule)[0][1] == "Skipped"


def test_leases_are_kept_after_the_clock_was_set_back(
    open_runner: Open, define: Define, clock: FakeClock, gate: Gate
) -> None:
    define("held", ("a", lambda context: gate(), {}))
    runner = open_runner()
    wait_until_idle(runner)
    clock.set("2026-11-20T12:00:00")
    runner.submit("held")
    gate.wait_started()
    engine = runner._engine
    for _ in range(5):
        clock.advance(11)
        wait_until_idle(runner)
        assert [row.lease_until > clock.now() for row in engine.store.work_of_owner(engine.owner)] == [True]


def test_a_long_run_holds_up_nobody(
    open_runner: Open, define: Define, ran: ContextRecorder, clock: FakeClock, gate: Gate
) -> None:
    define("long", ("a", lambda context: gate(), {}))
    runner = open_runner()
    runner.register_cron_workflow("long", "* * * * *")
    runner.register_cron_workflow("w", "* * * * *")
    clock.set("2026-11-21T00:01:00")
    gate.wait_started()
    ran.wait_for_runs(1)
    clock.set("2026-11-21T00:02:00")
    gate.wait_started()
    ran.wait_for_runs(1)


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_overlap(open_runner: Open, define: Define, clock: FakeClock, gate: Gate, overlap: Any) -> None:
    ran = ContextRecorder()

    def body(context: Any) -> None:
        if not ran.contexts:
            gate()
        ran(context)

    define("w", ("a", body, {}))
    runner, other = open_runner(lease_seconds=1e6), open_runner(lease_seconds=1e6)  # a jump costs nobody his work
    schedule = runner.register_cron_workflow("w", "* * * * *", overlap=overlap)
    clock.set("2026-11-21T00:01:00")
    gate.wait_started()
    for minute in (2, 3):
        clock.set(f"2026-11-21T00:0{minute}:00")
        while len(fire_history(runner, schedule)) < minute:  # bounded by the test's time-out
            poll_pause()
    wait_until_idle(other)
    waits = "Skipped" if overlap == "skip" else "Queued"
    assert fire_history(runner, schedule) == [
        ("2026-11-21T00:01:00", "Running"), ("2026-11-21T00:02:00", waits), ("2026-11-21T00:03:00", waits),
    ]  # fmt: skip
    assert "not finished" in runner.get_cron_execution_history(schedule, limit=1)[0]["reason"]
    gate.open.set()
    ran.wait_for_runs(3 if overlap == "queue" else 1)
    wanted = ["2026-11-21T00:01:00", "2026-11-21T00:02:00", "2026-11-21T00:03:00"]
    assert ran.times == (wanted if overlap == "queue" else wanted[:1])
    assert [c["scheduled_time"][:19] for c in ran.contexts] == ran.times  # one after the other


def test_a_queue_survives_its_runner(open_runner: Open, define: Define, clock: FakeClock, gate: Gate) -> None:
    ran = ContextRecorder()

    def body(context: Any) -> None:
        gate()
        ran(context)

    define("w", ("a", body, {}))
    first = open_runner(shutdown_timeout_seconds=0)
    schedule = first.register_cron_workflow("w", "* * * * *", overlap="queue")
    clock.set("2026-11-21T00:01:00")
    gate.wait_started()
    clock.set("2026-11-21T00:02:00")
    while len(fire_history(first, schedule)) < 2:  # bounded by the test's time-out
        poll_pause()
    gate.open.set()
    ran.wait_for_runs(2)
    first.shutdown()
    assert ran.times == ["2026-11-21T00:01:00", "2026-11-21T00:02:00"]


@pytest.mark.parametrize("by", ["runner", "a process that died in between"])
def test_a_disabled_schedule_gives_up_its_queue(
    open_runner: Open, define: Define, clock: FakeClock, gate: Gate, by: str
) -> None:
    ran = ContextRecorder()

    def body(context: Any) -> None:
        gate()
        ran(context)

    define("w", ("a", body, {}))
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "* * * * *", overlap="queue")
    clock.set("2026-11-21T00:01:00")
    gate.wait_started()
    for minute in (2, 3):
        clock.set(f"2026-11-21T00:0{minute}:00")
        while len(fire_history(runner, schedule)) < minute:  # bounded by the test's time-out
            poll_pause()
    if by == "runner":
        runner.set_cron_schedule_enabled(schedule, False)
    else:
        store = runner._engine.store
        row = store.get_schedule(schedule)
        assert row is not None
        assert store.put_schedule(replace(row, enabled=False))
    runner.set_cron_schedule_enabled(schedule, True)
    gate.open.set()
    ran.wait_for_runs(1)
    wait_until_idle(runner)
    assert ran.times == ["2026-11-21T00:01:00"]
    assert [state for _, state in fire_history(runner, schedule)] == ["Completed", "Skipped", "Skipped"]
    reasons = {fire["error_message"] or fire.get("reason") for fire in runner.get_cron_execution_history(schedule)[:2]}
    assert "disabled while this waited" in str(reasons)
    clock.set("2026-11-21T00:04:00")
    ran.wait_for_runs(1)
    assert ran.times[-1] == "2026-11-21T00:04:00", "it goes on with later instants"


def test_taken_up_by_somebody_else_meanwhile(
    open_runner: Open, ran: ContextRecorder, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "0 0 1 1 *", overlap="queue")
    store = runner._engine.store
    real, taken = store.startable_fires, threading.Event()

    def late(*names: Any, **limits: Any) -> list[FireRow]:
        rows = real(*names, **limits)
        if rows and not taken.is_set():  # another runner is faster, just after it was looked up here
            row = store.get_schedule(schedule)
            assert row is not None
            assert store.commit_firings([Firing(row, [], [replace(rows[0], state="skipped", reason="elsewhere")])]) == [
                True
            ]
            taken.set()
        return rows

    monkeypatch.setattr(store, "startable_fires", late)
    runner.run_schedule_now(schedule)
    assert taken.wait(SIGNAL_TIMEOUT_SECONDS)
    wait_until_idle(runner)
    assert fire_history(runner, schedule) == [("2026-11-21T00:00:00", "Skipped")]
    assert ran.contexts == []


def test_an_unknown_workflow_is_left_alone_until_somebody_knows_it(
    open_runner: Open, define: Define, clock: FakeClock
) -> None:
    runner = open_runner()
    with pytest.raises(WorkflowNotFound, match="later"):
        runner.register_cron_workflow("later", "* * * * *")
    schedule = runner.register_cron_workflow("later", "* * * * *", allow_unknown=True)
    clock.set("2026-11-21T00:01:00")
    wait_until_idle(runner)
    assert fire_history(runner, schedule) == []
    ran = ContextRecorder()
    define("later", ("a", ran, {}))
    ran.wait_for_runs(1)
    assert ran.times == ["2026-11-21T00:01:00"]


def test_a_context_that_cannot_be_used_is_tried_again_and_given_up(
    open_runner: Open, ran: ContextRecorder, clock: FakeClock
) -> None:
    runner = open_runner(cron_max_recovery_attempts=2)
    schedule = runner.register_cron_workflow("w", "0 0 1 * *", context={"x": 1})
    store = runner._engine.store
    row = store.get_schedule(schedule)
    assert row is not None
    row.inputs = '{"x":{"$t":"enum","c":"nowhere:Colour","v":"RED"}}'
    assert store.put_schedule(row)
    clock.set("2026-12-01T00:00:00")
    for attempts in (1, 2, 2):
        wait_until_idle(runner)
        (fire,) = runner.get_cron_execution_history(schedule)
        assert (fire["status"], fire["attempts"]) == ("Failed", attempts)
        assert "nowhere:Colour" in fire["reason"]
        clock.advance(600)
    stats = runner.get_cron_execution_stats("2026-11-21T00:00:00Z")
    assert stats == {
        "total_executions": 1, "successful_executions": 0, "lost_executions": 1, "success_rate": 1.0
    }  # fmt: skip


def test_a_changed_schedule_wakes_every_runner(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    open_runner()
    other = open_runner(enable_cron_scheduling=False)
    schedule = other.register_cron_workflow("w", "0 0 1 1 *")
    other.update_cron_schedule(schedule, "0 0 * * *", "UTC")
    clock.set("2026-11-22T00:00:00")
    ran.wait_for_runs(1)
    assert ran.times == ["2026-11-22T00:00:00"]


def test_disabled_means_disabled(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "* * * * *", catchup_policy="run_all")
    runner.set_cron_schedule_enabled(schedule, False)
    clock.set("2026-11-21T01:00:00")
    wait_until_idle(runner)
    assert runner.get_cron_schedule(schedule)["next_run_at"] is None
    assert runner.list_cron_schedules(enabled_only=True) == []
    runner.set_cron_schedule_enabled(schedule, True)
    assert runner.get_cron_schedule(schedule)["next_run_at"] == "2026-11-21T01:01:00.000000Z"
    clock.set("2026-11-21T01:01:00")
    ran.wait_for_runs(1)
    assert ran.times == ["2026-11-21T01:01:00"]
    runner.delete_cron_schedule(schedule)
    clock.set("2026-11-21T01:02:00")
    wait_until_idle(runner)
    assert len(ran.times) == 1
    for call in (runner.get_cron_schedule, runner.delete_cron_schedule, runner.get_cron_execution_history):
        with pytest.raises(ScheduleNotFound):
            call(schedule)


def test_one_name_one_schedule(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    first = open_runner()
    schedule = first.register_cron_workflow("w", "* * * * *", name="mine", catchup_policy="run_all")
    first.shutdown()
    clock.set("2026-11-21T00:03:00")
    second = open_runner(enable_cron_scheduling=False)
    assert second.register_cron_workflow("w", "* * * * *", name="mine", catchup_policy="run_all") == schedule
    third = open_runner()  # what was missed is still due
    ran.wait_for_runs(3)
    assert third.register_cron_workflow("w", "0 * * * *", name="mine") == schedule
    (row,) = third.list_cron_schedules()
    assert (row["cron_expression"], row["next_run_at"]) == ("0 * * * *", "2026-11-21T01:00:00.000000Z")


def test_a_window(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow(
        "w", "0 * * * *", start="2026-11-21T02:00:00Z", end="2026-11-21T04:00:00Z", catchup_policy="run_all"
    )
    assert runner.get_cron_schedule(schedule)["next_run_at"] == "2026-11-21T02:00:00.000000Z"
    clock.set("2026-11-22T00:00:00")
    ran.wait_for_runs(2)
    wait_until_idle(runner)
    assert ran.times == ["2026-11-21T02:00:00", "2026-11-21T03:00:00"]
    assert runner.get_cron_schedule(schedule)["next_run_at"] is None


def test_jitter_is_the_same_for_everybody(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "0 * * * *", jitter_seconds=600)
    row = runner._engine.store.get_schedule(schedule)
    assert row is not None
    assert row.next_at is not None
    assert "2026-11-21T01:00:00" < runner.get_cron_schedule(schedule)["next_run_at"] < "2026-11-21T01:10:00"
    clock.set(row.next_at - 1)
    clock.set(row.next_at)
    ran.wait_for_runs(1)
    assert ran.times == ["2026-11-21T01:00:00"]


def test_now_besides_its_instants(open_runner: Open, ran: ContextRecorder, clock: FakeClock) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "0 0 1 1 *", overlap="queue")
    runner.set_cron_schedule_enabled(schedule, False)
    runner.run_schedule_now(schedule)
    ran.wait_for_runs(1)
    assert ran.times == [START]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cron_expression": "invalid cron"}, "field"),
        ({"cron_expression": "0 0 31 2 *"}, "never fires"),
        ({"timezone": "utc"}, "UTC"),
        ({"catchup_policy": "later"}, "catchup"),
        ({"overlap": "maybe"}, "overlap"),
        ({"jitter_seconds": -1}, "jitter_seconds"),
        ({"misfire_grace_seconds": "1"}, "misfire_grace_seconds"),
        ({"misfire_grace_seconds": 0}, "misfire_grace_seconds"),
        ({"start": "tomorrow"}, "Invalid datetime format"),
        ({"end": "2020-01-01"}, "not fire any more"),
        ({"name": " "}, "name"),
        ({"context": {"x": object()}}, "x"),
    ],
)
def test_what_makes_no_sense(open_runner: Open, ran: ContextRecorder, given: dict[str, Any], says: str) -> None:
    runner = open_runner()
    with pytest.raises(ValueError, match=says):
        runner.register_cron_workflow(**{"workflow_name": "w", "cron_expression": "* * * * *", **given})
    assert runner.list_cron_schedules() == []


def test_errors_of_the_other_methods(open_runner: Open, ran: ContextRecorder) -> None:
    runner = open_runner()
    schedule = runner.register_cron_workflow("w", "* * * * *")
    unknown = "00000000-0000-0000-0000-000000000000"
    for call in (
        lambda: runner.update_cron_schedule(unknown, "* * * * *", "UTC"),
        lambda: runner.set_cron_schedule_enabled(unknown, True),
        lambda: runner.delete_cron_schedule(unknown),
        lambda: runner.get_cron_schedule(unknown),
        lambda: runner.run_schedule_now(unknown),
    ):
        with pytest.raises(ScheduleNotFound, match=unknown):
            call()
    with pytest.raises(ScheduleNotFound, match="Invalid schedule ID"):
        runner.get_cron_schedule("7")
    for wrong in (
        lambda: runner.update_cron_schedule(schedule, "* *", "UTC"),
        lambda: runner.list_cron_schedules(limit=-1),
        lambda: runner.get_cron_execution_stats("long ago"),
        lambda: runner.set_cron_schedule_enabled(schedule, "yes"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ScheduleError):
            wrong()
