"""A schema of an earlier version: it is read as it is, through a proxy and on a standby, too; writers upgrade it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from holdwater import DefaultRunner
from holdwater.operations.databases import open_for_control, open_for_reading
from holdwater.server.tenant_database import TenantDatabase
from holdwater.storage import open_store
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres import schema
from holdwater.storage.postgres.older_schema import OlderSchema
from holdwater.storage.postgres.server import PostgresServer
from tests.postgres.cluster import Cluster
from tests.storage.older_schema import check_everything_is_read, submit_waiting_run

Admin = psycopg.Connection[tuple[Any, ...]]
CURRENT = "of_this_version"


@pytest.fixture(scope="module")
def admin(postgres: Cluster) -> Iterator[Admin]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def run_id(postgres: Cluster) -> str:
    """A run that waits for an answer, in a schema of this version."""
    with DefaultRunner.with_schema(postgres.url(), CURRENT) as runner:
        return submit_waiting_run(runner)


def make_older(postgres: Cluster, admin: Admin, name: str, count: int) -> None:
    """Copy what is in the schema of this version to one that has the first `count` migrations."""
    server = PostgresServer.from_url(postgres.url(), StoreOptions(schema=name))
    connection = server.connect()
    schema.migrate(connection, server, schema.MIGRATIONS[:count])
    connection.close()
    columns: dict[str, list[str]] = {}
    found = admin.execute(
        "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (name,),
    )
    for table, column in found:
        columns.setdefault(table, []).append(column)
    for table in ("plans", "runs", *sorted(columns)):
        if table not in ("schema_version", "notify_channel", "run_logs"):
            listed = sql.SQL(", ").join([sql.Identifier(column) for column in columns[table]])
            statement = sql.SQL("INSERT INTO {to} ({columns}) SELECT {columns} FROM {source} ON CONFLICT DO NOTHING")
            admin.execute(
                statement.format(to=sql.Identifier(name, table), columns=listed, source=sql.Identifier(CURRENT, table))
            )


@pytest.mark.parametrize("count", range(1, len(schema.MIGRATIONS)))
def test_everything_is_read_and_nothing_is_changed(postgres: Cluster, admin: Admin, run_id: str, count: int) -> None:
    name = f"older_{count}"
    make_older(postgres, admin, name, count)
    with open_for_reading(postgres.url(), name) as database:
        check_everything_is_read(database, run_id, len(schema.MIGRATIONS) - count)
    versions = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name, "schema_version"))
    assert admin.execute(versions).fetchone() == (count,)


def test_a_session_is_left_as_it_was(postgres: Cluster, admin: Admin, run_id: str) -> None:
    make_older(postgres, admin, "older_session", 1)
    options = StoreOptions(schema="older_session", read_only=True)  # with prepared statements and settings
    store = open_store(postgres.url(), options)
    for _ in range(5):
        assert [row.id for row in store.iter_runs()] == [run_id]
    store.close()
    temporary = admin.execute("SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text LIKE 'pg_temp%'")
    assert temporary.fetchone() == (0,)


def test_the_web_ui_only_reads_it_and_writers_upgrade_it(postgres: Cluster, admin: Admin, run_id: str) -> None:
    make_older(postgres, admin, "older_ui", 2)
    older = TenantDatabase.open(postgres.url(), schema="older_ui")
    assert older.is_read_only
    assert "holdwater migrate" in older.read_only_reason
    assert older.folded_runs.view(run_id).id == run_id
    older.close()
    with open_for_control(postgres.url(), "older_ui") as engine:
        assert engine.store.inspect().pending == ()
        assert engine.reader.row(run_id).labels == {"env": "prod"}


def test_only_tables_that_a_statement_names_are_put_in_front() -> None:
    older = OlderSchema('odd "name"', schema.MIGRATIONS[1:])
    assert older.adapt("SELECT 1 FROM journal") == "SELECT 1 FROM journal"
    read = older.adapt("SELECT * FROM runs")
    assert read.startswith("WITH runs AS NOT MATERIALIZED ( SELECT *, CAST( '' AS TEXT ) AS origin,")
    assert read.endswith('FROM "odd ""name""".runs ) SELECT * FROM runs')
    recursive = older.adapt("WITH RECURSIVE d AS (SELECT 1 FROM runs) SELECT * FROM d")
    assert recursive.startswith("WITH RECURSIVE runs AS NOT MATERIALIZED (")
    assert recursive.endswith(", d AS (SELECT 1 FROM runs) SELECT * FROM d")
