"""Tables of an earlier version, as this one sees them: the columns and tables of the pending migrations.

A reader changes nothing; it reads through these, with defaults in the columns to come, and nothing in the tables to
come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from holdwater.storage.sql.migrations import Migration

_ADDED_COLUMN: Final = re.compile(
    r"ALTER TABLE (\w+) ADD COLUMN (\w+) ([A-Z]+)(?: COLLATE \"C\")?(?: NOT NULL)?(?: DEFAULT (\S+))?", re.DOTALL
)
_NEW_TABLE: Final = re.compile(r"CREATE TABLE (\w+) \((.*)\)[^)]*", re.DOTALL)
_COLUMN: Final = re.compile(r"^ +([a-z_]+) ([A-Z]+)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PendingColumn:
    """A column to come.  `default`: SQL text of its value in the rows there are."""

    name: str
    type: str
    default: str = "NULL"


@dataclass(slots=True)
class PendingTable:
    """A table with columns to come; all of them, if the table itself is to come (`is_new`)."""

    is_new: bool
    columns: list[PendingColumn] = field(default_factory=list)

    def query(self, table: str, to_value: Callable[[PendingColumn], str]) -> str:
        """Return a query for the table as it will be.  `table`: its present name, qualified.

        The text is made of names and defaults in migrations of this package; they cannot be parameters.
        """
        values = [" ".join((to_value(column), "AS", column.name)) for column in self.columns]
        if self.is_new:
            return " ".join(("SELECT", ", ".join(values), "WHERE 1 = 0"))
        return " ".join(("SELECT *,", ", ".join(values), "FROM", table))


def read_pending(pending: Iterable[Migration]) -> dict[str, PendingTable]:
    """Return the tables that pending migrations create or add columns to, by name."""
    tables: dict[str, PendingTable] = {}
    for migration in pending:
        for statement in migration.statements():
            added, made = _ADDED_COLUMN.fullmatch(statement), _NEW_TABLE.fullmatch(statement)
            if added is not None:
                table, name, kind, default = added.groups()
                known = tables.setdefault(table, PendingTable(is_new=False))
                known.columns.append(PendingColumn(name, kind, default or "NULL"))
            elif made is not None:
                columns = [PendingColumn(name, kind) for name, kind in _COLUMN.findall(made[2])]
                tables[made[1]] = PendingTable(is_new=True, columns=columns)
    return tables
