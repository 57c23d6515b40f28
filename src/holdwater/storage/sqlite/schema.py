"""Migration of a SQLite database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from holdwater.storage.sql.migrations import AppliedMigration, Migration, pending_migrations
from holdwater.storage.sqlite import older_schema
from holdwater.storage.sqlite import statements as sql

_PACKAGE: Final = "holdwater.storage.sqlite"

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


def is_current(connection: sqlite3.Connection, database_name: str, known: Sequence[Migration] = MIGRATIONS) -> bool:
    """Return True if no migration is pending.  Raises SchemaTooNew, sqlite3.Error."""
    return not pending_migrations(_applied_migrations(connection) or (), known, database_name)


def has_tables(connection: sqlite3.Connection) -> bool:
    """Return True if the database is one of this package, of whatever version.  Raises sqlite3.Error."""
    return _applied_migrations(connection) is not None


def add_missing(connection: sqlite3.Connection, database_name: str, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Let a connection that only reads see a database of an earlier version as one of this version.

    Raises SchemaTooNew, sqlite3.Error.
    """
    applied = _applied_migrations(connection)
    if applied is not None:
        older_schema.add_pending(connection, pending_migrations(applied, known, database_name))


def migrate(connection: sqlite3.Connection, database_name: str, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply pending migrations in the caller's transaction.  Raises SchemaTooNew, sqlite3.Error."""
    applied = _applied_migrations(connection)
    if applied is None:
        connection.execute(sql.CREATE_SCHEMA_VERSION)
    for migration in pending_migrations(applied or (), known, database_name):
        for statement in migration.statements():
            connection.execute(statement)
        connection.execute(sql.INSERT_SCHEMA_VERSION, migration.version_row())


def _applied_migrations(connection: sqlite3.Connection) -> list[AppliedMigration] | None:
    """List the applied migrations; None if the table of migrations does not exist."""
    if connection.execute(sql.HAS_SCHEMA_VERSION).fetchone() is None:
        return None
    return connection.execute(sql.LIST_SCHEMA_VERSIONS).fetchall()
