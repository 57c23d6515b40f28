"""The server's own tables: their migrations, and transactions on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from holdwater.errors import DatabaseURLError
from holdwater.model.ports.clock import Clock
from holdwater.runtime.clock import SystemClock
from holdwater.server.control import statements as sql
from holdwater.storage import StoreOptions
from holdwater.storage.pool import ConnectionPool
from holdwater.storage.postgres import schema
from holdwater.storage.postgres.errors import as_unreachable, translate_error
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer, is_usable
from holdwater.storage.postgres.statements import LOCK_SCHEMA
from holdwater.storage.sql.migrations import Migration, pending_migrations
from holdwater.storage.urls import parse_url

MAX_CONNECTIONS: Final = 8
MIGRATIONS: Final = (
    Migration("holdwater.server.control", 1, "pre", "initial"),
    Migration("holdwater.server.control", 2, "pre", "removals"),
)


class ControlDatabase:
    """The database of a server, PostgreSQL.  Thread-safe; a connection is opened when a call needs one.

    `server`: its connection parameters.  `clock`: of this process, as instants of the tables are written.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, max_connections: int = MAX_CONNECTIONS) -> None:
        """Connect, and bring the tables up to date.  Raises DatabaseURLError, StoreUnavailable, SchemaTooNew."""
        if parse_url(url).dialect != "postgresql":
            raise DatabaseURLError(
                "the server keeps its tenants in PostgreSQL: each is a schema of its own",
                hint="--database-url postgresql://user:password@host/database; for an SQLite file there are "
                "`holdwater ui` and `holdwater daemon`",
            )
        self.clock: Clock = clock or SystemClock()
        self.server: Final = PostgresServer.from_url(url, StoreOptions())
        self.name: Final = self.server.name
        """the URL without password"""
        self._pool: Final = ConnectionPool(
            self.server.connect, name=self.name, max_size=max_connections, max_idle=2, is_usable=is_usable
        )
        try:
            with self.transaction() as connection:
                self._migrate(connection)
        except BaseException:
            self._pool.close()
            raise

    @property
    def connections_in_use(self) -> int:
        """The number of connections that calls have now."""
        return self._pool.in_use

    @contextmanager
    def transaction(self) -> Iterator[PostgresConnection]:
        """Run the block in a transaction.  Raises StoreUnavailable, StoreError."""
        with self._connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def _connection(self) -> Iterator[PostgresConnection]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise as_unreachable(translate_error(error, self.name)) from error
        except psycopg.Error as error:
            raise translate_error(error, self.name) from error

    def join(self, connection: PostgresConnection) -> None:
        """Have the rest of a transaction of another connection to this database see the server's tables.

        Raises psycopg.Error.
        """
        connection.execute(self.server.settings_statement(local=True))

    def select(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement, and return its rows: one round trip.  Raises StoreUnavailable, StoreError."""
        with self._connection() as connection:
            return connection.execute(statement, parameters).fetchall()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Execute one statement, and return the number of its rows: one round trip.

        Raises StoreUnavailable, StoreError.
        """
        with self._connection() as connection:
            return connection.execute(statement, parameters).rowcount

    def close(self) -> None:
        """Close every connection.  Idempotent."""
        self._pool.close()

    def _migrate(self, connection: PostgresConnection) -> None:
        """Apply what is pending, one process at a time."""
        connection.execute(LOCK_SCHEMA)
        schema.ensure_schema(connection, self.server)
        applied = []
        if connection.execute(sql.HAS_VERSIONS).fetchone() is None:
            connection.execute(sql.CREATE_VERSIONS)
        else:
            applied = [(number, phase, name) for number, phase, name in connection.execute(sql.LIST_VERSIONS)]
        for migration in pending_migrations(applied, MIGRATIONS, self.name):
            for statement in migration.statements():
                connection.execute(statement)
            connection.execute(sql.INSERT_VERSION, migration.version_row())
