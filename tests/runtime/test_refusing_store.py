"""A database that refuses for a while: every path that writes waits for it, and those who wait are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from holdwater import DefaultRunner
from holdwater.errors import HoldwaterError, StoreUnavailable, StoreUnusable
from holdwater.runtime.active_run import ActiveRun
from holdwater.storage.urls import parse_url
from tests.runtime.test_internal_errors import FailingFunction
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

REQUIRED_TABLES = ["runs", "journal", "work"]
"""tables without which no run goes on"""
OPTIONAL_TABLES = ["schedules", "schedule_executions", "workflows"]
"""tables without which runs go on all the same"""


@pytest.fixture
def rename(url: str) -> Callable[[str, str], None]:
    """Renames a table behind the back of those who have the database open."""

    def sqlite(old: str, new: str) -> None:
        doctor = sqlite3.connect(parse_url(url).path or "", isolation_level=None)
        doctor.execute("PRAGMA legacy_alter_table = ON")
        doctor.execute(f"ALTER TABLE {old} RENAME TO {new}")
        doctor.close()

    def postgresql(old: str, new: str) -> None:
        schema = parse_qs(urlsplit(url).query)["options"][0].rpartition("=")[2]
        with psycopg.connect(url.partition("?")[0], autocommit=True) as doctor:
            doctor.execute(f"ALTER TABLE {schema}.{old} RENAME TO {new}")

    return sqlite if url.startswith("sqlite") else postgresql


def wait_for_status(runner: DefaultRunner, run_id: str) -> str:
    """The status at the end, for a caller who asks again as long as the store refuses."""
    while True:  # bounded by the test's time-out
        try:
            return runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status
        except StoreUnavailable:
            continue


@pytest.mark.parametrize("table", REQUIRED_TABLES)
def test_a_run_waits_for_a_missing_table(
    table: str, runner: DefaultRunner, rename: Callable[[str, str], None], define: Define, gate: Gate
) -> None:
    define("held", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    define("ok", ("a", lambda context: None, {}))
    handle = runner.submit("held")
    gate.wait_started()
    rename(table, "away")
    with pytest.raises(StoreUnusable):
        runner.submit("ok")
    gate.open.set()
    with pytest.raises(StoreUnusable):
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    rename("away", table)
    assert wait_for_status(runner, handle.run_id) == "Completed"
    assert [row.status for row in runner.list_runs()] == ["Completed"]  # nothing is parked, nothing begun twice
    assert {t.attempt_count for t in handle.info().task_results} == {1}
    assert runner.execute("ok").status == "Completed"


@pytest.mark.parametrize("table", OPTIONAL_TABLES)
def test_runs_go_on_without_the_tables_of_schedules(
    table: str, runner: DefaultRunner, rename: Callable[[str, str], None], define: Define
) -> None:
    define("ok", ("a", lambda context: None, {}))
    rename(table, "away")
    runner._engine.driver.check_for_work()
    assert runner.execute("ok").status == "Completed"
    rename("away", table)
    assert runner.register_cron_workflow("ok", "0 0 * * *", name="nightly")


def test_a_run_is_parked_as_soon_as_the_store_takes_that(
    runner: DefaultRunner, rename: Callable[[str, str], None], define: Define, gate: Gate
) -> None:
    define("held", ("a", lambda context: gate(), {}))
    define("ok", ("a", lambda context: None, {}))
    handle = runner.submit("held")
    gate.wait_started()
    rename("runs", "away")
    with FailingFunction(
        ActiveRun, "apply_entry", 1, KeyError
    ):  # what the body gave cannot be decided: the run is to be parked
        gate.open.set()
        with pytest.raises(HoldwaterError):
            handle.result(SIGNAL_TIMEOUT_SECONDS)
    rename("away", "runs")
    while handle.status != "Paused":  # bounded by the test's time-out
        poll_pause()
    assert "says the test" in (handle.info().reason or "")
    assert runner.execute("ok").status == "Completed"
    runner.resume(handle.run_id)
    assert wait_for_status(runner, handle.run_id) == "Completed"


def test_a_cancel_waits_for_its_answer_or_is_told(
    runner: DefaultRunner, rename: Callable[[str, str], None], define: Define, gate: Gate
) -> None:
    define("held", ("a", lambda context: gate(), {}))
    handle = runner.submit("held")
    gate.wait_started()
    rename("journal", "away")
    with pytest.raises(StoreUnusable):
        runner.cancel(handle.run_id)
    rename("away", "journal")
    gate.open.set()
    assert wait_for_status(runner, handle.run_id) in ("Cancelled", "Completed")
