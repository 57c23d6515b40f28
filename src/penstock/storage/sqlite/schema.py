"""The schema's life: numbered migrations, each applied once.

The code of the release before survives a *pre* migration, but not a *post* one: so code that meets an unknown post
migration refuses the database.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.model.errors import SchemaTooNew
from penstock.storage.sqlite import statements as sql
from penstock.storage.statements import read


@dataclass(frozen=True, slots=True)
class Migration:
    """`phase`: pre or post.  The file is `migrations/<number>_<phase>_<name>.sql`."""

    number: int
    phase: str
    name: str

    @property
    def text(self) -> str:
        return read("penstock.storage.sqlite", f"migrations/{self.number:04d}_{self.phase}_{self.name}.sql")


MIGRATIONS: Final = (Migration(1, "pre", "initial"), Migration(2, "pre", "descent"))


def is_current(connection: sqlite3.Connection, name: str, known: Sequence[Migration] = MIGRATIONS) -> bool:
    """Whether nothing is left to apply.  Raises SchemaTooNew, sqlite3.Error."""
    return not _pending(connection, name, known)


def migrate(connection: sqlite3.Connection, name: str, known: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply what is pending, all of it in the transaction the caller began.  Raises SchemaTooNew, sqlite3.Error."""
    pending = _pending(connection, name, known)
    if connection.execute(sql.HAS_SCHEMA_VERSION).fetchone() is None:
        connection.execute(sql.CREATE_SCHEMA_VERSION)
    for migration in pending:
        for statement in _statements(migration.text):
            connection.execute(statement)
        applied = (migration.number, migration.phase, migration.name, time.time_ns() // 1000)
        connection.execute(sql.INSERT_SCHEMA_VERSION, applied)


def _pending(connection: sqlite3.Connection, name: str, known: Sequence[Migration]) -> list[Migration]:
    if connection.execute(sql.HAS_SCHEMA_VERSION).fetchone() is None:
        return list(known)
    applied = connection.execute(sql.LIST_SCHEMA_VERSIONS).fetchall()
    numbers = {m.number for m in known}
    for number, phase, title in applied:
        if number not in numbers and phase == "post":
            raise SchemaTooNew(
                f"{name} was changed by a newer Penstock (migration {number}, {title}); this one knows {max(numbers)}",
                hint="upgrade Penstock in this environment, or use another database",
            )
    done = {row[0] for row in applied}
    return [m for m in known if m.number not in done]


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the transaction around them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
