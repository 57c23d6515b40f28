"""Opening a PostgreSQL database: what its URL says, what is refused, and what is left in a session."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import (
    DatabaseURLError,
    HoldwaterError,
    RunnerClosed,
    StoreError,
    StoreReadOnly,
    StoreUnreachable,
)
from holdwater.model.records import Committed
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.options import StoreOptions
from tests.postgres.cluster import Cluster
from tests.storage.factories import make_work_row, new_run_update, run_update

SECRET = "geheim"


@pytest.fixture
def admin(postgres: Cluster) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


Admin = psycopg.Connection[tuple[Any, ...]]


def open_error(url: str, options: StoreOptions | None = None) -> HoldwaterError:
    with pytest.raises((DatabaseURLError, StoreError)) as caught:
        open_store(url, options).close()
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert isinstance(caught.value, HoldwaterError)
    return caught.value


@pytest.mark.parametrize(
    ("place", "kind", "text"),
    [
        ("/postgres?sslmode=require", StoreUnreachable, "turn on ssl"),
        ("/postgres?nonsense=1", DatabaseURLError, "nonsense"),
        ("", DatabaseURLError, "names no database"),
        ("/", DatabaseURLError, "names no database"),
        ("/nowhere", StoreUnreachable, "create the database first"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(postgres: Cluster, place: str, kind: type[Exception], text: str) -> None:
    error = open_error(f"postgresql://postgres:{SECRET}@127.0.0.1:{postgres.port}{place}")
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://nobody:{SECRET}@127.0.0.1:PORT/postgres",
        f"postgresql://postgres:{SECRET}@127.0.0.1:abc/postgres",
        f"postgresql://postgres:{SECRET}@127.0.0.1:99999/postgres",
        f"postgresql://postgres:a@{SECRET}@127.0.0.1:PORT/postgres?connect_timeout=2",
        f"postgresql://postgres@127.0.0.1:PORT/nowhere?password={SECRET}",
        f"postgresql://postgres:{SECRET}@127.0.0.1:1/postgres",
    ],
)
def test_no_password_in_any_message(postgres: Cluster, url: str) -> None:
    open_error(url.replace("PORT", str(postgres.port)))


def test_no_password_in_any_repr(new_schema: Callable[[], str]) -> None:
    url = new_schema().replace("postgres@", f"postgres:{SECRET}@")
    config = DefaultRunnerConfig(listen_url=url)
    with DefaultRunner(url, config=config) as runner:
        store: Any = runner._engine.store
        shown = [repr(runner), repr(config), repr(runner.config), store.url, repr(store._server), repr(store._options)]
        assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize("given", [None, "orders"])
def test_the_application_has_a_name(new_schema: Callable[[], str], admin: Admin, given: str | None) -> None:
    store = open_store(new_schema() + (f"&application_name={given}" if given else ""))
    names = {name for (name,) in admin.execute("SELECT application_name FROM pg_stat_activity")}
    store.close()
    assert (given or "holdwater") in names


def test_no_more_connections_than_the_pool_has(new_schema: Callable[[], str], admin: Admin) -> None:
    store = open_store(f"{new_schema()}&application_name=bound", StoreOptions(pool_size=3))
    heard = threading.Event()
    store.listen(lambda news: heard.set())
    assert heard.wait(20)
    start = threading.Barrier(21)
    seen: list[int] = []

    def use(number: int) -> None:
        start.wait()
        for k in range(10):
            store.commit([new_run_update(f"r{number}-{k}")])

    threads = [threading.Thread(target=use, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    start.wait()
    while any([thread.is_alive() for thread in threads]) or not seen:
        ((count,),) = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bound'").fetchall()
        seen.append(count)
    store.close()
    assert 2 <= max(seen) <= 4


@pytest.mark.parametrize(
    "name",
    [
        "public; drop schema x", 'a"b', "a" * 64, "pg_temp", "PG_toast", "Ünicode", "", "public", "Public", "1a", "_a",
        "information_schema", "a b", "a\n", "a\0b",
    ],
)  # fmt: skip
def test_names_no_schema_can_have(postgres: Cluster, name: str) -> None:
    """Bad input 6."""
    assert type(open_error(postgres.url(), StoreOptions(schema=name))) is DatabaseURLError


def test_names_that_differ_in_case_or_at_the_end_are_two(postgres: Cluster) -> None:
    names = ["Tenant_A", "tenant_a", "a" * 62 + "b", "a" * 62 + "c"]
    stores = [open_store(postgres.url(), StoreOptions(schema=name)) for name in names]
    for store, name in zip(stores, names):
        store.commit([new_run_update(name)])
    assert [[head.id for head in store.iter_runs()] for store in stores] == [[name] for name in names]
    for store in stores:
        store.close()


@pytest.mark.parametrize("prepare", [True, False])
def test_a_table_of_the_same_name_elsewhere_is_never_touched(postgres: Cluster, admin: Admin, prepare: bool) -> None:
    database = f"d{os.urandom(4).hex()}"
    admin.execute(f"CREATE DATABASE {database}")
    url = postgres.url(database)
    tables = ("runs", "journal", "work", "plans", "schema_version", "notify_channel")
    with psycopg.connect(url, autocommit=True) as owner:
        for table in tables:
            owner.execute(f"CREATE TABLE public.{table} (mine INTEGER)")
    places: list[tuple[str, str | None]] = [(url, None), (url, "other")]
    if prepare:
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE SCHEMA first")
        places.append((f"{url}?options=-csearch_path%3Dfirst,public", None))
    for place, schema in places:
        store = open_store(place, StoreOptions(prepare_statements=prepare, schema=schema))
        assert store.commit([new_run_update("r1", [make_work_row("r1")])]) == [Committed()]
        assert len(store.claim_work("o", Micros(9), Micros(200), 5, ["orders"])) == 1
        store.close()
    with psycopg.connect(url) as owner:
        assert [owner.execute(f"SELECT * FROM public.{table}").fetchall() for table in tables] == [[]] * len(tables)


def test_a_session_is_left_as_it_was(postgres: Cluster, admin: Admin) -> None:
    """Behind a proxy that gives each transaction another session."""
    store: Any = open_store(postgres.url(), StoreOptions(prepare_statements=False, schema="stateless", pool_size=1))
    with store._pool.connection() as session:
        before = session.execute("SELECT name, setting FROM pg_settings ORDER BY name").fetchall()
    for n in range(8):
        store.commit([new_run_update(f"r{n}", [make_work_row(f"r{n}")])])
        store.claim_work("o", 9, 200, 5, ["orders"])
        store.get_run("r0")
        store.renew_leases("o", n)
        store.commit([run_update(f"r{n}", 5)])  # a conflict takes the longer way
    store.release_work("o", store.work_of_owner("o"))
    with store._pool.connection() as session:
        assert session.execute("SELECT name, setting FROM pg_settings ORDER BY name").fetchall() == before
        assert session.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        own_locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert session.execute(own_locks).fetchone() == (0,)
    store.close()


def test_four_threads_make_one_schema(postgres: Cluster) -> None:
    start = threading.Barrier(4)
    stores: list[Any] = []

    def open_() -> None:
        start.wait()
        stores.append(open_store(postgres.url(), StoreOptions(schema="raced")))

    threads = [threading.Thread(target=open_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.commit([new_run_update(f"r{n}")]) for n, store in enumerate(stores)] == [[Committed()]] * 4
    for store in stores:
        store.close()


def test_a_reader_makes_nothing_and_changes_nothing(postgres: Cluster, admin: Admin) -> None:
    options = StoreOptions(schema="looked_at", read_only=True)
    assert "a reader makes none" in str(open_error(postgres.url(), options))
    assert admin.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'looked_at'").fetchone() is None
    writer = open_store(postgres.url(), StoreOptions(schema="looked_at"))
    writer.commit([new_run_update("r1", [make_work_row("r1")])])
    reader = open_store(postgres.url(), options)
    assert reader.journal_lengths(["r1"]) == {"r1": 1}
    calls: list[Callable[[], Any]] = [
        lambda: reader.commit([new_run_update("r2")]),
        lambda: reader.claim_work("o", Micros(9), Micros(200), 5, ["orders"]),
        lambda: reader.release_work("o", [make_work_row("r1")]),
        lambda: reader.renew_leases("o", Micros(5)),
        lambda: reader.reclaim_expired(Micros(5)),
    ]
    for call in calls:
        with pytest.raises(StoreReadOnly):
            call()
    assert [head.id for head in writer.iter_runs()] == ["r1"]
    reader.close()
    writer.close()


def test_a_role_that_may_not_create(postgres: Cluster, admin: Admin) -> None:
    admin.execute("CREATE ROLE guest LOGIN")
    url = postgres.url().replace("postgres@", "guest@")
    text = str(open_error(url, StoreOptions(schema="not_mine")))
    assert "permission denied" in text
    assert "hint" in text


def test_a_forked_child_refuses_and_the_parent_goes_on(new_schema: Callable[[], str]) -> None:
    store = open_store(new_schema())
    store.commit([new_run_update("r1")])
    told = threading.Event()
    store.listen(lambda news: told.set())
    assert told.wait(20)
    for n in range(3):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.get_run("r1")
            except RunnerClosed:
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert store.commit([new_run_update(f"after{n}")]) == [Committed()]
        assert store.get_run("r1") is not None
    store.close()


def test_one_waits_for_no_other(new_schema: Callable[[], str], postgres: Cluster) -> None:
    """Rows that another transaction holds are passed over, not waited for; each row is given once."""
    url = new_schema()
    store = open_store(url)
    store.commit([new_run_update(f"r{n:03}", [make_work_row(f"r{n:03}")]) for n in range(200)])
    with psycopg.connect(url) as holder:
        holder.execute("SELECT 1 FROM work WHERE run_id < 'r010' FOR UPDATE")
        assert [row.run_id for row in store.claim_work("first", Micros(9), Micros(200), 5, ["orders"])] == [
            f"r{n:03}" for n in range(10, 15)
        ]
    stores = [open_store(url) for _ in range(4)]
    start = threading.Barrier(4)
    taken: list[str] = []

    def take(number: int) -> None:
        start.wait()
        while rows := stores[number].claim_work(f"o{number}", Micros(9), Micros(200), 7, ["orders"]):
            taken.extend([row.run_id for row in rows])

    threads = [threading.Thread(target=take, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 195
    for one in [store, *stores]:
        one.close()


def test_text_the_server_cannot_hold(new_schema: Callable[[], str]) -> None:
    store = open_store(new_schema())
    odd = "a\0b\ud800c"
    store.commit([new_run_update("r1", workflow=odd, idempotency_key=odd, error=odd, reason=odd)])
    found = store.get_run("r1")
    assert found is not None
    assert {found.workflow, found.idempotency_key, found.error, found.reason} == {"a\\x00b\\ud800c"}
    (verdict,) = store.commit([new_run_update("r2", workflow=odd, idempotency_key=odd)])
    assert type(verdict).__name__ == "Duplicate"
    store.close()


@pytest.mark.parametrize("megabytes", [2, pytest.param(50, marks=pytest.mark.long)])
def test_large_entries(new_schema: Callable[[], str], megabytes: int) -> None:
    store = open_store(new_schema())
    text = f'["started",{{"x":"{"ä" * (megabytes * 500_000)}"}}]'
    assert store.commit([new_run_update("r1", entries=[text])]) == [Committed()]
    assert store.read_journal("r1")[0].entries == f"[{text}]"
    store.close()
