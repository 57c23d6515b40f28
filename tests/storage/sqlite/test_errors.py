"""A database that is locked, full or broken: a bounded wait, a typed error, nothing written, and life goes on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from holdwater.errors import DatabaseURLError, StoreError, StoreReadOnly, StoreUnavailable, StoreUnusable
from holdwater.model.records import Committed, RunFilter
from holdwater.model.time import Micros
from holdwater.storage.sql import rows
from holdwater.storage.sqlite.errors import translate_error
from holdwater.storage.sqlite.store import SQLiteStore
from holdwater.storage.urls import parse_url
from tests.storage.factories import make_run_row, make_work_row, new_run_update, run_update
from tests.storage.helpers import run_script

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
connection.execute("COMMIT")
connection.close()
print("free", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(parse_url(f"sqlite:///{path}?_busy_timeout=200"))
    yield store
    store.close()


def test_a_lock_that_stays_is_an_error_after_the_time_out(store: SQLiteStore, path: Path) -> None:
    with run_script(LOCK, str(path)) as other:
        assert other.read_line() == "locked"
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"locked.*longer than 200 ms") as caught:
            store.commit([new_run_update("r1", [make_work_row("r1")])])
        assert time.monotonic() - began > 0.15
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert store.get_run("r1") is None, "who reads does not wait"
        assert store.claim_work("me", Micros(1), Micros(1_000), 1, ["orders"]) == [], "an idle scan does not write"
        assert store.reclaim_expired(Micros(1)) == 0
        store.renew_leases("me", Micros(5))
        other.write_line()
        assert other.read_line() == "free"
    assert store.commit([new_run_update("r1")]) == [Committed()]


def test_a_lock_released_within_the_time_out_is_waited_for(path: Path) -> None:
    store = SQLiteStore(parse_url(f"sqlite:///{path}?_busy_timeout=30000"))
    with run_script(LOCK, str(path)) as other:
        assert other.read_line() == "locked"
        release = Timer(0.3, other.write_line)
        release.start()
        assert store.commit([new_run_update("r1")]) == [Committed()]
        release.join()
        assert other.read_line() == "free"
    store.close()


def test_a_locked_database_can_be_opened(store: SQLiteStore, path: Path) -> None:
    with run_script(LOCK, str(path)) as other:
        assert other.read_line() == "locked"
        second = SQLiteStore(parse_url(f"sqlite:///{path}?_busy_timeout=200"))
        assert second.get_run("r1") is None
        second.close()
        other.write_line()
        assert other.read_line() == "free"


def test_a_full_disk(store: SQLiteStore) -> None:
    store.commit([new_run_update("r0", [make_work_row("r0")])])
    writer = store._writer
    assert writer is not None
    assert writer.connection is not None
    pages = writer.connection.execute("PRAGMA page_count").fetchone()[0]
    writer.connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    big = '["' + "x" * 100_000 + '"]'
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="disk is full"):
            store.commit(
                [run_update("r0", 1, work_removed=[(0, 1)]), new_run_update("r1", [make_work_row("r1")], [big])]
            )
        assert not writer.connection.in_transaction
        assert store.get_run("r0") == make_run_row("r0")
        assert store.work_of_run("r0") == [make_work_row("r0")]
        assert store.get_run("r1") is None
    assert store.commit([run_update("r0", 1)]) == [Committed()], "what still fits is written"
    writer.connection.execute("PRAGMA max_page_count = 1000000")
    assert store.commit([new_run_update("r1", [make_work_row("r1")], [big])]) == [Committed()]


def test_a_constraint_that_fails_is_an_error_and_writes_nothing(store: SQLiteStore) -> None:
    with pytest.raises(StoreError, match="UNIQUE constraint failed: work") as caught:
        store.commit([new_run_update("r1"), new_run_update("r2", [make_work_row("r2"), make_work_row("r2")])])
    assert not isinstance(caught.value, StoreUnavailable)
    assert store.list_runs(RunFilter()) == []
    assert store.commit([new_run_update("r1")]) == [Committed()]


def test_a_run_row_that_contradicts_its_entries_is_rejected(store: SQLiteStore) -> None:
    wrong = new_run_update("r1")
    wrong.run.seq = 5
    with pytest.raises(StoreError, match="does not fit"):
        store.commit([wrong])
    assert store.commit([new_run_update("r1")]) == [Committed()]


def test_a_table_that_vanished_is_an_error(store: SQLiteStore, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE journal")
    connection.close()
    with pytest.raises(StoreError, match="no such table: journal"):
        store.read_journal("r1")
    with pytest.raises(StoreError, match="no such table: journal"):
        store.commit([new_run_update("r1")])
    assert store.get_run("r1") is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, StoreUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailable),
        (sqlite3.SQLITE_LOCKED, StoreUnavailable),
        (sqlite3.SQLITE_FULL, StoreUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable),
        (sqlite3.SQLITE_READONLY_DIRECTORY, StoreReadOnly),
        (sqlite3.SQLITE_NOTADB, DatabaseURLError),
        (sqlite3.SQLITE_CORRUPT, StoreError),
        (sqlite3.SQLITE_TOOBIG, StoreError),
        (sqlite3.SQLITE_ERROR, StoreUnusable),
    ],
)
def test_each_code_has_its_error(code: int, kind: type[Exception]) -> None:
    error = sqlite3.OperationalError("it said so")
    error.sqlite_errorcode = code
    translated = translate_error(error, "/x/a.db", 200)
    assert type(translated) is kind
    assert "/x/a.db" in str(translated)
    assert "it said so" in str(translated)


def test_very_large_groups_of_entries_are_split(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROW_LIMIT_CHARS", 20)
    store.commit([new_run_update("r1", entries=["[111111111]", "[2]", "[333333333333333333333333]", "[4]", "[5]"])])
    store.commit([run_update("r1", 5, ["[6]"])])
    assert [(row.seq, row.entries) for row in store.read_journal("r1")] == [
        (1, "[[111111111],[2]]"),
        (3, "[[333333333333333333333333]]"),
        (4, "[[4],[5]]"),
        (6, "[[6]]"),
    ]
