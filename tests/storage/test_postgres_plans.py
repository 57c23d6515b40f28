"""Statements find their rows by index, at any size and by PostgreSQL's own judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from penstock.model.records import Change
from penstock.storage import open_store
from penstock.storage.postgres import statements as sql
from penstock.storage.postgres.pipeline import Statement

from .making import birth, work

RUNS = 20_000
BATCH = 2_000


def crowd(first: int) -> list[Change]:
    """A day in the life: most runs have ended, some sleep, and the work of a few is somebody's."""
    changes = []
    for i in range(first, first + BATCH):
        name, live = f"r{i:06}", i % 10 == 0
        rows = [work(name, due_at=i, owner=f"o{i % 7}" if i % 100 == 0 else None, lease_until=i)] if live else []
        ended: dict[str, Any] = {} if live else dict(finished_at=i, status="completed")
        head = dict(idempotency_key=f"k{i}", deadline_at=i, parent_id=f"r{i - 1:06}" if i % 50 == 0 else None, **ended)
        changes.append(birth(name, rows, **head))
    return changes


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    """Filled, and known to the planner; a client of it whose planner nobody has told anything."""
    from tests.postgres.cluster import Cluster

    server: Cluster = request.getfixturevalue("postgres")
    url = f"{server.url()}?options=-csearch_path%3Dplans"
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("CREATE SCHEMA plans")
        store = open_store(url)
        for first in range(0, RUNS, BATCH):
            store.commit(crowd(first))
        store.close()
        connection.execute("ANALYZE runs, journal, work")
        yield connection
        connection.execute("DROP SCHEMA plans CASCADE")


def text_of(statement: str | Statement) -> str:
    return statement.text.decode() if isinstance(statement, Statement) else statement


def plan(connection: psycopg.Connection[Any], statement: str | Statement, given: tuple[Any, ...]) -> str:
    found = connection.execute(f"EXPLAIN {text_of(statement)}".encode(), given).fetchall()
    return "\n".join(line for (line,) in found)


@pytest.mark.parametrize(
    ("statement", "given", "index"),
    [
        (sql.GET_RUN, ("r000100",), "runs_pkey"),
        (sql.FIND_RUN_BY_KEY, ("orders", "k7"), "runs_by_key"),
        (sql.LIST_SEQS, (["r000100", "r000200"],), "runs_pkey"),
        (sql.LOCK_RUNS, (["r000100", "r000200"],), "runs_pkey"),
        (sql.LIST_RUNS, (None, None, None, 100), "runs_pkey"),
        (sql.LIST_RUNS_BEFORE, (None, None, None, "r010000", 100), "runs_pkey"),
        (sql.LIST_RUNS_AFTER, ("r010000", 100), "runs_pkey"),
        (sql.LIST_OVERDUE, (50,), "runs_by_deadline"),
        (sql.LIST_STRAYS, (), "runs_by_parent"),
        (sql.READ_JOURNAL, ("r000100", 0), "journal_pkey"),
        (sql.READ_JOURNAL_ROW_OF, ("r000100", 1), "journal_pkey"),
        (sql.LIST_WORK, ("r000100",), "work_pkey"),
        (sql.LIST_HELD_WORK, ("nobody",), "work_by_owner"),
        (sql.RENEW_LEASES, (5, "nobody"), "work_by_owner"),
        (sql.CLAIM_WORK, (100, ["orders"], 10, "me", 5), "work_to_claim"),
        (sql.ORPHAN_EXPIRED_WORK, (["me"], -1), "work_by_owner"),
        (sql.DELETE_WORK, (["r000100"], [0], [1]), "work_pkey"),
        (sql.BEGIN_WORK, (["r000100"], [0], [1]), "work_pkey"),
        (sql.PARK_WORK, ([1], ["r000100"]), "work_pkey"),
        (sql.RELEASE_WORK, (["r000100"], [0], [1], "o3"), "runs_pkey"),
        (sql.GET_NEXT_EXPIRY, ("me",), "work_by_owner"),
    ],
)
def test_the_index_is_used(
    database: psycopg.Connection[Any], statement: str | Statement, given: tuple[Any, ...], index: str
) -> None:
    found = plan(database, statement, given)
    assert index in found
    assert "Seq Scan on" not in found.replace("Seq Scan on heads", "")


def test_heads_are_found_by_their_key(database: psycopg.Connection[Any]) -> None:
    given = (["s"], ["c"], ["running"], [2], [None], [None], [None], [None], [None], ["r000100"], [1])
    found = plan(database, sql.UPDATE_RUNS, given)
    assert "runs_pkey" in found
    assert "Seq Scan on runs" not in found


def test_claims_come_in_order_without_a_sort(database: psycopg.Connection[Any]) -> None:
    assert "Sort" not in plan(database, sql.CLAIM_WORK, (10**9, ["orders"], 10, "me", 5))


def test_pages_come_in_order_without_a_sort(database: psycopg.Connection[Any]) -> None:
    assert "Sort" not in plan(database, sql.LIST_RUNS, (None, None, None, 100))
    assert "Sort" not in plan(database, sql.LIST_RUNS_AFTER, ("", 500))


def test_plans_made_while_all_is_empty_are_still_good_later(new_schema: Callable[[], str]) -> None:
    """A prepared statement keeps the plan it had when there was nothing to read."""
    from penstock.storage.options import StoreOptions
    from penstock.storage.postgres.store import PostgresStore

    store = PostgresStore(new_schema(), StoreOptions(pool_size=1))
    for i in range(10):  # more often than a plan of its own is tried
        store.commit([birth(f"first{i}", [work(f"first{i}")])])
        assert store.claim("me", 1, 1_000, 1, ["orders"])
        assert store.run(f"first{i}")
    store.commit(crowd(0))
    with store._pool.one() as connection:
        scans = (
            "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables "
            "WHERE schemaname = current_schema() AND relname IN ('runs', 'journal', 'work')"
        )
        with connection.transaction():
            before = connection.execute(scans).fetchone()
            for statement, given in ((sql.GET_RUN, ("r000100",)), (sql.CLAIM_WORK, (500, ["orders"], 3, "me", 9))):
                assert connection.execute(statement, given).fetchone()
            assert connection.execute(scans).fetchone() == before
    store.close()


@pytest.mark.parametrize(
    "entry",
    ['["ok",3,"\\u0000 NUL \\ud800 lone",7]', '["ok",3,{"a":[1.5,"]"]}]'],
)
def test_events_unfold_whatever_they_hold(new_schema: Callable[[], str], entry: str) -> None:
    url = new_schema()
    store = open_store(url)
    store.commit([birth("r1", entries=['["started",{"a":1}]', entry, '["paused","x"]'])])
    store.close()
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT * FROM journal_events ORDER BY seq").fetchall()
    assert found == [
        ("r1", 1, 1_000, "started", None, '["started",{"a":1}]'),
        ("r1", 2, 1_000, "ok", 3, entry),
        ("r1", 3, 1_000, "paused", None, '["paused","x"]'),
    ]
