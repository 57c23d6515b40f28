"""Reading a database whose schema is that of an earlier version, without changing it.

A connection that reads gets a view in its own TEMP database for each table that pending migrations change or create.
SQLite looks for a name there first, and reads through such a view as it reads the table.
Source: https://sqlite.org/lang_naming.html.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from holdwater.storage.sql.migrations import Migration
from holdwater.storage.sql.older_schema import read_pending


def add_pending(connection: sqlite3.Connection, pending: Iterable[Migration]) -> None:
    """Add what pending migrations would, in the TEMP database of a connection.  Raises sqlite3.Error."""
    for name, table in read_pending(pending).items():
        query = table.query(f"main.{name}", lambda column: column.default)
        connection.execute(" ".join(("CREATE TEMP VIEW", name, "AS", query)))
