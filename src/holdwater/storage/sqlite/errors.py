"""Translation of sqlite3's errors into errors with a cause and a hint."""

from __future__ import annotations

import sqlite3

from holdwater.errors import (
    DatabaseURLError,
    HoldwaterError,
    StoreError,
    StoreReadOnly,
    StoreUnavailable,
    StoreUnusable,
)


def translate_error(error: sqlite3.Error, name: str, busy_timeout_ms: int) -> HoldwaterError:
    """Translate to the error to raise `from` this one.  The transaction is assumed to be rolled back."""
    why = str(error)
    match _primary_error_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(
                f"{name} is locked: another process has been writing for longer than {busy_timeout_ms} ms ({why}); "
                "nothing was changed",
                hint="end the program that holds the lock, or raise _busy_timeout in the database URL",
            )
        case sqlite3.SQLITE_READONLY:
            return StoreReadOnly(
                f"{name} cannot be written ({why}); nothing was changed",
                hint="make the file and its directory writable, and open it without mode=ro",
            )
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(
                f"{name} cannot grow: the disk is full ({why}); nothing was changed",
                hint="free some space; work goes on by itself then",
            )
        case sqlite3.SQLITE_IOERR:
            return StoreUnavailable(
                f"{name} cannot be read or written: {why}; nothing was changed",
                hint="look at the disk, the file system and its quota",
            )
        case sqlite3.SQLITE_CANTOPEN:
            return StoreUnavailable(
                f"{name} cannot be opened: {why}",
                hint="look at the permissions of the file and its directory, and at the limit of open files",
            )
        case sqlite3.SQLITE_NOTADB:
            return DatabaseURLError(
                f"{name} is not a SQLite database ({why})", hint="name another file, or move this one away"
            )
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{name} is damaged: {why}", hint="restore it from a backup, or try sqlite3's .recover")
        case sqlite3.SQLITE_TOOBIG:
            return StoreError(f"{name} cannot take a value of this size: {why}; nothing was changed")
        case sqlite3.SQLITE_ERROR | sqlite3.SQLITE_SCHEMA | sqlite3.SQLITE_AUTH | sqlite3.SQLITE_PERM:
            return StoreUnusable(
                f"{name} refused a statement: {why}; nothing was changed",
                hint="this version's tables are not all there: restore them, or open the file once with a new runner",
            )
    return StoreError(f"{name} refused a statement: {why}; nothing was changed")


def is_busy(error: sqlite3.Error) -> bool:
    return _primary_error_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _primary_error_code(error: sqlite3.Error) -> int:
    # errors of the Python module have no code; the low byte of an extended code is the primary one
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
