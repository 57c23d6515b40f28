"""A database as a whole: its schema, rights, clock and disk, its runners, queue and schedules."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from holdwater import DefaultRunner
from holdwater.client import Client
from holdwater.model.registry import registry
from holdwater.operations.databases import Database, open_for_control, open_for_reading
from holdwater.operations.doctor import Finding, diagnose_installation
from holdwater.operations.runners import list_runners
from tests.operations.doctor.conftest import StartProcess, later
from tests.operations.doctor.test_runs import execute_sql, nothing
from tests.operations.tenancy import create_tenant
from tests.postgres.cluster import Cluster
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define
from tests.suite.waiting import wait_until


def findings(database: Database) -> dict[str, Finding]:
    return {one.code: one for one in diagnose_installation(database)}


def test_a_database_that_is_well(url: str, runner: DefaultRunner, define: Define) -> None:
    define("one", ("a", nothing, {}))
    runner.submit("one", {}).result(SIGNAL_TIMEOUT_SECONDS)
    database = Database.of(runner._engine)
    wait_until(lambda: list_runners(database))
    found = findings(database)
    assert [one.code for one in found.values() if one.severity != "ok"] == []
    assert found["schema"].facts["migrations"][0] == "0001_pre_initial"
    assert (found["schema"].facts["pending"], found["schema"].facts["unknown"]) == ([], [])
    assert found["size"].facts["size_bytes"] > 0
    assert found["runners"].sentence.startswith("1 runner is up: ")
    assert found["queue"].sentence == "No task waits for a runner."
    if url.startswith("sqlite"):
        assert found["size"].facts["journal_mode"] == "WAL"
        assert found["size"].facts["free_bytes"] > 0
        assert "connections" not in found
    else:
        assert 0 < found["connections"].facts["connections"] < found["connections"].facts["max_connections"]
        assert abs(found["clock"].facts["offset_seconds"]) < 5
    with open_for_reading(url) as reading:
        assert findings(reading)["writable"].severity == "ok", "it is opened to be read, and can be written"


def test_a_tenant_sees_the_connections_of_all_roles(postgres: Cluster) -> None:
    tenant = create_tenant(postgres, "counts_connections")
    with contextlib.ExitStack() as others:
        for _ in range(4):
            others.enter_context(psycopg.connect(postgres.url()))
        with open_for_reading(tenant.connection_string) as reading:
            assert findings(reading)["connections"].facts["connections"] >= 5


def test_work_that_no_runner_takes(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    define("orders", ("load", nothing, {}))
    first = open_runner()
    first.submit("orders", {}).result(SIGNAL_TIMEOUT_SECONDS)
    first.shutdown()
    with Client(url) as client:
        run = client.submit("orders", {})
    registry.unregister("orders")
    with open_for_reading(url) as database:
        found = findings(later(database, 600))
        assert found["no_runners"].severity == "warning"
        assert (found["queue"].severity, found["queue"].command) == ("warning", ("doctor", run.run_id))
        assert found["queue"].sentence.startswith("1 task waits for a runner, the oldest for 10 min")
        assert found["no_runner"].severity == "problem"
        assert (found["no_runner"].facts["workflows"], found["no_runner"].facts["runs"]) == (["orders"], [run.run_id])


def test_runners_that_died(url: str, open_runner: Callable[..., DefaultRunner], start_process: StartProcess) -> None:
    open_runner().shutdown()
    with open_for_control(url) as engine:
        database = Database.of(engine)
        code = f"import time\nfrom holdwater import DefaultRunner\nrunner = DefaultRunner({url!r})\ntime.sleep(600)"
        process = start_process(code)
        wait_until(lambda: list_runners(database))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = findings(database if engine.store.tracks_liveness else later(database, 60))
        assert found["runner_gone"].facts["pid"] == process.pid
        assert found["no_runners"].severity == "warning"
        execute_sql(url, "UPDATE runners SET version = '0.0.1'")
        if not engine.store.tracks_liveness:
            assert "is Holdwater 0.0.1, this is" in findings(database)["version_differs"].sentence


def test_a_runner_that_lives_and_does_not_answer(url: str, runner: DefaultRunner) -> None:
    database = Database.of(runner._engine)
    wait_until(lambda: list_runners(database))
    found = findings(later(database, 60))
    assert (found["runner_silent"].severity, found["runner_silent"].facts["pid"]) == ("problem", os.getpid())


def test_schedules_that_do_not_fire(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    define("nightly", ("a", nothing, {}))
    runner = open_runner()
    runner.register_cron_workflow("nightly", "* * * * *", "UTC", name="every minute")
    runner.shutdown()
    with open_for_reading(url) as database:
        assert "schedule_late" not in findings(database)
        late = findings(later(database, 600))["schedule_late"]
    assert late.severity == "problem"
    assert late.command == ("schedules", "show", "every minute")
    assert late.sentence.startswith("Schedule 'every minute' of 'nightly' should have fired ")
    assert late.sentence.endswith(", and has not, as no live runner has its workflow.")


def test_a_schema_of_another_version(url: str, runner: DefaultRunner) -> None:
    database = Database.of(runner._engine)
    insert = "INSERT INTO schema_version (number, phase, name, applied_at) VALUES ({}, 'pre', '{}', 1)"
    execute_sql(url, insert.format(9999, "future"))
    newer = findings(database)["schema_newer"]
    assert (newer.severity, newer.facts["unknown"]) == ("warning", ["9999_pre_future"])
    execute_sql(url, "DELETE FROM schema_version WHERE number IN (7, 9999)")
    older = findings(database)["schema_outdated"]
    assert (older.severity, older.facts["pending"]) == ("problem", ["0007_pre_map_items"])
    execute_sql(url, insert.format(7, "map_items"))  # the schema is used by other tests


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that every user may read, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_a_file_that_another_user_may_not_write(public_directory: Path, define: Define) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    url = f"sqlite:///{public_directory}/runs.db"
    with DefaultRunner(url):
        pass
    (public_directory / "runs.db").chmod(0o644)
    code = f"""if True:
        import os
        from holdwater.operations import databases, diagnose_installation
        import holdwater.storage.sqlite.store, holdwater.runs.authoring_styles
        os.setuid(65534)
        with databases.open_for_reading({url!r}) as database:
            print([one.severity for one in diagnose_installation(database) if one.code == "read_only"])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "['problem']\n", done.stderr


def test_a_role_that_may_only_read(url: str, runner: DefaultRunner) -> None:
    if not url.startswith("postgresql"):
        pytest.skip("roles are PostgreSQL's")
    with psycopg.connect(url, autocommit=True) as session:
        schema = session.execute("SELECT current_schema()").fetchone()[0]  # type: ignore[index]
        session.execute("CREATE ROLE looker LOGIN")
        session.execute(f"GRANT USAGE ON SCHEMA {schema} TO looker")
        session.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO looker")
    try:
        with open_for_reading(url.replace("postgres@", "looker@", 1)) as database:
            assert findings(database)["read_only"].severity == "problem"
    finally:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("DROP OWNED BY looker")
            session.execute("DROP ROLE looker")


def test_a_journal_mode_that_makes_readers_wait(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db?_journal_mode=DELETE"
    with DefaultRunner(url), open_for_reading(url) as database:
        assert findings(database)["journal_mode"].severity == "warning"
