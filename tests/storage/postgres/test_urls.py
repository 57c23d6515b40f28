"""Opening a PostgreSQL database: what its URL may say, what is made there, and what is refused."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import psycopg
import pytest
from psycopg import sql

from holdwater.errors import DatabaseURLError, HoldwaterError, SchemaTooNew, StoreReadOnly, StoreUnavailable
from holdwater.model.records import Committed
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres.store import PostgresStore
from holdwater.storage.urls import parse_url
from tests.postgres.cluster import Cluster
from tests.storage.factories import make_run_row, new_run_update

SECRET = "hush-hush"


@pytest.fixture
def admin(postgres: Cluster) -> Iterator[psycopg.Connection]:
    """A connection of somebody who looks at the server from outside."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


def open_error(url: str, options: StoreOptions | None = None) -> HoldwaterError:
    with pytest.raises(HoldwaterError) as caught:
        open_store(url, options)
    return caught.value


# -- URLs


def test_options_of_the_url_reach_the_server(new_schema: Callable[[], str], admin: psycopg.Connection) -> None:
    with closing(open_store(new_schema() + "&application_name=till%20one")) as store:
        store.commit([new_run_update("r1")])
        seen = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'till one'").fetchone()
    assert seen == (1,)


def test_without_a_name_it_is_ours(new_schema: Callable[[], str], admin: psycopg.Connection) -> None:
    with closing(open_store(new_schema())):
        names = admin.execute("SELECT DISTINCT application_name FROM pg_stat_activity").fetchall()
    assert ("holdwater",) in names


def test_both_schemes_are_the_same(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    with closing(open_store(url)) as store:
        store.commit([new_run_update("r1")])
    with closing(open_store(url.replace("postgresql://", "postgres://"))) as store:
        assert store.get_run("r1") == make_run_row("r1")


def test_encryption_that_is_required_is_not_done_without(postgres: Cluster) -> None:
    error = open_error(f"{postgres.url()}?sslmode=require")
    assert isinstance(error, StoreUnavailable)
    assert "SSL" in str(error)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://h/db?frobnicate=1", "frobnicate"),
        ("postgresql://h:abc/db", "port"),
        ("postgresql://h:99999/db", "port"),
        ("postgresql://h", "names no database"),
        ("postgresql://h/", "names no database"),
        ("postgresql://", "names no database"),
        ("postgresql://h/db?connect_timeout=soon", "connect_timeout"),
        ("postgresql://h/db%zz", "percent"),
        ("postgresql+psycopg://h/db", "there is only one here"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, says: str) -> None:
    error = open_error(url)
    assert isinstance(error, DatabaseURLError)
    assert isinstance(error, ValueError)
    assert says in str(error)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:{SECRET}@127.0.0.1:1/db?frobnicate=1",
        f"postgresql://me:{SECRET}@127.0.0.1:abc/db",
        f"postgresql://me:{SECRET}@127.0.0.1",
        f"postgresql://me:a@{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:a/{SECRET}@127.0.0.1:1/db",
        f"postgresql://me:%zz{SECRET}@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?user=me&password={SECRET}",
        f"postgresql://127.0.0.1:1/db?password={SECRET}&frobnicate=1",
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1/db",
        f"postgresq://me:{SECRET}@127.0.0.1/db",
    ],
)
def test_no_error_shows_a_password(url: str) -> None:
    seen: BaseException | None = open_error(url)
    while seen is not None:
        assert SECRET not in f"{seen!s} {seen!r}"
        seen = seen.__cause__


def test_a_store_does_not_show_its_password(new_schema: Callable[[], str]) -> None:
    url = new_schema().replace("postgres@", f"postgres:{SECRET}@")
    with closing(PostgresStore(url, StoreOptions())) as store:
        assert SECRET not in store.url + repr(store) + repr(parse_url(url)) + repr(store._server)


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        error = open_error(f"postgresql://127.0.0.1:{probe.getsockname()[1]}/db")
    assert isinstance(error, StoreUnavailable)
    assert isinstance(error, ConnectionError)
    assert isinstance(error, RuntimeError)
    assert isinstance(error, ValueError), "whoever opens it catches one kind for all that is wrong with a URL"


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        error = open_error(f"postgresql://127.0.0.1:{mute.getsockname()[1]}/db?connect_timeout=2")
    assert isinstance(error, StoreUnavailable)


def test_a_database_that_is_not_there(postgres: Cluster) -> None:
    error = open_error(postgres.url("nowhere"))
    assert isinstance(error, StoreUnavailable)
    assert 'database "nowhere" does not exist' in str(error)


# -- schemas


@pytest.mark.parametrize(
    "name", ["", "a b", 'a"b', "x; DROP SCHEMA y", "Ünicode", "a" * 64, "1a", "_a", "a-b", "a\n", "a.b", "%", "x\0"]
)
def test_a_name_that_is_none(postgres: Cluster, admin: psycopg.Connection, name: str) -> None:
    before = admin.execute("SELECT count(*) FROM pg_namespace").fetchone()
    assert isinstance(open_error(postgres.url(), StoreOptions(schema=name)), ValueError)
    assert admin.execute("SELECT count(*) FROM pg_namespace").fetchone() == before


@pytest.mark.parametrize("name", ["public", "PUBLIC", "pg_temp", "PG_catalog", "pg_toast", "information_schema"])
def test_a_name_that_is_reserved(postgres: Cluster, name: str) -> None:
    error = open_error(postgres.url(), StoreOptions(schema=name))
    assert isinstance(error, ValueError)
    assert "reserved" in str(error)


@pytest.mark.parametrize("name", ["TenantA", "tenant_123_abc", "select", "A" * 63])
@pytest.mark.parametrize("prepare", [True, False])
def test_a_schema_of_any_other_name_is_made(
    postgres: Cluster, admin: psycopg.Connection, name: str, prepare: bool
) -> None:
    options = StoreOptions(schema=name, prepare_statements=prepare)
    try:
        with closing(open_store(postgres.url(), options)) as store:
            store.commit([new_run_update("r1")])
        table = sql.Identifier(name, "runs")
        assert admin.execute(sql.SQL("SELECT id FROM {}").format(table)).fetchall() == [("r1",)]
    finally:
        admin.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))


@pytest.mark.parametrize("prepare", [True, False])
def test_tenants_do_not_see_each_other(postgres: Cluster, admin: psycopg.Connection, prepare: bool) -> None:
    long = "tenant_" + "x" * 55
    names = [long + "a", long + "b"]
    stores = [open_store(postgres.url(), StoreOptions(schema=n, prepare_statements=prepare)) for n in names]
    try:
        for store in stores:
            assert store.commit([new_run_update("r1", idempotency_key="k")]) == [Committed()]
        stores[0].commit([new_run_update("r2")])
        assert stores[1].get_run("r2") is None
    finally:
        for store, name in zip(stores, names, strict=True):
            store.close()
            admin.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def test_what_public_has_is_not_taken_for_ours(postgres: Cluster, admin: psycopg.Connection) -> None:
    admin.execute("CREATE TABLE public.runs (id TEXT)")
    admin.execute("CREATE FUNCTION public.unnest(TEXT[]) RETURNS SETOF TEXT LANGUAGE sql AS $$ SELECT 'mine' $$")
    try:
        with closing(open_store(postgres.url(), StoreOptions(schema="aside"))) as store:
            store.commit([new_run_update("r1")])
            assert store.get_run("r1") == make_run_row("r1")
        assert admin.execute("SELECT count(*) FROM public.runs").fetchone() == (0,)
    finally:
        admin.execute("DROP TABLE public.runs")
        admin.execute("DROP FUNCTION public.unnest(TEXT[])")
        admin.execute("DROP SCHEMA aside CASCADE")


# -- migrations


@pytest.mark.parametrize("prepare", [True, False])
def test_four_threads_start_at_once_on_a_new_schema(
    postgres: Cluster, admin: psycopg.Connection, prepare: bool
) -> None:
    together = Barrier(4)

    def open_(name: str) -> None:
        together.wait()
        open_store(postgres.url(), StoreOptions(schema=name, prepare_statements=prepare)).close()

    with ThreadPoolExecutor(4) as pool:
        for i in range(5):
            name = f"crowd_{i}"
            for started in [pool.submit(open_, name) for _ in range(4)]:
                started.result()
            admin.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


def add_migration(url: str, phase: str) -> None:
    open_store(url).close()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, %s, 'later', 0)", (phase,))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused(new_schema: Callable[[], str], read_only: bool) -> None:
    url = new_schema()
    add_migration(url, "post")
    with pytest.raises(SchemaTooNew, match=r"migration 99, later"):
        open_store(url, StoreOptions(read_only=read_only))


def test_a_newer_schema_that_this_code_survives_is_not(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    add_migration(url, "pre")
    open_store(url).close()


def test_a_migration_that_fails_leaves_nothing(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE work (of_somebody_else TEXT)")
    assert "work" in str(open_error(url))
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    assert tables == [("work",)]


# -- rights


def test_a_database_opened_to_read(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    with closing(open_store(url)) as store:
        store.commit([new_run_update("r1")])
    with closing(open_store(url, StoreOptions(read_only=True))) as reader:
        assert reader.get_run("r1") == make_run_row("r1")
        assert [row.id for row in reader.iter_runs()] == ["r1"]
        for write in (
            lambda: reader.commit([new_run_update("r2")]),
            lambda: reader.claim_work("me", Micros(1), Micros(1), 1, ["orders"]),
            lambda: reader.release_work("me", []),
            lambda: reader.renew_leases("me", Micros(1)),
            lambda: reader.reclaim_expired(Micros(1)),
        ):
            with pytest.raises(StoreReadOnly):
                write()


def test_a_reader_makes_nothing(postgres: Cluster, new_schema: Callable[[], str], admin: psycopg.Connection) -> None:
    url = new_schema()
    with pytest.raises(DatabaseURLError, match="no tables of Holdwater"):
        open_store(url, StoreOptions(read_only=True))
    with pytest.raises(DatabaseURLError):
        open_store(postgres.url(), StoreOptions(read_only=True, schema="never_made"))
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema()").fetchall() == []
    assert admin.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'never_made'").fetchall() == []


def test_a_server_that_takes_no_changes(new_schema: Callable[[], str]) -> None:
    url = new_schema()
    open_store(url).close()
    standby = url + "%20-cdefault_transaction_read_only%3Don"
    with closing(open_store(standby)) as store:
        assert store.get_run("r1") is None
        with pytest.raises(StoreReadOnly, match="takes no changes"):
            store.commit([new_run_update("r1")])


def test_a_role_without_privileges_gets_a_clear_error(
    postgres: Cluster, new_schema: Callable[[], str], admin: psycopg.Connection
) -> None:
    url = new_schema()
    open_store(url).close()
    admin.execute("CREATE ROLE stranger LOGIN")
    try:
        error = open_error(url.replace("postgres@", "stranger@"))
    finally:
        admin.execute("DROP ROLE stranger")
    assert "GRANT" in str(error) or "role" in str(error)


# -- without the driver


def test_a_missing_driver_error_says_what_to_install() -> None:
    script = (
        "import sys\nsys.modules['psycopg'] = None\nfrom holdwater.storage import open_store\n"
        "try:\n    open_store('postgresql://h/db')\n"
        "except ValueError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("DatabaseURLError")
    assert "pip install 'holdwater[postgres]'" in done.stdout


def test_the_driver_is_not_imported_unless_used() -> None:
    script = (
        "import sys, holdwater\nfrom holdwater.storage import open_store\nopen_store('sqlite://').close()\n"
        "open_store('memory://').close()\nprint('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("url", ["sqlite://", "memory://"])
def test_schemas_are_postgresqls(url: str) -> None:
    with pytest.raises(DatabaseURLError, match="requires PostgreSQL"):
        open_store(url, StoreOptions(schema="tenant_a"))
