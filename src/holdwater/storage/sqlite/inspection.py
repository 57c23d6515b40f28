"""The SQLite store: the state of its file."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from holdwater.model.inspection import StoreInspection
from holdwater.storage.sql.inspection import InspectionQueries
from holdwater.storage.sqlite.schema import MIGRATIONS
from holdwater.storage.urls import DatabaseURL

_BESIDE = ("", "-wal", "-shm")
"""endings of the names of its files, behind that of the database"""


class SQLiteInspection(InspectionQueries):
    """The part of the store that tells how it is."""

    _database_url: DatabaseURL

    def inspect(self) -> StoreInspection:
        """Look at the database and its file.  Raises StoreUnavailable."""
        path = self._database_url.path
        ((mode,),) = self._select("PRAGMA journal_mode")
        applied, pending, unknown = self._compare_migrations(MIGRATIONS)
        return StoreInspection(
            f"SQLite {sqlite3.sqlite_version}",
            is_writable=path is None or _is_writable(path),
            size_bytes=None if path is None else _size_of(path),
            free_bytes=None if path is None else shutil.disk_usage(path.parent).free,
            journal_mode=str(mode).upper(),
            migrations=applied,
            pending=pending,
            unknown=unknown,
        )


def _is_writable(path: Path) -> bool:
    """Return True if this process may write the file, and create others beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _size_of(path: Path) -> int:
    beside = [path.with_name(path.name + suffix) for suffix in _BESIDE]
    return sum([file.stat().st_size for file in beside if file.exists()])
