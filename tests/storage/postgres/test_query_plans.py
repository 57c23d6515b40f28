"""Each hot statement finds its rows by the index made for it, in tables that have grown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdwater.model.records import FIRST_CURSOR
from holdwater.storage import open_store
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.store import PostgresStore
from tests.storage.factories import make_work_row, new_run_update

ROWS = 20_000


@pytest.fixture(scope="module")
def grown(postgres: Any) -> Iterator[PostgresStore]:
    """A store with many runs, most of them of one workflow, and as much work, some of it held."""
    store = open_store(f"{postgres.url()}")
    assert isinstance(store, PostgresStore)
    for first in range(0, ROWS, 2000):
        ids = [f"r{n:06}" for n in range(first, first + 2000)]
        store.commit(
            [
                new_run_update(
                    id_,
                    [make_work_row(id_, due_at=n, owner=f"o{n % 50}" if n % 3 else None)],
                    idempotency_key=id_,
                    created_at=n,
                    deadline_at=n,
                    parent_id=f"r{n // 100 * 100:06}" if n % 10 else None,
                    finished_at=n if n % 20 == 0 else None,
                    release=f"{n % 97:016}" if n % 7 == 0 else None,
                )
                for n, id_ in enumerate(ids, first)
            ]
        )
    with store._pool.connection() as session:
        session.execute("VACUUM ANALYZE runs, journal, work, plans")
    yield store
    with store._pool.connection() as session:
        session.execute("DROP SCHEMA holdwater CASCADE")
    store.close()


@pytest.mark.parametrize(
    ("statement", "parameters", "index"),
    [
        ("GET_RUN", ("r000007",), "runs_pkey"),
        ("LIST_JOURNAL_LENGTHS", (["r000007", "r000008"],), "runs_pkey"),
        ("LOCK_RUNS", (["r000007", "r000008"],), "runs_pkey"),
        ("FIND_RUN_BY_KEY", ("orders", "r000007"), "runs_by_idempotency_key"),
        ("LIST_RUNS_AFTER", (900, "r000900", 50), "runs_by_created_at"),
        ("FIND_RUN_IDS_BY_PREFIX", ("r0009", "r0009\U0010ffff", 2), "runs_pkey"),
        ("LIST_ENDED_RUNS", (90, *FIRST_CURSOR, 50), "runs_by_finished_at"),
        ("LIST_DESCENDANTS", (["r000007"],), "runs_by_parent_created_at"),
        ("LOCK_ENDED_RUNS", (["r000007", "r000008"],), "runs_pkey"),
        ("DELETE_RUNS", (["r000007", "r000008"],), "runs_pkey"),
        ("DELETE_JOURNALS", (["r000007", "r000008"],), "journal_pkey"),
        ("DELETE_WORK_OF_RUNS", (["r000007", "r000008"],), "work_pkey"),
        ("READ_JOURNAL", ("r000007", 0), "journal_pkey"),
        ("LIST_WORK", ("r000007",), "work_pkey"),
        ("LIST_WORK_OF_OWNER", ("o7",), "work_by_owner"),
        ("RENEW_LEASES", (9, "o7"), "work_by_owner"),
        ("CLAIM_WORK", (20, ["orders"], None, ["orders"], [7], 50_000, 20, "me", 9), "work_tasks_by_limit"),
        ("CLAIM_WORK", (0, ["orders"], None, [], [], 50_000, 20, "me", 9), "work_timers_by_due_at"),
        ("LIST_LIMITED_TASKS", (["a"], [3], ["orders"], None, ["orders"], [7]), "work_tasks_by_limit"),
        ("CLAIM_LIMITED_TASKS", (["r000007"], [0], [1], "me", 9), "work_pkey"),
        ("LIST_FIRST_QUESTIONS", (["r000007", "r000008"],), "questions_pkey"),
        ("LIST_READY_WORK", (50,), "work_tasks_by_due_at"),
        ("LIST_OVERDUE_RUNS", (5,), "runs_by_deadline"),
        ("COUNT_OPEN_RUNS", ("1" * 16, 10_000), "runs_open_by_release"),
    ],
)
def test_the_index_is_used(grown: PostgresStore, statement: str, parameters: tuple[Any, ...], index: str) -> None:
    with grown._pool.connection() as session, session.transaction(force_rollback=True):
        session.execute("SET LOCAL enable_seqscan = on")  # else the planner may not even think of it
        rows = session.execute(f"EXPLAIN {getattr(sql, statement)}", parameters).fetchall()
    plan = "\n".join([line for (line,) in rows])
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan
