"""Reading a schema of an earlier version, without changing it or keeping anything in a session.

Each statement is given common table expressions in front of the tables that pending migrations change or create: their
names come before those of tables.  A session is left as it was, as it may be a proxy's, or that of a standby.
Source: https://www.postgresql.org/docs/current/sql-select.html#SQL-WITH.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from psycopg import sql

from holdwater.storage.sql.migrations import Migration
from holdwater.storage.sql.older_schema import PendingColumn, read_pending

_WITH: Final = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z_]+")


class OlderSchema:
    """A schema that lacks some migrations.  `schema`: its name."""

    def __init__(self, schema: str, pending: Iterable[Migration]) -> None:
        prefix = sql.Identifier(schema).as_string()
        self._expressions = {
            # NOT MATERIALIZED: indexes of the table are used through it
            name: " ".join((name, "AS NOT MATERIALIZED (", table.query(f"{prefix}.{name}", _typed_default), ")"))
            for name, table in read_pending(pending).items()
        }
        self.adapt = functools.lru_cache(maxsize=512)(self._adapt)

    def _adapt(self, statement: str) -> str:
        """Return a statement that reads the schema as one of this version."""
        used = [
            self._expressions[word] for word in dict.fromkeys(_WORD.findall(statement)) if word in self._expressions
        ]
        if not used:
            return statement
        own = _WITH.match(statement)
        if own is None:
            return " ".join(("WITH", ", ".join(used), statement))
        kind = "WITH RECURSIVE" if own[1] else "WITH"
        return " ".join((kind, ", ".join(used) + ",", statement[own.end() :]))


def _typed_default(column: PendingColumn) -> str:
    return " ".join(("CAST(", column.default, "AS", column.type, ")"))
