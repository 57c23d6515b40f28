"""Schemas on a server of the tests: empty ones, and those with the tables of the product, for test after test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import psycopg

from holdwater.storage import open_store
from tests.postgres.cluster import Cluster

MAX_USES = 40
"""rows that were deleted stay in the files of their tables, and cost later tests a little"""

FINGERPRINT_QUERY = """
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
IN_USE_QUERY = """
SELECT 1 FROM pg_stat_activity
WHERE backend_type = 'client backend' AND backend_start >= %s AND pid <> pg_backend_pid()
"""
TABLES_QUERY = (
    "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"
)


@dataclass(slots=True)
class PooledSchema:
    """`filled`: the tables that a migration puts rows into, and the rows.  `lent_at`: by the clock of the server."""

    name: str
    fingerprint: str
    seed_rows: dict[str, list[tuple[object, ...]]]
    tables_to_clear: list[str]
    lent_at: object = None
    use_count: int = 0


class SchemaPool:
    """Lends schemas of one server, by the URL that leads to them."""

    def __init__(self, server: Cluster) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._returned: list[PooledSchema] = []
        self._lent: dict[str, PooledSchema] = {}

    def create_empty(self) -> str:
        """A new one without tables."""
        with self._connect() as connection:
            return self._url(self._create_schema(connection))

    def borrow_migrated(self) -> str:
        """One with the tables and rows of a new database; it may have served a test before."""
        with self._connect() as connection:
            schema = next((one for one in list(self._returned) if self._restore(connection, one)), None)
            if schema is None:
                schema = self._create_migrated(connection)
            schema.use_count += 1
            ((schema.lent_at,),) = connection.execute("SELECT clock_timestamp()").fetchall()
        url = self._url(schema.name)
        self._lent[url] = schema
        return url

    def return_schema(self, url: str) -> None:
        """The test is over that borrowed it."""
        schema = self._lent.pop(url)
        if schema.use_count < MAX_USES:
            self._returned.append(schema)

    # -- within

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._server.url(), autocommit=True)

    def _url(self, name: str) -> str:
        return f"{self._server.url()}?options=-csearch_path%3D{name}"

    def _create_schema(self, connection: psycopg.Connection) -> str:
        name = f"t_{next(self._numbers)}"
        connection.execute(f"CREATE SCHEMA {name}")
        return name

    def _create_migrated(self, connection: psycopg.Connection) -> PooledSchema:
        name = self._create_schema(connection)
        open_store(self._url(name)).close()
        tables = [table for (table,) in connection.execute(TABLES_QUERY, (name,))]
        rows = {table: _table_rows(connection, name, table) for table in tables}
        filled = {table: found for table, found in rows.items() if found}
        return PooledSchema(
            name, _schema_fingerprint(connection, name), filled, [table for table in tables if table not in filled]
        )

    def _restore(self, connection: psycopg.Connection, schema: PooledSchema) -> bool:
        """Whether it is as new.  What a test has altered is never lent again, what is still in use stays here."""
        if connection.execute(IN_USE_QUERY, (schema.lent_at,)).fetchone() is not None:
            return False
        self._returned.remove(schema)
        try:
            if _schema_fingerprint(connection, schema.name) != schema.fingerprint:
                return False
            connection.execute("SET lock_timeout = '1s'")
            with connection.transaction():
                for table in schema.tables_to_clear:
                    connection.execute(f"DELETE FROM {schema.name}.{table}")
            return all(_table_rows(connection, schema.name, table) == rows for table, rows in schema.seed_rows.items())
        except psycopg.Error:  # it was dropped, or a prepared transaction holds a row
            return False


def _schema_fingerprint(connection: psycopg.Connection, name: str) -> str:
    ((shape,),) = connection.execute(FINGERPRINT_QUERY, (name,)).fetchall()
    return str(shape)


def _table_rows(connection: psycopg.Connection, name: str, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {name}.{table} ORDER BY 1").fetchall()
