"""Seed 000: every example, from the seed's own text.

Two things are put in the place of what the page assumes: `import cloaca` finds Holdwater, and database URLs of other
people's machines are exchanged for a file of the test, or a PostgreSQL database of its own where tenants need one.
"""

from __future__ import annotations

import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

import holdwater
from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.errors import RunnerClosed, StoreUnavailable
from holdwater.model.time import Micros
from holdwater.schedules import Cron
from tests.postgres.cluster import Cluster
from tests.seeds.documents import DOCS, blocks
from tests.suite.waiting import poll_pause

Example = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Example]:
    monkeypatch.setitem(sys.modules, "cloaca", holdwater)
    monkeypatch.chdir(tmp_path)
    for name in ("my_workflow", "workflow", "worker_workflow", "daily_report"):
        with WorkflowBuilder(name):

            @task(id="copy")
            def copy(context: Context) -> Context:
                for key in list(context):
                    context[f"{key}_copy"] = context[key]
                return context

    made: list[DefaultRunner] = []

    def example(number: int, *, until: str = "", url: str = "sqlite:///app.db", **given: Any) -> dict[str, Any]:
        text = blocks("000")[number - 1]
        if until:
            assert until in text
            text = text[: text.index(until)]
        text = re.sub(r"postgresql://[^\"]*", url, text)
        scope = {"cloaca": holdwater, "datetime": datetime, "timedelta": timedelta, "context": Context({}), **given}
        exec(compile(text, f"<000-{number:02}>", "exec"), scope)
        made.extend(v for v in scope.values() if isinstance(v, DefaultRunner))
        return scope

    yield example
    for runner in made:
        runner.shutdown()


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """An empty PostgreSQL database, and the URL that leads to it."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE seeds")
        yield postgres.url("seeds")
        connection.execute("DROP DATABASE seeds WITH (FORCE)")


def test_000_01_constructor(run: Example, tmp_path: Path) -> None:
    scope = run(1, until="# PostgreSQL")
    assert (tmp_path / "app.db").exists()
    assert scope["runner"].execute("workflow", {"a": 1}).status == "Completed"


def test_000_01_both_runners_one_after_the_other(run: Example) -> None:
    run(1)  # the first runner is dropped without a shutdown


def test_000_01_on_postgresql(run: Example, database: str) -> None:
    scope = run(1, url=database)
    assert scope["runner"].execute("workflow", {"a": 1}).final_context["a_copy"] == 1


def test_000_02_with_config(run: Example) -> None:
    config = run(2)["runner"].config
    assert (config.max_concurrent_tasks, config.task_timeout_seconds) == (8, 600)


def test_000_03_with_schema(run: Example, database: str) -> None:
    runner = run(3, url=database)["tenant_runner"]
    run_id = runner.execute("workflow", {"a": 1}).run_id
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT id FROM tenant_acme.runs").fetchall() == [(run_id,)]


@pytest.mark.parametrize("name", ["", "1a", "_a", "a-b", "a" * 64, "public", "information_schema", "pg_catalog"])
def test_000_03_names_that_are_refused(database: str, name: str) -> None:
    with pytest.raises(ValueError, match="Schema name"):
        DefaultRunner.with_schema(database, name)


def test_000_03_needs_postgresql() -> None:
    with pytest.raises(ValueError, match="multi-tenancy requires PostgreSQL"):
        DefaultRunner.with_schema("sqlite:///app.db", "tenant_acme")


def test_000_04_execute(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(4)
    assert capsys.readouterr().out == "Success!\n"
    assert scope["result"].status == "Completed"
    assert scope["result"].error_message is None
    assert scope["final_data"] == {"user_id": 123, "user_id_copy": 123}
    assert scope["context"].to_dict() == {"user_id": 123}


def test_000_05_to_11_schedules(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(5)
    runner, schedule = scope["runner"], scope["schedule_id"]
    assert str(uuid.UUID(schedule)) == schedule
    assert capsys.readouterr().out == f"Scheduled with ID: {schedule}\n"
    tomorrow = (datetime.now(UTC) - timedelta(hours=2) + timedelta(days=1)).date()

    listed = run(7, runner=runner)
    assert capsys.readouterr().out == "Schedule: daily_report - 0 2 * * *\n"
    assert listed["schedules"] == listed["enabled_schedules"] == listed["recent_schedules"]

    shown = run(8, runner=runner, schedule_id=schedule)["schedule"]
    assert "Workflow: daily_report\nExpression: 0 2 * * *\n" in capsys.readouterr().out
    assert shown["next_run_at"] == f"{tomorrow}T02:00:00.000000Z"

    run(9, runner=runner, schedule_id=schedule)
    assert runner.get_cron_schedule(schedule)["next_run_at"].endswith("T03:00:00.000000Z")

    run(10, runner=runner, schedule_id=schedule)
    assert runner.get_cron_schedule(schedule)["enabled"] is True

    run(11, runner=runner, schedule_id=schedule)
    assert runner.list_cron_schedules() == []


@pytest.mark.parametrize(
    ("text", "after", "wanted"),
    [
        ("Daily at midnight", "2026-11-21T10:00", "2026-11-22T00:00"),
        ("Weekly on Monday at 2 AM", "2026-11-21T10:00", "2026-11-23T02:00"),
        ("Every 15 minutes", "2026-11-21T10:01", "2026-11-21T10:15"),
        ("Hourly during business hours", "2026-11-20T17:00", "2026-11-23T09:00"),
    ],
)
def test_000_06_expressions(text: str, after: str, wanted: str) -> None:
    blocks("000")
    page = next(DOCS.glob("000_*.txt")).read_text(encoding="utf-8")
    (expression,) = re.findall(rf'- `"([^"]+)"` - {text}', page)

    def us(moment: str) -> int:
        return int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * 1_000_000

    assert Cron(expression).next_after(Micros(us(after))) == us(wanted)


def test_000_12_13_26_history_and_statistics(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with DefaultRunner("sqlite:///app.db") as runner:
        idle = runner.register_cron_workflow("workflow", "0 0 1 1 *", "UTC")
        schedule = runner.register_cron_workflow("daily_report", "* * * * * *", "UTC")
        while not (rows := runner.get_cron_execution_history(schedule)):  # bounded by the test's time-out
            poll_pause()
        runner.set_cron_schedule_enabled(schedule, False)
        for row in rows:
            runner.handle(row["pipeline_execution_id"]).result(10)

        history = run(12, runner=runner, schedule_id=schedule)["history"]
        out = capsys.readouterr().out
        for row in history:
            assert f"Scheduled: {row['scheduled_time']}\nClaimed: {row['claimed_at']}\n" in out
            assert f"Pipeline: {row['pipeline_execution_id']}\n" in out

        stats = run(13, runner=runner)["stats"]
        assert stats["total_executions"] == stats["successful_executions"] == len(history)
        assert "Success rate: 100.00%" in capsys.readouterr().out

        run(26)["monitor_cron_schedules"](runner)
        assert capsys.readouterr().out == "Warning: No recent executions for workflow\n"
        runner.delete_cron_schedule(idle)


def test_000_14_shutdown(run: Example) -> None:
    scope = run(14)
    assert scope["result"].status == "Completed"
    scope["runner"].shutdown()
    with pytest.raises(ValueError):
        scope["runner"].execute("workflow", {})


def test_000_15_context_manager(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    scope = run(15)
    assert capsys.readouterr().out == "Success!\n"
    with pytest.raises(RunnerClosed):
        scope["runner"].submit("my_workflow")
    with pytest.raises(KeyError), scope["cloaca"].DefaultRunner("sqlite:///app.db") as runner:
        raise KeyError
    with pytest.raises(RunnerClosed):
        runner.submit("my_workflow")


def test_000_16_sqlite_urls(run: Example, tmp_path: Path) -> None:
    run(16)
    text = blocks("000")[15]
    (tmp_path / "path" / "to").mkdir(parents=True)
    for url in re.findall(r'"(sqlite:[^"]*)"', text):
        with DefaultRunner(url) as runner:
            assert runner.execute("workflow", {"a": 1}).final_context["a_copy"] == 1
    assert (tmp_path / "path" / "to" / "database.db").exists()
    assert (tmp_path / "app.db").exists()


def test_000_17_postgresql_urls(run: Example, database: str) -> None:
    run(17)
    for url in re.findall(r'"(postgresql:[^"]*)"', blocks("000")[16]):
        _, mark, options = url.partition("?")
        meant = f"{database}{mark}{options}"
        if "sslmode" in options:  # the server has no TLS: asked for, it must not be done without
            with pytest.raises(StoreUnavailable, match="SSL"):
                DefaultRunner(meant)
            continue
        with DefaultRunner(meant) as runner, psycopg.connect(database) as connection:
            assert runner.execute("workflow", {"a": 1}).final_context["a_copy"] == 1
            names = connection.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
            assert names == [("my_app" if options else "holdwater",)]


def test_000_18_tenants(run: Example, database: str) -> None:
    scope = run(18, database_url=database)
    assert scope["result_a"].final_context.to_dict() == {"tenant": "a", "tenant_copy": "a"}
    assert scope["result_b"].final_context.to_dict() == {"tenant": "b", "tenant_copy": "b"}
    with psycopg.connect(database) as connection:
        for name in ("a", "b"):
            rows = connection.execute(f"SELECT id FROM tenant_{name}.runs").fetchall()
            assert rows == [(scope[f"result_{name}"].run_id,)]
            other = {"a": "b", "b": "a"}[name]
            journal = connection.execute(f"SELECT run_id, entries FROM tenant_{name}.journal").fetchall()
            assert {run_id for run_id, _ in journal} == {scope[f"result_{name}"].run_id}
            assert not [entries for _, entries in journal if f'"{other}"' in entries]


def test_000_19_errors(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with DefaultRunner("sqlite:///app.db") as runner:
        run(19, runner=runner)
    first, _, rest = capsys.readouterr().out.partition("Workflow not found: ")
    second, _, third = rest.partition("Invalid cron expression: ")
    assert first.startswith("Invalid database URL: ")
    assert "nonexistent_workflow" in second
    assert "fields" in third


def test_000_20_pool(run: Example) -> None:
    assert run(20, database_url="sqlite:///app.db")["runner"].config.db_pool_size == 20


def test_000_20_on_postgresql(run: Example, database: str) -> None:
    runner = run(20, database_url=database)["runner"]
    handles = [runner.submit("workflow") for _ in range(50)]
    assert {handle.result(20).status for handle in handles} == {"Completed"}
    with psycopg.connect(database) as connection:
        counted = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert counted is not None
    assert counted[0] <= 20 + 1  # and one that listens


def test_000_21_concurrency(run: Example) -> None:
    runner = run(21, database_url="sqlite:///app.db")["runner"]
    together = threading.Barrier(16, timeout=20)  # passes only when sixteen bodies run at once
    with WorkflowBuilder("sixteen"):
        for k in range(16):

            @task(id=f"t{k}")
            def meet(context: Context) -> None:
                together.wait()

    assert runner.execute("sixteen").status == "Completed"


def test_000_22_timeouts(run: Example) -> None:
    config = run(22, database_url="sqlite:///app.db")["runner"].config
    assert config.task_timeout_seconds == 1800
    assert config.pipeline_timeout_seconds == config.workflow_timeout_seconds == 7200


def test_000_23_cron_options(run: Example) -> None:
    runner = run(23, database_url="sqlite:///app.db")["runner"]
    assert (runner.config.cron_poll_interval_seconds, runner.config.cron_max_catchup_executions) == (30, 10)
    schedule = runner.register_cron_workflow("daily_report", "* * * * *", "UTC")
    store = runner._engine.store
    row = store.get_schedule(schedule)
    row.settled_at, row.next_at = row.settled_at - 15 * 60_000_000, 1  # as after fifteen missed minutes
    assert store.put_schedule(row)
    runner._engine.driver.check_for_work()
    while not (rows := runner.get_cron_execution_history(schedule)):  # bounded by the test's time-out
        poll_pause()
    assert [r["status"] for r in rows].count("Skipped") == 1
    assert len(rows) in (10, 11)
    assert len([r for r in rows if r["pipeline_execution_id"]]) == 10


def test_000_24_resources(run: Example) -> None:
    scope = run(24, database_url="sqlite:///app.db")
    with pytest.raises(RunnerClosed):
        scope["runner"].submit("workflow")


def test_000_25_execute_safely(run: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with WorkflowBuilder("broken"):

        @task(id="boom")
        def boom(context: Context) -> None:
            raise ValueError("no such luck")

    safely = run(25)["execute_workflow_safely"]
    with DefaultRunner("sqlite:///app.db") as runner:
        assert safely(runner, "workflow", Context({"a": 1})).get("a_copy") == 1
        assert safely(runner, "broken", Context({})) is None
        assert safely(runner, "unknown", Context({})) is None
    said = capsys.readouterr().out
    assert "Workflow failed: task 'boom' failed: ValueError: no such luck" in said
    assert "Execution error: no workflow named 'unknown'" in said


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_000_27_thread_safety(
    run: Example, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest, on: str
) -> None:
    run(27, **({"url": request.getfixturevalue("database")} if on == "postgresql" else {}))
    said = sorted(capsys.readouterr().out.splitlines())
    assert said == sorted(f"Thread {t}, iteration {i}: Completed" for t in range(4) for i in range(10))
