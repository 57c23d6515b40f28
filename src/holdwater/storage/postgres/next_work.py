"""The next work of the schemas of one database, read by one connection."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, Final, LiteralString

import psycopg

from holdwater.model.next_work import NextWork
from holdwater.storage.postgres.errors import translate_error
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer, is_usable
from holdwater.storage.postgres.statements import HAS_SCHEMA_VERSION, READ_NEXT_WORK


class NextWorkReader:
    """Reads with the rights of the role of each schema.  Thread-safe."""

    def __init__(self, server: PostgresServer) -> None:
        """Prepare it; the connection is opened by the first reading.  `server`: its schema is that of no name."""
        self._server: Final = server
        self._lock = threading.Lock()
        self._connection: PostgresConnection | None = None

    def read(self, schema: str | None, role: str | None) -> NextWork:
        """Read the next work of a schema.  Raises StoreUnavailable, StoreError."""
        row = self._select(READ_NEXT_WORK, schema, role)
        assert row is not None
        return NextWork(*row)

    def has_tables(self, schema: str | None, role: str | None) -> bool:
        """Return True if a schema has tables of runs, of whatever version.  Raises StoreUnavailable, StoreError."""
        return self._select(HAS_SCHEMA_VERSION, schema, role) is not None

    def close(self) -> None:
        """Close the connection.  Idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _select(self, statement: LiteralString, schema: str | None, role: str | None) -> tuple[Any, ...] | None:
        place = replace(self._server, schema=schema or self._server.schema, role=role)
        try:
            with self._lock:
                connection = self._connected()
                with connection.transaction():
                    connection.execute(place.settings_statement(local=True), prepare=False)
                    return connection.execute(statement, prepare=False).fetchone()
        except psycopg.Error as error:
            raise translate_error(error, self._server.name) from error

    def _connected(self) -> PostgresConnection:
        if self._connection is not None and not is_usable(self._connection):
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = self._server.connect()
        return self._connection
