"""A file with the tables of an earlier version: it is read as it is, and upgraded by whatever writes."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.errors import DatabaseURLError, SchemaTooNew
from holdwater.operations import (
    list_questions,
    migrate_database,
    open_for_control,
    open_for_reading,
)
from holdwater.storage.sqlite import schema
from tests.storage.older_schema import check_everything_is_read, submit_waiting_run


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
        return path, submit_waiting_run(runner)


@pytest.mark.parametrize("count", range(1, len(schema.MIGRATIONS)))
def test_everything_is_read_and_nothing_is_changed(count: int, current: tuple[Path, str], tmp_path: Path) -> None:
    older, run_id = tmp_path / "older.db", current[1]
    make_older(current[0], older, count)
    with open_for_reading(f"sqlite:///{older}") as database:
        check_everything_is_read(database, run_id, len(schema.MIGRATIONS) - count)
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
