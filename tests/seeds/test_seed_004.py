"""Seed 004: its components by their names, wired as drawn, in the modes of its table; the API server is in
`test_seed_004_server.py`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, DefaultRunnerConfig, TriggerResult, trigger
from holdwater.daemon.main import Daemon
from holdwater.errors import ConfigError
from holdwater.executors import Router, ThreadExecutor
from holdwater.runners.tasks.components import ComponentInfo
from holdwater.service.settings import DaemonSettings
from tests.engine.fake_clock import ContextRecorder, FakeClock, wait_until_idle
from tests.seeds.agreement import rows_of_table
from tests.seeds.documents import DOCS
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate, assert_no_new_threads, define, gate, url
from tests.suite.runners import open_runner as open_runner
from tests.suite.waiting import poll_pause

__all__ = ["define", "gate", "open_runner", "url"]

Open = Callable[..., DefaultRunner]
PAGE = Path(__file__).parents[2] / "docs" / "internals" / "components.md"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock("2026-11-21T00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


def components(runner: DefaultRunner) -> dict[str, ComponentInfo]:
    return {one.name: one for one in runner.components()}


def wait_until(condition: Callable[[], Any]) -> None:
    while not condition():  # bounded by the test's time-out
        poll_pause()


# -- 004-12: the drawing


ARROWS = {
    ("DefaultRunner", "TaskScheduler"),
    ("DefaultRunner", "Scheduler"),
    ("DefaultRunner", "DefaultDispatcher"),
    ("DefaultRunner", "RegistryReconciler"),
    ("TaskScheduler", "DefaultDispatcher"),
    ("DefaultDispatcher", "Router"),
    ("DefaultDispatcher", "ThreadTaskExecutor"),
    ("Scheduler", "DefaultRunner"),
    ("RegistryReconciler", "WorkflowRegistry"),
    ("WorkflowRegistry", "DAL"),
    ("TaskScheduler", "DAL"),
    ("StaleClaimSweeper", "DAL"),
    ("Scheduler", "DAL"),
}
"""those of the seed; but for Router -> DefaultDispatcher, which is an answer, and DAL -> Database"""
OURS = {
    ("ThreadTaskExecutor", "TaskScheduler"),  # which writes what it made, in place of ThreadTaskExecutor -> DAL
    ("CronRecoveryService", "DefaultRunner"),
    ("CronRecoveryService", "DAL"),
    ("PackageWatcher", "RegistryReconciler"),
    ("RegistryReconciler", "DefaultRunner"),
}


def test_004_12_a_runner_says_it_is_wired_as_drawn(open_runner: Open) -> None:
    assert {(one.name, other) for one in open_runner().components() for other in one.uses} == ARROWS | OURS


def test_004_12_every_component_is_a_class_of_ours(open_runner: Open) -> None:
    runner = open_runner(routing=Router())
    for one in runner.components():
        for name in one.implementation:
            module, _, kind = name.rpartition(".")
            assert isinstance(getattr(__import__(module, fromlist=[kind]), kind), type), one
        assert one.implementation or not one.is_active, one


def test_004_12_wired_as_drawn(open_runner: Open) -> None:
    """The parts behind the names hold each other."""
    router = Router()
    runner = open_runner(routing=router)
    engine = runner._engine
    driver, store = engine.driver, engine.store
    services, dispatcher = driver.services, driver.dispatcher
    assert driver._store is store
    assert services.scheduler._store is store
    assert services.triggers._store is store
    assert services.recovery._store is store
    assert services.scheduler._writer._commits is driver._core.commits
    assert driver._core.work._dispatcher is dispatcher
    assert dispatcher._router is router
    (executor,) = dispatcher.executors.values()
    assert executor._on_attempt_ended == driver._core._on_attempt_done


# -- 004-14: the router


def test_004_14_the_first_rule_that_matches_else_the_default(open_runner: Open, define: Define) -> None:
    runner = open_runner(
        executors={name: ThreadExecutor(1) for name in ("big", "small", "rest")},
        routing=Router(
            [("public::embedded::heavy::*", "big"), ("**::h*", "small"), ("**::heavy::*", "small")], default="rest"
        ),
    )
    for workflow in ("heavy", "light"):
        define(workflow, *[(name, lambda context: None, {}) for name in ("hash", "zip")])
        assert runner.execute(workflow).status == "Completed"
    executed = {name: metrics.total_executed for name, metrics in runner.executor_metrics().items()}
    assert executed == {"default": 0, "big": 2, "small": 1, "rest": 1}


def test_004_14_a_pattern_of_too_few_parts_says_what_to_write() -> None:
    with pytest.raises(ConfigError) as refused:
        Router([("heavy::*", "big")])
    assert "'**::*' matches" in refused.value.hint


# -- 004-16: the saga of a schedule


def test_004_16_two_schedulers_fire_an_instant_once(open_runner: Open, define: Define, clock: FakeClock) -> None:
    ran = ContextRecorder()
    define("nightly", ("only", ran, {}))
    runners = [open_runner(), open_runner()]
    schedule = runners[0].register_cron_workflow("nightly", "* * * * *")
    for minute in (1, 2, 3):
        clock.set(f"2026-11-21T00:0{minute}:00")
        ran.wait_for_runs(1)
        for runner in runners:
            wait_until_idle(runner)
    fires = runners[1].get_cron_execution_history(schedule)
    assert [fire["scheduled_time"][:19] for fire in reversed(fires)] == ran.times
    runs = {run.run_id: run for run in runners[0].list_runs()}
    assert {fire["workflow_execution_id"] for fire in fires} == set(runs)
    assert len(fires) == len(runs) == 3


def test_004_16_equal_contexts_of_a_trigger_wait_for_each_other(
    open_runner: Open, define: Define, clock: FakeClock, gate: Gate
) -> None:
    asked: dict[str, int] = {"quick": 0, "slow": 0}

    @trigger("import", name="quick", poll_interval=1)
    def quick() -> TriggerResult:
        asked["quick"] += 1
        return TriggerResult.fire(Context({"file": "a.csv"}))

    @trigger("import", name="slow", poll_interval=10)
    def slow() -> TriggerResult:
        asked["slow"] += 1
        return TriggerResult.skip()

    define("import", ("read", lambda context: gate(), {}))
    runner = open_runner(lease_seconds=1e6)
    polling = runner._engine.driver.services.triggers
    for n in (1, 2, 3):
        wait_until(lambda: asked["quick"] == n and not polling._in_flight)  # noqa: B023
        clock.advance(1)
    assert len(runner.get_trigger_execution_history("quick")) == 1
    assert asked["slow"] == 1  # its own interval is not over
    gate.open.set()
    wait_until(lambda: runner.list_runs()[0].status == "Completed")
    clock.advance(1)
    wait_until(lambda: len(runner.get_trigger_execution_history("quick")) == 2)


# -- 004-17: components by mode

CHOICES: dict[str, dict[str, Any]] = {
    "Yes": {},
    "cron": {"enable_trigger_scheduling": False},
    "triggers": {"enable_cron_scheduling": False},
    "no schedules": {"enable_cron_scheduling": False, "enable_trigger_scheduling": False},
    "no recovery of fires": {"cron_enable_recovery": False},
    "no claiming": {"enable_claiming": False},
    "own runs": {"own_runs_only": True},
    "routing": {"routing": Router()},
    "packages": {"registry_storage_path": "packages"},
}
ALWAYS = {"DefaultRunner", "TaskScheduler", "DefaultDispatcher", "ThreadTaskExecutor", "DAL"}
OPTIONAL = {"Scheduler", "CronRecoveryService", "StaleClaimSweeper"}
ACTIVE = {
    "Yes": OPTIONAL,
    "cron": OPTIONAL,
    "triggers": {"Scheduler", "StaleClaimSweeper"},
    "no schedules": {"StaleClaimSweeper"},
    "no recovery of fires": {"Scheduler", "StaleClaimSweeper"},
    "no claiming": {"Scheduler", "CronRecoveryService"},
    "own runs": {"StaleClaimSweeper"},
    "routing": OPTIONAL | {"Router"},
    "packages": OPTIONAL | {"WorkflowRegistry", "RegistryReconciler"},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_004_17_flags_decide(choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with DefaultRunner("memory://", config=DefaultRunnerConfig(**CHOICES[choice])) as runner:
        found = runner.components()
        assert {one.name for one in found if one.is_active} == ALWAYS | ACTIVE[choice]
        for one in found:
            if one.name in OPTIONAL - ACTIVE[choice]:  # the reason names the option that decides
                assert any(option in one.reason for option in CHOICES[choice]), one
    assert not any(one.is_active for one in runner.components())
    assert {one.reason for one in runner.components()} == {
        "this runner was shut down; its unfinished runs go on with the next one"
    }


def test_004_17_a_daemon(tmp_path: Path) -> None:
    """The column of the daemon: what a real one says of itself."""
    ours = {row[0].strip("`"): row[2] for row in rows_of_table(PAGE.read_text(encoding="utf-8"), "Component")}
    with assert_no_new_threads():
        daemon = Daemon(tmp_path, DaemonSettings())
        daemon.start()
        found = {one.name: one for one in daemon.components()}
        daemon.stop()
    for name, one in found.items():
        assert one.is_active == (ours[name] != "No"), one
    assert "FilesystemWorkflowRegistry" in str(found["WorkflowRegistry"].implementation)
    assert "SQLiteStore" in str(found["DAL"].implementation)
    assert not any(one.is_active for one in daemon.components())


def test_004_17_the_table_of_our_page_is_that_of_the_seed() -> None:
    """Every row of the seed's table is on the page, and the column of the library says the same."""
    found = sorted(DOCS.glob("004_*.txt")) if DOCS.is_dir() else []
    if not found:
        pytest.skip(f"the seed documents are not in {DOCS}")
    theirs = {row[0]: row[1] for row in rows_of_table(found[0].read_text(encoding="utf-8"), "Component")}
    ours = {row[0].strip("`"): row[1] for row in rows_of_table(PAGE.read_text(encoding="utf-8"), "Component")}
    theirs["Scheduler"] = theirs.pop("Unified Scheduler")
    theirs["HTTP server"] = theirs.pop("HTTP Server (axum)")
    theirs["Auth middleware"] = theirs.pop("Auth Middleware")
    theirs["Database backend"] = theirs.pop("Database Backend")
    assert {name: ours[name].partition(":")[0] for name in theirs} == {
        **theirs,
        "Database backend": "SQLite, PostgreSQL",
    }


def test_004_17_the_page_says_what_a_runner_says(open_runner: Open) -> None:
    """`Yes` is always at work, `Optional` and `When ...` by the options of the row, `No` never."""
    ours = {row[0].strip("`"): row[1] for row in rows_of_table(PAGE.read_text(encoding="utf-8"), "Component")}
    by_name = {
        name: {choice: name in ALWAYS | ACTIVE[choice] for choice in CHOICES} for name in components(open_runner())
    }
    for name, seen in by_name.items():
        word = ours[name].partition(" ")[0].strip(":")
        if word == "Yes":
            assert all(seen.values()), name
        elif word == "No":
            assert not any(seen.values()), name
        else:
            assert word in ("Optional", "When")
            assert len(set(seen.values())) == 2, name


# -- 004-18: services, and their end


def open_files() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


@pytest.fixture
def open_busy(define: Define) -> Callable[[str], DefaultRunner]:
    """Opens a runner with everything there is at work: cron, a trigger, a function, a coroutine."""

    @trigger("work", name="due", poll_interval=3600)
    def due() -> TriggerResult:
        return TriggerResult.fire()

    async def coroutine(context: Context) -> None:
        context["async"] = True

    define("work", ("function", lambda context: None, {}), ("coroutine", coroutine, {}))

    def open_(url: str) -> DefaultRunner:
        runner = DefaultRunner(url, config=DefaultRunnerConfig(executors={"other": ThreadExecutor(2)}))
        runner.register_cron_workflow("work", "* * * * * *")
        wait_until(lambda: len(runner.list_runs(status="Completed")) >= 2)
        runner.announce()
        assert components(runner)["Scheduler"].is_active
        return runner

    return open_


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are listed by /proc")
def test_004_18_a_shutdown_leaves_no_thread_and_no_connection(
    url: str, open_busy: Callable[[str], DefaultRunner]
) -> None:
    open_busy(url).shutdown()  # leaves the process's one child that renews leases, with its pipe
    with assert_no_new_threads():
        files = open_files()
        runner = open_busy(url)
        assert {thread.name for thread in threading.enumerate()} >= {"holdwater-driver", "holdwater-heartbeat"}
        assert open_files() > files
        runner.shutdown()
    assert {file.partition(" ")[2] for file in open_files() - files} == set()
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            others = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdwater%'"
            wait_until(lambda: connection.execute(others).fetchone() == (0,))


def test_004_18_a_shutdown_waits_for_what_runs(open_runner: Open, define: Define, gate: Gate) -> None:
    define("slow", ("body", lambda context: gate(), {}))
    runner = open_runner(shutdown_timeout_seconds=SIGNAL_TIMEOUT_SECONDS)
    run = runner.submit("slow")
    gate.wait_started()
    ended = threading.Event()

    def shut_down() -> None:
        runner.shutdown()
        ended.set()

    threading.Thread(target=shut_down).start()
    wait_until(lambda: not components(runner)["TaskScheduler"].is_active)
    assert not ended.is_set()
    gate.open.set()
    assert ended.wait(SIGNAL_TIMEOUT_SECONDS)
    with DefaultRunner(runner.database_url) as following:
        assert following.get_run(run.run_id).status == "Completed"


# -- the options of its claims


def test_claiming_off_leaves_the_work_of_others_alone(open_runner: Open, define: Define, gate: Gate) -> None:
    define("slow", ("body", lambda context: gate(), {}))
    alone = open_runner(enable_claiming=False, max_concurrent_tasks=1)
    other = open_runner(enable_claiming=False, max_concurrent_tasks=1)
    runs = [other.submit("slow") for _ in range(3)]
    gate.wait_started()
    alone._engine.driver.check_for_work()
    wait_until_idle(alone)
    assert {alone.activity(run.run_id).pid for run in runs[:1]} == {os.getpid()}
    assert not alone._engine.driver.active_runs
    gate.open.set()
    assert [run.result(SIGNAL_TIMEOUT_SECONDS).status for run in runs] == ["Completed"] * 3


@pytest.mark.parametrize(
    ("options", "lease", "pause"),
    [
        ({}, 30.0, 10.0),
        ({"stale_claim_threshold": 60}, 60, 20.0),
        ({"stale_claim_threshold": 60, "heartbeat_interval": 5}, 60, 5.0),
        ({"lease_seconds": 3, "heartbeat_interval": 1}, 3, 1.0),
    ],
)
def test_heartbeats_fit_into_a_lease(options: dict[str, Any], lease: float, pause: float) -> None:
    config = DefaultRunnerConfig(**options)
    assert config.lease_seconds == config.stale_claim_threshold == lease
    with DefaultRunner("memory://", config=config) as runner:
        leases = runner._engine.driver.services.leases
        assert (leases._lease_us, leases._renew_interval_us) == (lease * 1e6, pause * 1e6)


def test_a_lease_below_three_heartbeats_is_refused() -> None:
    config = DefaultRunnerConfig(heartbeat_interval=10, stale_claim_threshold=29.9)
    with pytest.raises(ConfigError, match="less than three heartbeats") as refused:
        DefaultRunner("memory://", config=config)
    assert "a lease of 30 s or more" in refused.value.hint


def test_names_of_a_runner(open_runner: Open) -> None:
    runner = open_runner(runner_id="blue-1")
    assert runner._engine.owner.split(".")[-1].startswith("blue-1-")
    runner.announce()
    (row,) = runner._engine.store.list_runners()
    assert (row.name, row.owner) == ("blue-1", runner._engine.owner)
    named = open_runner(runner_id="blue-1", runner_name="blue")
    assert named._engine.owner != runner._engine.owner


@pytest.mark.parametrize("runner_id", ["", "a.b", "a/b", "ä", "x" * 65, 7])
def test_ids_that_cannot_stand_in_a_lease(runner_id: Any) -> None:
    with pytest.raises(ConfigError, match="runner_id"):
        DefaultRunnerConfig(runner_id=runner_id)
