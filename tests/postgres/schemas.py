"""Schemas on a server of the tests: empty ones, and those with the tables of the product, for test after test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import psycopg

from holdwater.storage import open_store
from tests.postgres.cluster import Cluster

MOST_USES = 40
"""rows that were deleted stay in the files of their tables, and cost later tests a little"""

SHAPE = """
WITH mine AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = %s),
relations AS (SELECT pg_class.* FROM pg_class JOIN mine ON relnamespace = mine.oid)
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
  SELECT row(nspname, nspowner, nspacl)::TEXT FROM mine
  UNION ALL SELECT row(relname, relkind, relowner, relacl, reloptions)::TEXT FROM relations
  UNION ALL SELECT row(attrelid, attname, atttypid, attnotnull, attacl)::TEXT
  FROM pg_attribute JOIN relations ON oid = attrelid
  UNION ALL SELECT row(tgrelid, tgname, tgenabled, tgtype)::TEXT
  FROM pg_trigger JOIN relations ON relations.oid = tgrelid
  UNION ALL SELECT row(proname, prosrc)::TEXT FROM pg_proc JOIN mine ON pronamespace = mine.oid
) AS parts (part)
"""
IN_USE = """
SELECT 1 FROM pg_stat_activity
WHERE backend_type = 'client backend' AND backend_start >= %s AND pid <> pg_backend_pid()
"""
TABLES = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"


@dataclass(slots=True)
class Schema:
    """`filled`: the tables that a migration puts rows into, and the rows.  `lent_at`: by the clock of the server."""

    name: str
    shape: str
    filled: dict[str, list[tuple[object, ...]]]
    emptied: list[str]
    lent_at: object = None
    uses: int = 0


class Schemas:
    """Lends schemas of one server, by the URL that leads to them."""

    def __init__(self, server: Cluster) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._returned: list[Schema] = []
        self._lent: dict[str, Schema] = {}

    def empty(self) -> str:
        """A new one without tables."""
        with self._connected() as connection:
            return self._url(self._created(connection))

    def migrated(self) -> str:
        """One with the tables and rows of a new database; it may have served a test before."""
        with self._connected() as connection:
            schema = next((one for one in list(self._returned) if self._restored(connection, one)), None)
            if schema is None:
                schema = self._migrated(connection)
            schema.uses += 1
            ((schema.lent_at,),) = connection.execute("SELECT clock_timestamp()").fetchall()
        url = self._url(schema.name)
        self._lent[url] = schema
        return url

    def give_back(self, url: str) -> None:
        """The test is over that borrowed it."""
        schema = self._lent.pop(url)
        if schema.uses < MOST_USES:
            self._returned.append(schema)

    # -- within

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(self._server.url(), autocommit=True)

    def _url(self, name: str) -> str:
        return f"{self._server.url()}?options=-csearch_path%3D{name}"

    def _created(self, connection: psycopg.Connection) -> str:
        name = f"t_{next(self._numbers)}"
        connection.execute(f"CREATE SCHEMA {name}")
        return name

    def _migrated(self, connection: psycopg.Connection) -> Schema:
        name = self._created(connection)
        open_store(self._url(name)).close()
        tables = [table for (table,) in connection.execute(TABLES, (name,))]
        rows = {table: _rows(connection, name, table) for table in tables}
        filled = {table: found for table, found in rows.items() if found}
        return Schema(name, _shape(connection, name), filled, [table for table in tables if table not in filled])

    def _restored(self, connection: psycopg.Connection, schema: Schema) -> bool:
        """Whether it is as new.  What a test has altered is never lent again, what is still in use stays here."""
        if connection.execute(IN_USE, (schema.lent_at,)).fetchone() is not None:
            return False
        self._returned.remove(schema)
        try:
            if _shape(connection, schema.name) != schema.shape:
                return False
            connection.execute("SET lock_timeout = '1s'")
            with connection.transaction():
                for table in schema.emptied:
                    connection.execute(f"DELETE FROM {schema.name}.{table}")
            return all(_rows(connection, schema.name, table) == rows for table, rows in schema.filled.items())
        except psycopg.Error:  # it was dropped, or a prepared transaction holds a row
            return False


def _shape(connection: psycopg.Connection, name: str) -> str:
    ((shape,),) = connection.execute(SHAPE, (name,)).fetchall()
    return str(shape)


def _rows(connection: psycopg.Connection, name: str, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {name}.{table} ORDER BY 1").fetchall()
