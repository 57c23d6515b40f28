"""Bringing a PostgreSQL schema up to date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql as compose

from penstock.model.errors import DatabaseURLError
from penstock.storage.migrations import Applied, Migration, pending
from penstock.storage.postgres import statements as sql
from penstock.storage.postgres.server import Connection, Server

_PACKAGE: Final = "penstock.storage.postgres"

MIGRATIONS: Final = (Migration(_PACKAGE, 1, "pre", "initial"),)


def is_current(connection: Connection, server: Server, known: Sequence[Migration] = MIGRATIONS) -> bool:
    """Whether nothing is left to apply.  Raises SchemaTooNew, psycopg.Error."""
    with connection.transaction():
        _pin(connection, server)
        return not pending(_applied(connection) or (), known, server.name)


def migrate(connection: Connection, server: Server, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Make the schema and apply what is pending, in one transaction, one process after the other.

    Raises SchemaTooNew, DatabaseURLError, psycopg.Error.
    """
    with connection.transaction():
        connection.execute(sql.LOCK_SCHEMA)
        if server.schema is not None:
            name = compose.Identifier(server.schema)
            connection.execute(compose.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
            _pin(connection, server)
        current = connection.execute("SELECT current_schema()").fetchone()
        if current is None or current[0] is None:
            raise DatabaseURLError(f"{server.name}: no schema of its search_path exists", hint="create it first")
        applied = _applied(connection)
        if applied is None:
            connection.execute(sql.CREATE_SCHEMA_VERSION)
        for migration in pending(applied or (), known, server.name):
            for statement in migration.statements():
                connection.execute(statement)
            connection.execute(sql.INSERT_SCHEMA_VERSION, migration.row())


def _pin(connection: Connection, server: Server) -> None:
    if server.pins_each_transaction:
        connection.execute(server.pin("SET LOCAL"))


def _applied(connection: Connection) -> list[Applied] | None:
    """None: there is no record of it at all."""
    if connection.execute(sql.HAS_SCHEMA_VERSION).fetchone() is None:
        return None
    return [(number, phase, name) for number, phase, name in connection.execute(sql.LIST_SCHEMA_VERSIONS)]
