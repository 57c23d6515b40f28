"""Migration of a PostgreSQL schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql as compose

from holdwater.errors import DatabaseURLError
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.older_schema import OlderSchema
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer
from holdwater.storage.sql.migrations import AppliedMigration, Migration, pending_migrations

_PACKAGE: Final = "holdwater.storage.postgres"

MIGRATIONS: Final = (
    Migration(_PACKAGE, 1, "pre", "initial"),
    Migration(_PACKAGE, 2, "pre", "run_facts"),
    Migration(_PACKAGE, 3, "pre", "catalog_and_runners"),
    Migration(_PACKAGE, 4, "pre", "run_logs"),
    Migration(_PACKAGE, 5, "pre", "drawings"),
    Migration(_PACKAGE, 6, "pre", "questions"),
    Migration(_PACKAGE, 7, "pre", "map_items"),
    Migration(_PACKAGE, 8, "pre", "bulk_jobs_and_settings"),
    Migration(_PACKAGE, 9, "pre", "releases"),
    Migration(_PACKAGE, 10, "pre", "limits_and_secrets"),
)


def is_current(connection: PostgresConnection, server: PostgresServer, known: Sequence[Migration] = MIGRATIONS) -> bool:
    """Return True if no migration is pending.  Raises SchemaTooNew, psycopg.Error."""
    with connection.transaction():
        _apply_settings(connection, server)
        return not pending_migrations(_applied_migrations(connection) or (), known, server.name)


def older_schema(connection: PostgresConnection, server: PostgresServer) -> OlderSchema:
    """Return what reads the schema of an earlier version.  Raises DatabaseURLError if there is none, psycopg.Error."""
    with connection.transaction():
        _apply_settings(connection, server)
        applied = _applied_migrations(connection)
        if applied is None:
            raise DatabaseURLError(
                f"{server.name} has no tables of Holdwater, and a reader makes none",
                hint="name another database or schema, or start a runner on this one",
            )
        ((name,),) = connection.execute("SELECT current_schema()").fetchall()
        return OlderSchema(name, pending_migrations(applied, MIGRATIONS, server.name))


def migrate(connection: PostgresConnection, server: PostgresServer, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Create the schema and apply pending migrations in one transaction, one process at a time (advisory lock).

    Raises SchemaTooNew, DatabaseURLError, psycopg.Error.
    """
    with connection.transaction():
        connection.execute(sql.LOCK_SCHEMA)
        ensure_schema(connection, server)
        current = connection.execute("SELECT current_schema()").fetchone()
        if current is None or current[0] is None:
            raise DatabaseURLError(
                f"{server.name}: no schema of its search_path is there for this role",
                hint="create it first, or let its owner GRANT USAGE ON SCHEMA to the role",
            )
        applied = _applied_migrations(connection)
        if applied is None:
            connection.execute(sql.CREATE_SCHEMA_VERSION)
        for migration in pending_migrations(applied or (), known, server.name):
            for statement in migration.statements():
                connection.execute(statement)
            connection.execute(sql.INSERT_SCHEMA_VERSION, migration.version_row())


def ensure_schema(connection: PostgresConnection, server: PostgresServer) -> None:
    """Create the schema if it does not exist.  Raises psycopg.Error."""
    if server.schema is None:
        return
    if connection.execute(sql.HAS_SCHEMA, (server.schema,)).fetchone() is None:
        # checked first, because even IF NOT EXISTS needs the privilege to create
        connection.execute(compose.SQL("CREATE SCHEMA {}").format(compose.Identifier(server.schema)))
    _apply_settings(connection, server)


def notify_channel(connection: PostgresConnection, server: PostgresServer) -> str:
    """Return the NOTIFY channel of the runners of this schema.  Raises psycopg.Error."""
    with connection.transaction():
        _apply_settings(connection, server)
        ((name,),) = connection.execute(sql.GET_NOTIFY_CHANNEL).fetchall()
        return str(name)


def _apply_settings(connection: PostgresConnection, server: PostgresServer) -> None:
    if server.sets_per_transaction:
        connection.execute(server.settings_statement(local=True))


def _applied_migrations(connection: PostgresConnection) -> list[AppliedMigration] | None:
    """List the applied migrations; None if the table of migrations does not exist."""
    if connection.execute(sql.HAS_SCHEMA_VERSION).fetchone() is None:
        return None
    return [(number, phase, name) for number, phase, name in connection.execute(sql.LIST_SCHEMA_VERSIONS)]
