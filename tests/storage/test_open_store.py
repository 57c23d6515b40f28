"""Opening a database: what is set, what is made, and what is refused."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdwater.errors import DatabaseURLError, SchemaTooNew, StoreError, StoreReadOnly
from holdwater.model.records import Committed
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.sqlite.store import SQLiteStore
from holdwater.storage.urls import parse_url
from tests.storage.factories import make_run_row, new_run_update
from tests.storage.helpers import run_script


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ("wal", 2, 60_000)),
        ("?_journal_mode=DELETE&_synchronous=OFF&_busy_timeout=123", ("delete", 0, 123)),
        ("?_synchronous=NORMAL", ("wal", 1, 60_000)),
    ],
)
def test_pragmas_are_really_set(tmp_path: Path, options: str, expected: tuple[str, int, int]) -> None:
    store = SQLiteStore(parse_url(f"sqlite:///{tmp_path}/a.db{options}"))
    try:
        assert store._writer is not None
        with store._writer.transaction() as writing, store._readers.connection() as reading:
            assert tuple(pragma(writing, p) for p in ("journal_mode", "synchronous", "busy_timeout")) == expected
            assert (pragma(reading, "query_only"), pragma(reading, "busy_timeout")) == (1, expected[2])
    finally:
        store.close()


def test_stores_of_one_process_share_the_writer(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    first = SQLiteStore(parse_url(f"sqlite:///{tmp_path}/a.db"))
    second = SQLiteStore(parse_url(f"sqlite:///{link}/a.db"))
    assert first._writer is second._writer
    first.close()
    assert second.commit([new_run_update("r1")]) == [Committed()]
    second.close()
    third = SQLiteStore(parse_url(f"sqlite:///{tmp_path}/a.db"))
    assert third._writer is not second._writer
    third.close()


def test_nothing_is_left_open_or_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(3):
        store = open_store(f"sqlite:///{tmp_path}/a.db")
        store.register_owner("me")
        store.commit([new_run_update("r")])
        store.get_run("r")
        assert {f.name for f in tmp_path.iterdir()} == {"a.db", "a.db-wal", "a.db-shm", "a.db.me.lock"}
        store.close()
        assert [f.name for f in tmp_path.iterdir()] == ["a.db"]
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_relative_path_is_kept_when_the_directory_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///a.db")
    monkeypatch.chdir("/")
    assert store.get_run("r1") is None
    store.close()
    assert (tmp_path / "a.db").is_file()


# -- places


def test_a_missing_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseURLError, match=r"four slashes for an absolute path: sqlite:////data/a\.db") as caught:
        open_store("sqlite:///data/a.db")
    assert f"means {tmp_path}/data/a.db" in str(caught.value)
    with pytest.raises(DatabaseURLError, match="create the directory first"):
        open_store(f"sqlite:///{tmp_path}/data/a.db")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(DatabaseURLError, match="which is a directory"):
        open_store(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("dear diary, " * 1_000)
    with pytest.raises(DatabaseURLError, match="is not a SQLite database"):
        open_store(f"sqlite:///{text}")
    assert text.read_text() == "dear diary, " * 1_000
    assert [f.name for f in tmp_path.iterdir()] == ["notes.txt"]


def test_something_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatabaseURLError, match="not a regular file"):
        open_store(f"sqlite:///{tmp_path}/pipe")


@pytest.mark.parametrize("mode", ["rw", "ro"])
def test_a_mode_that_creates_nothing(tmp_path: Path, mode: str) -> None:
    with pytest.raises(DatabaseURLError, match="does not exist"):
        open_store(f"sqlite:///{tmp_path}/a.db?mode={mode}")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    store = open_store(f"sqlite:///{tmp_path}/a.db?mode=rw")
    assert store.commit([new_run_update("r1")]) == [Committed()]
    store.close()


def test_a_database_opened_to_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    store.commit([new_run_update("r1")])
    reader = open_store(f"{url}?mode=ro")
    assert reader.get_run("r1") == make_run_row("r1")
    assert reader.claim_work("me", Micros(1), Micros(1), 1, ["orders"]) == []
    for write in (
        lambda: reader.commit([new_run_update("r2")]),
        lambda: reader.register_owner("me"),
        lambda: reader.release_work("me", []),
    ):
        with pytest.raises(StoreReadOnly, match="opened with mode=ro"):
            write()
    reader.close()
    store.close()


def test_a_database_without_a_schema_opened_to_read(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").close()
    (tmp_path / "a.db").touch()
    with pytest.raises(DatabaseURLError, match="has no tables of Holdwater"):
        open_store(f"sqlite:///{tmp_path}/a.db?mode=ro")


OPEN = """
import sys
from holdwater.storage import open_store
try:
    open_store(sys.argv[1]).close()
except Exception as error:
    print(type(error).__name__, *str(error).splitlines())
else:
    print("opened")
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to become somebody else")
@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o444, 0o777), (0o666, 0o555)])
def test_a_file_or_directory_that_cannot_be_written(file_mode: int, directory_mode: int) -> None:
    become = "import os\nimport holdwater.storage.sqlite.store\nos.setgid(65534)\nos.setuid(65534)\n"
    with TemporaryDirectory() as place:  # where somebody else can get to, unlike `tmp_path`
        url = f"sqlite:///{place}/a.db"
        open_store(url).close()
        os.chmod(f"{place}/a.db", file_mode)
        os.chmod(place, directory_mode)
        with run_script(become + OPEN, url) as somebody:
            said = somebody.read_line()
    assert said.startswith("StoreReadOnly"), said
    assert "cannot be written" in said


READ = """
import contextlib, io, os, sys
from holdwater.cli.main import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["runs", "list", "--database", sys.argv[2]])  # nothing is imported later: the code may be root's alone
os.setgid(65534)
os.setuid(65534)
print(main(["runs", "list", "--database", sys.argv[1]]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to become somebody else")
@pytest.mark.parametrize("is_in_use", [False, True])
@pytest.mark.parametrize(("file_mode", "directory_mode"), [(0o444, 0o755), (0o444, 0o555), (0o644, 0o555)])
def test_a_file_is_read_where_nothing_can_be_written(
    file_mode: int, directory_mode: int, is_in_use: bool, tmp_path: Path
) -> None:
    """Readers without rights to write see what is recorded, whether another process has the file open or not."""
    with TemporaryDirectory() as place:
        url = f"sqlite:///{place}/a.db"
        store = open_store(url)
        store.commit([new_run_update("r1")])
        if not is_in_use:
            store.close()
        other = open_store(f"sqlite:///{tmp_path}/other.db")
        other.commit([new_run_update("r1")])
        other.close()
        os.chmod(f"{place}/a.db", file_mode)
        os.chmod(place, directory_mode)
        with run_script(READ, url, other.url) as reader:
            said = [reader.read_line() for _ in range(4)]
        store.close()
    assert said[1].startswith("r1"), said
    assert said[-1] == "0"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs to become somebody else")
@pytest.mark.parametrize("query", ["", "?mode=ro"])
@pytest.mark.parametrize("deep", ["a.db", "deeper/a.db"])
def test_a_directory_that_may_not_be_searched(deep: str, query: str) -> None:
    become = "import os\nimport holdwater.storage.sqlite.store\nos.setgid(65534)\nos.setuid(65534)\n"
    with TemporaryDirectory() as place:
        os.chmod(place, 0o700)
        with run_script(become + OPEN, f"sqlite:///{place}/{deep}{query}") as refused:
            said = refused.read_line()
    assert said.startswith("StoreUnavailable"), said
    assert "Permission denied" in said


@pytest.mark.parametrize("query", ["", "?mode=ro"])
def test_a_path_that_names_nothing(tmp_path: Path, query: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    for name in ("a" * 300, "circle", "circle/a.db"):
        with pytest.raises(DatabaseURLError, match="means no file"):
            open_store(f"sqlite:///{tmp_path}/{name}{query}")


# -- schemas


def test_two_processes_start_at_once_on_a_new_file(tmp_path: Path) -> None:
    script = "import sys\nfrom holdwater.storage import open_store\nprint('ready', flush=True)\ninput()\n" + OPEN
    for i in range(3):
        url = f"sqlite:///{tmp_path}/{i}.db"
        with run_script(script, url) as one, run_script(script, url) as two:
            assert [one.read_line(), two.read_line()] == ["ready", "ready"]
            one.write_line()
            two.write_line()
            assert [one.read_line(), two.read_line()] == ["opened", "opened"]


def add_migration(path: Path, phase: str) -> None:
    open_store(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO schema_version VALUES (99, ?, 'later', 0)", (phase,))
    connection.close()


@pytest.mark.parametrize("options", ["", "?mode=ro"])
def test_a_newer_schema_is_refused(tmp_path: Path, options: str) -> None:
    add_migration(tmp_path / "a.db", "post")
    with pytest.raises(SchemaTooNew, match=r"migration 99, later.*knows \d+"):
        open_store(f"sqlite:///{tmp_path}/a.db{options}")
    assert [f.name for f in tmp_path.iterdir() if f.name == "a.db"] == ["a.db"]


def test_a_newer_schema_that_this_code_survives_is_not(tmp_path: Path) -> None:
    add_migration(tmp_path / "a.db", "pre")
    open_store(f"sqlite:///{tmp_path}/a.db").close()


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE work (of_somebody_else)")
    connection.close()
    with pytest.raises(StoreError, match="table work already exists"):
        open_store(f"sqlite:///{tmp_path}/a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("work",)]
    connection.close()
