"""From a database URL to a store."""

from __future__ import annotations

from penstock.model.ports import Store
from penstock.storage.urls import parse


def open_store(url: str) -> Store:
    """Open the database a URL names, bringing its schema up to date.

    Raises DatabaseURLError (a bad URL, a missing directory, no file where one must be, a file that is no database),
    StoreReadOnly, SchemaTooNew, or StoreUnavailable when the database stays locked or cannot be read.
    """
    where = parse(url)
    if where.dialect == "memory":
        from penstock.storage.memory import MemoryStore

        return MemoryStore(url)
    from penstock.storage.sqlite.store import SQLiteStore

    return SQLiteStore(where)
