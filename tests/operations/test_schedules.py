"""Schedules as functions on a database: written, changed and read back, in memory and in a file."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater import DefaultRunner, WorkflowBuilder, task
from holdwater.errors import EncodingError, ScheduleError, ScheduleNotFound, WorkflowNotFound
from holdwater.model.time import Micros, from_rfc3339
from holdwater.operations import schedule_queries as queries
from holdwater.operations import schedules
from holdwater.operations.databases import Database, open_for_writing
from holdwater.runs.reader import RunReader
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.config import ScheduleConfig
from holdwater.storage.memory.store import MemoryStore
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

UNKNOWN = "01a1fc1d-0000-7000-8000-000000000000"


@pytest.fixture(params=["memory", "sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        with open_for_writing(f"sqlite:///{tmp_path}/runs.db", create=True) as opened:
            yield opened
        return
    store, clock = MemoryStore(), SystemClock()
    yield Database(store, clock, RunReader(store, clock))
    store.close()


def add(database: Database, name: str | None = None, expression: str = "0 3 * * *") -> str:
    return schedules.register_cron(database, "report", expression, "Europe/Berlin", name=name, is_known=True)


def test_what_is_written_is_read(database: Database) -> None:
    schedule_id = schedules.register_cron(
        database, "report", "0 3 * * *", "Europe/Berlin", context={"a": 1}, name="nightly", catchup_policy="run_once",
        overlap="skip", jitter_seconds=2.5, start="2126-01-01T00:00:00Z", end="2127-01-01T00:00:00Z",
        misfire_grace_seconds=60, is_known=True,
    )  # fmt: skip
    found = queries.get_schedule(database, schedule_id)
    assert (found.kind, found.name, found.workflow, found.enabled) == ("cron", "nightly", "report", True)
    assert (found.expression, found.timezone, found.inputs) == ("0 3 * * *", "Europe/Berlin", '{"a":1}')
    assert (found.catchup, found.overlap) == ("run_once", "skip")
    assert (found.jitter_us, found.misfire_grace_us) == (2_500_000, 60_000_000)
    assert found.start_at == from_rfc3339("2126-01-01T00:00:00Z")
    assert found.next_at is not None
    assert from_rfc3339("2126-01-01T02:00:00Z") <= found.next_at <= from_rfc3339("2126-01-01T02:00:03Z")
    assert (found.last_at, found.last_error) == (None, None)
    assert queries.find_schedule(database, "nightly") == queries.find_schedule(database, schedule_id[:8]) == found
    assert queries.list_schedules(database) == queries.list_schedules(database, "cron") == (found,)
    assert queries.list_schedules(database, "trigger") == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.enabled = False  # type: ignore[misc]


def test_the_runner_says_what_a_schedule_leaves_open(database: Database) -> None:
    schedule_id = add(database)
    assert queries.get_schedule(database, schedule_id).catchup == "skip"
    config = ScheduleConfig(catch_up_by_default=True)
    assert queries.get_schedule(database, schedule_id, config=config).catchup == "run_all"


def test_a_name_is_there_once(database: Database) -> None:
    first = add(database, "nightly")
    before = queries.get_schedule(database, first)
    assert add(database, "nightly") == first
    assert queries.get_schedule(database, first) == before
    assert add(database, "nightly", "30 4 * * *") == first
    changed = queries.get_schedule(database, first)
    assert (changed.expression, changed.created_at) == ("30 4 * * *", before.created_at)
    assert changed.next_at != before.next_at
    assert add(database) != add(database)


def test_changes(database: Database) -> None:
    schedule_id = add(database, "nightly")
    schedules.change_timing(database, schedule_id, "0 5 * * *", "UTC")
    changed = queries.get_schedule(database, schedule_id)
    assert (changed.expression, changed.timezone) == ("0 5 * * *", "UTC")
    schedules.set_schedule_enabled(database, schedule_id, False)
    stopped = queries.get_schedule(database, schedule_id)
    assert (stopped.enabled, stopped.next_at) == (False, None)
    assert queries.list_schedules(database, enabled_only=True) == ()
    schedules.set_schedule_enabled(database, schedule_id, True)
    assert queries.get_schedule(database, schedule_id).next_at == changed.next_at
    schedules.delete_schedule(database, schedule_id)
    with pytest.raises(ScheduleNotFound):
        queries.get_schedule(database, schedule_id)


def test_a_run_that_is_requested(database: Database) -> None:
    schedule_id = add(database)
    for _ in range(3):
        schedules.request_run_now(database, schedule_id)
    fires = queries.list_fires(database, schedule_id)
    assert [fire.state for fire in fires] == ["requested"] * 3
    assert len({fire.scheduled_at for fire in fires}) == 3
    assert [(fire.run_id, fire.run_status, fire.error) for fire in fires] == [(None, None, None)] * 3
    assert queries.list_fires(database, schedule_id, limit=1, offset=1) == fires[1:2]
    stats = queries.count_fires(database, "2020-01-01T00:00:00Z")
    assert (stats.total, stats.completed, stats.finished, stats.lost, stats.success_rate) == (3, 0, 0, 0, 1.0)


def test_what_cannot_be(database: Database) -> None:
    with pytest.raises(WorkflowNotFound, match="no workflow named 'report'"):
        schedules.register_cron(database, "report", "* * * * *")
    for arguments in (
        {"expression": "x"}, {"timezone": "Nowhere/Else"}, {"jitter_seconds": -1}, {"start": "soon"},
        {"misfire_grace_seconds": float("nan")}, {"end": "2020-01-01T00:00:00Z"}, {"name": ""}, {"workflow": ""},
    ):  # fmt: skip
        given = {"workflow": "report", "expression": "* * * * *", "is_known": True, **arguments}
        with pytest.raises(ScheduleError):
            schedules.register_cron(database, **given)  # type: ignore[arg-type]
    with pytest.raises(EncodingError):
        schedules.register_cron(database, "report", "* * * * *", context={"a": object()}, is_known=True)
    assert queries.list_schedules(database) == ()
    for call in (
        lambda: queries.get_schedule(database, UNKNOWN),
        lambda: queries.get_schedule(database, "nightly"),
        lambda: queries.find_schedule(database, "nightly"),
        lambda: queries.get_trigger(database, "inbox"),
        lambda: schedules.change_timing(database, UNKNOWN, "* * * * *", "UTC"),
        lambda: schedules.set_schedule_enabled(database, UNKNOWN, True),
        lambda: schedules.set_trigger_enabled(database, "inbox", False),
        lambda: schedules.delete_schedule(database, UNKNOWN),
        lambda: schedules.request_run_now(database, UNKNOWN),
    ):
        with pytest.raises(ScheduleNotFound):
            call()


def test_references_and_pages_that_cannot_be(database: Database) -> None:
    schedule_id = add(database)
    while not (others := [one.id for one in queries.list_schedules(database) if one.id[0] == schedule_id[0]])[1:]:
        add(database)
    with pytest.raises(ScheduleError, match="several schedules begin with"):
        queries.find_schedule(database, others[0][0])
    with pytest.raises(ScheduleError):
        schedules.set_schedule_enabled(database, schedule_id, "no")  # type: ignore[arg-type]
    for page in ({"limit": -1}, {"offset": True}):
        with pytest.raises(ScheduleError):
            queries.list_schedules(database, **page)
        with pytest.raises(ScheduleError):
            queries.list_fires(database, schedule_id, **page)
    with pytest.raises(ScheduleError, match="is not a datetime"):
        queries.count_fires(database, "soon")
    assert queries.parse_instant("1970-01-01T00:00:01Z") == Micros(1_000_000)


def test_the_runner_of_a_database_hears_of_schedules_that_are_written_through_it(tmp_path: Path) -> None:
    """Without a call of the runner, as the web UI and packages do it; a notification goes to other processes alone."""
    ran = threading.Event()
    with WorkflowBuilder("ticking"):
        task(id="tick")(lambda context: ran.set())
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as runner:
        database = Database.of(runner._engine)
        runner.announce()
        schedule_id = schedules.register_cron(database, "ticking", "* * * * * *")
        assert ran.wait(SIGNAL_TIMEOUT_SECONDS)
        schedules.set_schedule_enabled(database, schedule_id, False)
        ran.clear()
        schedules.request_run_now(database, schedule_id)
        assert ran.wait(SIGNAL_TIMEOUT_SECONDS)
