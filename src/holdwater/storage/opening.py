"""Opening the store that a database URL names."""

from __future__ import annotations

from dataclasses import replace

from holdwater.errors import DatabaseURLError
from holdwater.model.ports.store import Store
from holdwater.storage.options import StoreOptions
from holdwater.storage.urls import parse_url


def open_store(url: str, options: StoreOptions | None = None) -> Store:
    """Open the database a URL names, bringing its schema up to date.

    Raises DatabaseURLError (a bad URL, a missing directory, no file where one must be, a file that is no database),
    StoreReadOnly, SchemaTooNew, or StoreUnavailable when the database stays locked or cannot be reached.
    """
    options = options or StoreOptions()
    where = parse_url(url)
    if where.dialect == "postgresql":
        try:
            from holdwater.storage.postgres.store import PostgresStore
        except ModuleNotFoundError as error:
            raise DatabaseURLError(
                "PostgreSQL needs the driver psycopg, which is not installed",
                hint="pip install 'holdwater[postgres]'",
            ) from error
        return PostgresStore(url, options)
    if options.schema is not None:
        raise DatabaseURLError("Schema-based multi-tenancy requires PostgreSQL", hint="use one SQLite file per tenant")
    if where.dialect == "memory":
        from holdwater.storage.memory.store import MemoryStore

        return MemoryStore(url)
    from holdwater.storage.sqlite.store import SQLiteStore

    return SQLiteStore(replace(where, mode="ro") if options.read_only and where.path is not None else where)
