"""Opening a database for one operation: what is not there is not made, and what is foreign stays as it is."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.errors import DatabaseNotFound, DatabaseURLError, StoreReadOnly
from holdwater.model.records import RunFilter
from holdwater.operations import databases
from holdwater.operations.pruning import prune_runs
from holdwater.operations.runs import list_runs

OPENERS = [databases.open_for_reading, databases.open_for_writing, databases.open_for_control]


@pytest.mark.parametrize("open_", OPENERS)
def test_what_is_not_there_is_not_made(tmp_path: Path, open_: object) -> None:
    with pytest.raises(DatabaseNotFound, match="there is no database"), open_(f"sqlite:///{tmp_path}/no.db"):  # type: ignore[operator]
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DatabaseURLError, match="in memory"), open_("sqlite:///:memory:"):  # type: ignore[operator]
        pass


@pytest.mark.parametrize("open_", OPENERS[1:])
def test_no_tables_are_made_in_a_foreign_file(tmp_path: Path, open_: object) -> None:
    path = tmp_path / "accounts.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE accounts (id)")
    with pytest.raises(DatabaseURLError, match="no tables of Holdwater"), open_(f"sqlite:///{path}"):  # type: ignore[operator]
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("accounts",)]


def test_writing_can_make_a_database(tmp_path: Path) -> None:
    with databases.open_for_writing(f"sqlite:///{tmp_path}/new.db", create=True) as database:
        assert database.store.get_run("none") is None
        assert list_runs(database.runs, RunFilter(), 10) == ()
    assert (tmp_path / "new.db").exists()


def test_a_reader_writes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    DefaultRunner(url).shutdown()
    with databases.open_for_reading(url) as database, pytest.raises(StoreReadOnly):
        prune_runs(database, database.clock.now())
