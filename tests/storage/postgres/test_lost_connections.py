"""Connections that the server ends: idle ones, one in the middle of a commit, and the one that listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import psycopg
import pytest

from holdwater.errors import StoreUnavailable
from holdwater.model.records import Committed, Notification
from holdwater.model.time import Micros
from holdwater.storage import open_store
from holdwater.storage.options import StoreOptions
from holdwater.storage.postgres.store import PostgresStore
from tests.postgres.cluster import Cluster
from tests.storage.factories import new_run_update, run_update

WAIT_TIMEOUT_SECONDS = 20.0
Admin = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def admin(postgres: Cluster) -> Iterator[Admin]:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """What the test's connections call themselves."""
    return str(request.node.name)[:60]


@pytest.fixture
def store(migrated_schema: Callable[[], str], name: str) -> Iterator[PostgresStore]:
    made = open_store(f"{migrated_schema()}&application_name={name}", StoreOptions(pool_size=3))
    assert isinstance(made, PostgresStore)
    yield made
    made.close()


def wait_for_rows(admin: Admin, query: str, *parameters: object) -> list[Any]:
    """The rows of a question about the server's state, as soon as there are any."""
    end = time.monotonic() + WAIT_TIMEOUT_SECONDS
    while not (rows := admin.execute(query, parameters).fetchall()):
        assert time.monotonic() < end, query
    return rows


def terminate_sessions(admin: Admin, name: str, like: str = "%") -> int:
    """End the connections, and wait until they are gone."""
    pids = admin.execute(
        "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND query LIKE %s",
        (name, like),
    ).fetchall()
    wait_for_rows(
        admin, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s))", [p for p, _ in pids]
    )
    return len(pids)


@pytest.mark.parametrize("call", ["commit", "get_run", "claim_work", "renew_leases", "sample_clock", "read_journal"])
def test_idle_connections_are_replaced_unnoticed(call: str, store: PostgresStore, admin: Admin, name: str) -> None:
    store.commit([new_run_update("r0")])
    for _ in range(2):
        assert terminate_sessions(admin, name) >= 1
        arguments: dict[str, tuple[Any, ...]] = {
            "commit": ([new_run_update(f"r{time.time_ns()}")],),
            "get_run": ("r0",),
            "claim_work": ("o", 1, 1, 1, ["w"]),
            "renew_leases": ("o", 5),
            "read_journal": ("r0",),
        }
        getattr(store, call)(*arguments.get(call, ()))


def test_ended_in_the_middle_of_a_commit(store: PostgresStore, admin: Admin, name: str, postgres: Cluster) -> None:
    """The commit waits for a row that another session holds; its connection is ended there: nothing was written."""
    store.commit([new_run_update("r1"), new_run_update("r2")])
    raised: SimpleQueue[BaseException | None] = SimpleQueue()

    def commit() -> None:
        try:
            store.commit([run_update("r1", 1), run_update("r2", 1)])
            raised.put(None)
        except BaseException as error:
            raised.put(error)

    schema = store._server.parameters["options"].partition("=")[2]
    with psycopg.connect(postgres.url()) as holder:
        holder.execute(f"SELECT 1 FROM {schema}.runs WHERE id = 'r2' FOR UPDATE")
        thread = threading.Thread(target=commit)
        thread.start()
        wait_for_rows(
            admin, "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'", name
        )
        assert terminate_sessions(admin, name)
        error = raised.get(timeout=WAIT_TIMEOUT_SECONDS)
        thread.join(WAIT_TIMEOUT_SECONDS)
    assert isinstance(error, StoreUnavailable)
    assert store.journal_lengths(["r1", "r2"]) == {"r1": 1, "r2": 1}
    assert store.commit([run_update("r1", 1), run_update("r2", 1)]) == [Committed(), Committed()]


def test_the_listener_comes_back(store: PostgresStore, admin: Admin, name: str) -> None:
    heard: SimpleQueue[Notification] = SimpleQueue()
    store.listen(heard.put)
    for n in range(3):
        gap = heard.get(timeout=WAIT_TIMEOUT_SECONDS)
        assert (gap.work_available, gap.changed_runs) == (True, None), "after a gap everything may have changed"
        other = open_store(f"postgresql://{store.url.partition('://')[2]}")
        told = new_run_update(f"r{n}", status="completed", finished_at=5)
        told.notify = True
        other.commit([told])
        other.close()
        assert heard.get(timeout=WAIT_TIMEOUT_SECONDS).changed_runs == frozenset({f"r{n}"})
        assert terminate_sessions(admin, name, "LISTEN%") == 1
    assert heard.get(timeout=WAIT_TIMEOUT_SECONDS).changed_runs is None


def test_a_listener_in_a_process_with_many_open_files(store: PostgresStore) -> None:
    """`select` would not know its connection."""
    import os
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2000, hard), hard))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        heard: SimpleQueue[Notification] = SimpleQueue()
        store.listen(heard.put)
        heard.get(timeout=WAIT_TIMEOUT_SECONDS)
        other = open_store(f"postgresql://{store.url.partition('://')[2]}")
        told = new_run_update("r1", status="completed", finished_at=5)
        told.notify = True
        other.commit([told])
        other.close()
        assert heard.get(timeout=WAIT_TIMEOUT_SECONDS).changed_runs == frozenset({"r1"})
    finally:
        for file in files:
            os.close(file)


def test_a_store_that_cannot_be_reached_at_all(postgres: Cluster) -> None:
    with Cluster() as server:
        store = open_store(server.url())
        store.commit([new_run_update("r1")])
        server.stop("immediate")
        calls: list[Callable[[], Any]] = [
            lambda: store.commit([new_run_update("r2")]),
            lambda: store.get_run("r1"),
            lambda: store.claim_work("o", Micros(1), Micros(1), 1, ["w"]),
            lambda: store.renew_leases("o", Micros(1)),
            lambda: store.work_of_owner("o"),
            lambda: store.reclaim_expired(Micros(1)),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable):
                call()
        server.start()
        assert store.commit([new_run_update("r2")]) == [Committed()]
        assert store.journal_lengths(["r1", "r2"]) == {"r1": 1, "r2": 1}
        store.close()
