"""Reading a database whose schema is that of an earlier version, without changing it.

A connection that reads gets the columns and tables of the pending migrations in its own TEMP database: a view in front
of each table that has columns to come, with their defaults, and the tables to come, empty.  SQLite looks for a name
there first, and reads through such a view as it reads the table.  Source: https://sqlite.org/lang_naming.html.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Final

from holdwater.storage.sql.migrations import Migration

_ADDED_COLUMN: Final = re.compile(
    r"ALTER TABLE (\w+) ADD COLUMN (\w+) [A-Z]+(?: NOT NULL)?(?: DEFAULT (\S+))?", re.DOTALL
)
_NEW_TABLE: Final = re.compile(r"CREATE TABLE (\w+) \(", re.DOTALL)


def add_pending(connection: sqlite3.Connection, pending: Iterable[Migration]) -> None:
    """Add what pending migrations would, in the TEMP database of a connection.  Raises sqlite3.Error."""
    columns: dict[str, list[str]] = {}
    for migration in pending:
        for statement in migration.statements():
            added, made = _ADDED_COLUMN.fullmatch(statement), _NEW_TABLE.match(statement)
            if added is not None:
                table, column, default = added.groups()
                columns.setdefault(table, []).append(f"{default or 'NULL'} AS {column}")
            elif made is not None:
                connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
    for table, added_columns in columns.items():
        connection.execute(_view_statement(table, added_columns))


def _view_statement(table: str, added_columns: Iterable[str]) -> str:
    """Build a view from names in migrations of this package; they cannot be parameters."""
    return " ".join(("CREATE TEMP VIEW", table, "AS SELECT *,", ", ".join(added_columns), "FROM main." + table))
