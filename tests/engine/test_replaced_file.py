"""The file of a SQLite database goes away under a live runner: nothing is acknowledged that nobody could find again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.errors import StoreReplaced, StoreUnavailable
from holdwater.model.records import RunFilter
from holdwater.storage import open_store
from tests.suite.effort import sample_cases
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

Change = Callable[[Path], None]


def delete_database(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    """As in a clean-up: with what SQLite has beside it."""
    for one in path.parent.glob(f"{path.name}*"):
        one.unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def restore_a_backup(path: Path) -> None:
    copy = path.with_name("backup.db")
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    copy.replace(path)


def empty(path: Path) -> None:
    fresh = path.with_name("fresh.db")
    fresh.touch()
    fresh.replace(path)


def another_database(path: Path) -> None:
    with DefaultRunner(f"sqlite:///{path.with_name('other.db')}"):
        pass
    path.with_name("other.db").replace(path)


def replace_by_symlink(path: Path) -> None:
    """A symbolic link in place of the file."""
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    path.unlink()
    path.symlink_to(copy)


def move_the_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


CHANGES = [
    delete_database,
    delete_all,
    move_away,
    restore_a_backup,
    empty,
    another_database,
    replace_by_symlink,
    move_the_directory,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "runs"
    directory.mkdir()
    return directory / "runs.db"


@pytest.mark.parametrize("change", sample_cases(4, CHANGES, [move_away]), ids=lambda f: f.__name__)
def test_nothing_is_accepted_any_more(change: Change, path: Path, define: Define, gate: Gate) -> None:
    define("ok", ("a", lambda context: None, {}))
    define("held", ("a", lambda context: gate(), {}))
    with DefaultRunner(f"sqlite:///{path}") as runner:
        assert runner.execute("ok").status == "Completed"
        held = runner.submit("held")
        gate.wait_started()
        change(path)
        with pytest.raises(StoreReplaced, match="while it was open"):
            runner.submit("ok")
        for look in (runner.list_runs, lambda: held.status, held.info):
            with pytest.raises(StoreReplaced):
                look()
        gate.open.set()
        with pytest.raises(StoreReplaced):  # those who wait are told: its end cannot be recorded
            held.result(SIGNAL_TIMEOUT_SECONDS)
        with pytest.raises(StoreReplaced):
            runner.register_cron_workflow("ok", "0 0 * * *")
    if path.exists():  # what is there now is not harmed by what was open
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_file_that_is_moved_back_is_gone_on_with(path: Path, define: Define, gate: Gate) -> None:
    define("ok", ("a", lambda context: None, {}))
    define("held", ("a", lambda context: gate(), {}))
    away = path.with_name("away.db")
    with DefaultRunner(f"sqlite:///{path}") as runner:
        held = runner.submit("held")
        gate.wait_started()
        path.rename(away)
        with pytest.raises(StoreReplaced):
            runner.submit("ok")
        gate.open.set()
        away.rename(path)
        while True:  # until the runner has tried again; bounded by the test's time-out
            try:
                assert runner.handle(held.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
                break
            except StoreUnavailable:
                continue
        assert runner.execute("ok").status == "Completed"


def test_a_reader_notices_too(path: Path, define: Define) -> None:
    define("ok", ("a", lambda context: None, {}))
    with DefaultRunner(f"sqlite:///{path}") as runner:
        runner.execute("ok")
    with closing(open_store(f"sqlite:///{path}?mode=ro")) as reader:
        assert len(reader.list_runs(RunFilter())) == 1
        restore_a_backup(path)
        with pytest.raises(StoreReplaced):
            reader.list_runs(RunFilter())


def test_a_deleted_file_is_not_made_again_by_a_connection_that_is_opened_anew(path: Path, define: Define) -> None:
    define("ok", ("a", lambda context: None, {}))
    with DefaultRunner(f"sqlite:///{path}") as runner:
        runner.execute("ok")
        runner._engine.store._writer._disconnect()  # type: ignore[attr-defined]  # as after an error of the disk
        delete_all(path)
        with pytest.raises(StoreReplaced):
            runner.submit("ok")
        assert not path.exists()
