"""Opening of connections: checks of the path, and pragmas."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from holdwater.errors import DatabaseURLError, StoreReadOnly, StoreUnavailable
from holdwater.storage.sqlite.errors import is_busy
from holdwater.storage.urls import DatabaseURL

_RETRY_DELAY_SECONDS: Final = 0.02

_unsafe_after_fork: Final[dict[Path, int]] = {}
"""path -> id of the process that was using the file when it forked"""


def display_name(database_url: DatabaseURL) -> str:
    """Return the name of the database in messages."""
    return str(database_url.path) if database_url.path else "the database in memory"


def mark_unsafe_after_fork(database_url: DatabaseURL) -> None:
    """Record that the process forked in the middle of a transaction: the child cannot use this file safely."""
    if database_url.path is not None:
        _unsafe_after_fork[database_url.path] = os.getpid()


def check_database_path(database_url: DatabaseURL) -> None:
    """Check that the path can hold the database.  Raises DatabaseURLError, StoreReadOnly.

    The file itself is not opened: closing it would drop every POSIX lock SQLite holds on it in this process.
    """
    path = database_url.path
    if path is None:
        return
    if _unsafe_after_fork.get(path, os.getpid()) != os.getpid():
        raise StoreUnavailable(
            f"{path} was in use by the thread that forked this process, and is not safe to open here",
            hint="do not fork from a signal handler; start the process with the spawn method",
        )
    found = path_exists(database_url)
    if found and path.is_dir():
        raise DatabaseURLError(
            f"{database_url.text!r} means {path}, which is a directory",
            hint=f"name a file in it: {database_url.text}/app.db",
        )
    if not found and not path.parent.is_dir():
        raise DatabaseURLError(
            f"{database_url.text!r} means {path}, and there is no directory {path.parent}",
            hint=_missing_directory_hint(database_url, path),
        )
    if found:
        if not path.is_file():
            raise DatabaseURLError(f"{database_url.text!r} means {path}, which is not a regular file")
        if database_url.mode != "ro" and not os.access(path, os.W_OK):
            raise StoreReadOnly(f"{path} cannot be written", hint="make it writable, or read it with ?mode=ro")
    elif database_url.mode != "rwc":
        raise DatabaseURLError(
            f"{database_url.text!r} means {path}, which does not exist, and mode={database_url.mode} creates nothing",
            hint="leave mode out to create it",
        )
    if database_url.mode != "ro" and not os.access(path.parent, os.W_OK):
        raise StoreReadOnly(
            f"the directory {path.parent} cannot be written, and the database needs files beside it",
            hint="make the directory writable, or read the database with ?mode=ro",
        )


def path_exists(database_url: DatabaseURL) -> bool:
    """Return True if the path of the database exists, whatever it is; False for a database in memory.

    Raises StoreUnavailable for a directory that may not be searched, DatabaseURLError for an invalid path.
    """
    if database_url.path is None:
        return False
    try:
        database_url.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise StoreUnavailable(
            f"{database_url.path} cannot be opened: {error.strerror}",
            hint="look at the permissions of its directory and of those above",
        ) from error
    except OSError as error:  # a name that is too long, a loop of symbolic links
        raise DatabaseURLError(
            f"{database_url.text[:200]!r} means no file: {error.strerror}", hint="name another path"
        ) from error
    return True


def _missing_directory_hint(database_url: DatabaseURL, path: Path) -> str:
    relative = database_url.text.partition("://")[2].startswith("/") and not database_url.text.partition("://")[
        2
    ].startswith("//")
    if relative:
        named = database_url.text.partition(":///")[2]
        return f"create the directory; or, if /{named} was meant, write four slashes for an absolute path: sqlite:////{named}"
    return "create the directory first"


def connect_writer(database_url: DatabaseURL) -> sqlite3.Connection:
    """Open the connection of the writer.  Raises sqlite3.Error."""
    connection = _connect(database_url, database_url.mode)
    try:
        if database_url.path is not None:
            _set_journal_mode(connection, database_url)
        connection.execute(f"PRAGMA synchronous = {database_url.synchronous:d}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect(database_url: DatabaseURL) -> sqlite3.Connection:
    """Open a connection to read with, in the mode that the file allows.  Raises sqlite3.Error."""
    return _connect(database_url, _reader_mode(database_url))


def _reader_mode(database_url: DatabaseURL) -> str:
    """Return the mode of a reading connection, with `immutable=1` where SQLite cannot read the file otherwise.

    A file in WAL mode is read through its `-wal` and `-shm` files.  If they are missing and cannot be created, no
    process has the file open, and it contains every commit.  Source: https://sqlite.org/wal.html#read_only_databases.
    """
    if database_url.mode != "ro" or database_url.path is None:
        return "rw"
    beside = (database_url.path.with_name(database_url.path.name + suffix) for suffix in ("-wal", "-shm"))
    if os.access(database_url.path.parent, os.W_OK) or any(file.exists() for file in beside):
        return "ro"
    return "ro&immutable=1"


def _connect(database_url: DatabaseURL, mode: str) -> sqlite3.Connection:
    place = ":memory:" if database_url.path is None else f"{database_url.path.as_uri()}?mode={mode}"
    return sqlite3.connect(
        place,
        timeout=database_url.busy_timeout_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
        uri=database_url.path is not None,
    )


def _set_journal_mode(connection: sqlite3.Connection, database_url: DatabaseURL) -> None:
    """Set the journal mode unless the file has it: the change needs an exclusive lock.

    SQLite does not wait for that lock (no busy timeout), so it is waited for here: two processes may open a new file.
    """
    give_up = time.monotonic() + database_url.busy_timeout_ms / 1000
    while True:
        try:
            if _read_pragma(connection, "journal_mode").upper() == database_url.journal_mode:
                return
            connection.execute(f"PRAGMA journal_mode = {database_url.journal_mode}")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(_RETRY_DELAY_SECONDS)


def _read_pragma(connection: sqlite3.Connection, name: str) -> str:
    return str(connection.execute(f"PRAGMA {name}").fetchone()[0])
