"""A file with the tables of an earlier version: it is read as it is, and upgraded by whatever writes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from holdwater import DefaultRunner, Graph, node
from holdwater.errors import DatabaseURLError, SchemaTooNew
from holdwater.graphs import interrupt
from holdwater.model.records import RunFilter
from holdwater.operations import (
    list_questions,
    list_runners,
    list_runs,
    list_schedules,
    list_workflows,
    migrate_database,
    open_for_control,
    open_for_reading,
    read_logs,
    show_run,
    verify_database,
)
from holdwater.operations.doctor import diagnose_installation, diagnose_run
from holdwater.storage.sqlite import schema
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


@node(output_name="total")
def add(x: int) -> int:
    return x + 1


@interrupt(answer_name="approved", response_type=bool)
def ask(total: int) -> str:
    return f"spend {total}?"


def make_older(path: Path, older: Path, count: int) -> None:
    """Copy a database to one that has the first `count` migrations."""
    connection = sqlite3.connect(older, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    schema.migrate(connection, str(older), schema.MIGRATIONS[:count])
    connection.execute("ATTACH ? AS newer", (str(path),))
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        if table != "schema_version":
            columns = ", ".join([row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")])
            connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
    connection.close()


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A file of this version, with a run that waits for an answer; returns its path and the id of the run."""
    path = tmp_path_factory.mktemp("current") / "runs.db"
    with DefaultRunner(f"sqlite:///{path}") as runner:
        handle = runner.submit(Graph([add, ask], name="spending"), {"x": 3}, labels={"env": "prod"})
        handle.result(SIGNAL_TIMEOUT_SECONDS)
        return path, handle.run_id


@pytest.mark.parametrize("count", range(1, len(schema.MIGRATIONS)))
def test_everything_is_read_and_nothing_is_changed(count: int, current: tuple[Path, str], tmp_path: Path) -> None:
    older, run_id = tmp_path / "older.db", current[1]
    make_older(current[0], older, count)
    with open_for_reading(f"sqlite:///{older}") as database:
        assert len(database.store.inspect().pending) == len(schema.MIGRATIONS) - count
        (run,) = list_runs(database.runs, RunFilter(), 10)
        assert (run.id, run.status, run.workflow) == (run_id, "paused", "spending")
        view = show_run(database.runs, run_id)
        assert [pause.answer_name for pause in view.pauses] == ["approved"]
        assert view.outputs_of("add") != {}
        assert "spending" in [workflow.name for workflow in list_workflows(database)]
        assert read_logs(database.runs, run_id).lines == ()
        assert (list_schedules(database), list_runners(database)) == ((), ())
        assert verify_database(database, print).violations == 0
        assert next(finding.code for finding in diagnose_run(database, run_id)) == "waits_for_answer"
        assert any(finding.code == "schema_outdated" for finding in diagnose_installation(database))
        list_questions(database)
    connection = sqlite3.connect(older)
    assert connection.execute("SELECT count(*) FROM schema_version").fetchone() == (count,)
    connection.close()


def test_who_writes_upgrades(current: tuple[Path, str], tmp_path: Path) -> None:
    older, run_id = tmp_path / "older.db", current[1]
    make_older(current[0], older, 1)
    url = f"sqlite:///{older}"
    assert len(migrate_database(url)) == len(schema.MIGRATIONS)
    with open_for_reading(url) as database:
        assert database.store.inspect().pending == ()
        assert [question.run_id for question in list_questions(database).questions] == [run_id]
    make_older(current[0], tmp_path / "another.db", 1)
    with open_for_control(f"sqlite:///{tmp_path}/another.db") as engine:
        assert engine.store.inspect().pending == ()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the list of open files of Linux")
def test_a_file_of_a_newer_version_is_refused_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection, str(path))
    connection.execute("INSERT INTO schema_version VALUES (999, 'post', 'unknown', 0)")
    connection.close()
    with pytest.raises(SchemaTooNew), open_for_reading(f"sqlite:///{path}"):
        pass
    open_files = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    assert str(path) not in open_files


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE runs (id)")
    connection.close()
    with (
        pytest.raises(DatabaseURLError, match="has no tables of Holdwater"),
        open_for_reading(f"sqlite:///{tmp_path}/other.db"),
    ):
        pass
