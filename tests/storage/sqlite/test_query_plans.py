"""Each hot statement finds its rows by the index made for it, and views show what they promise."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest

from holdwater.storage.sqlite import schema
from holdwater.storage.sqlite import statements as sql


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection, "test")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("statement", "parameters", "index"),
    [
        (sql.LIST_JOURNAL_LENGTHS, 1, "SEARCH runs USING PRIMARY KEY (id=?)"),
        (sql.UPDATE_RUN, 12, "SEARCH runs USING PRIMARY KEY (id=?)"),
        (sql.GET_RUN, 1, "SEARCH runs USING PRIMARY KEY (id=?)"),
        (sql.FIND_RUN_BY_KEY, 2, "SEARCH runs USING INDEX runs_by_idempotency_key (workflow=? AND idempotency_key=?)"),
        (sql.LIST_RUNS_AFTER, 3, "SEARCH runs USING INDEX runs_by_created_at ((created_at,id)>(?,?))"),
        (sql.FIND_RUN_IDS_BY_PREFIX, 3, "SEARCH runs USING PRIMARY KEY (id>? AND id<?)"),
        (
            sql.LIST_ENDED_RUNS,
            4,
            "SEARCH runs USING INDEX runs_by_finished_at ((finished_at,id)>(?,?) AND finished_at<?)",
        ),
        (sql.LIST_DESCENDANTS, 1, "SEARCH runs USING INDEX runs_by_parent_created_at (parent_id=?)"),
        (sql.DELETE_RUNS, 1, "SEARCH runs USING PRIMARY KEY (id=?)"),
        (sql.DELETE_JOURNALS, 1, "SEARCH journal USING INDEX sqlite_autoindex_journal_1 (run_id=?)"),
        (sql.DELETE_WORK_OF_RUNS, 1, "SEARCH work USING PRIMARY KEY (run_id=?)"),
        (sql.LIST_OVERDUE_RUNS, 1, "SEARCH runs USING INDEX runs_by_deadline (deadline_at>? AND deadline_at<?)"),
        (sql.READ_JOURNAL, 2, "SEARCH journal USING INDEX sqlite_autoindex_journal_1 (run_id=? AND seq>?)"),
        (
            sql.READ_JOURNAL_ROW_CONTAINING,
            2,
            "SEARCH journal USING INDEX sqlite_autoindex_journal_1 (run_id=? AND seq<?)",
        ),
        (sql.LIST_WORK, 1, "SEARCH work USING PRIMARY KEY (run_id=?)"),
        (sql.DELETE_WORK, 3, "SEARCH work USING PRIMARY KEY (run_id=? AND node=? AND fence=?)"),
        (sql.MARK_WORK_STARTED, 3, "SEARCH work USING PRIMARY KEY (run_id=? AND node=? AND fence=?)"),
        (sql.PARK_WORK, 2, "SEARCH work USING PRIMARY KEY (run_id=?)"),
        (sql.CLAIM_WORK, 5, "SEARCH work USING PRIMARY KEY (run_id=? AND node=? AND fence=?)"),
        (sql.RELEASE_WORK, 5, "SEARCH work USING PRIMARY KEY (run_id=? AND node=? AND fence=?)"),
        (sql.COUNT_OPEN_RUNS, 2, "SEARCH runs USING INDEX runs_open_by_release (release=?)"),
        (sql.HAS_CLAIMABLE_TASKS, 3, "SCAN work USING INDEX work_tasks_by_limit"),
        (sql.LIST_CLAIMABLE_TASKS, 5, "SEARCH work USING INDEX work_tasks_by_limit (limit_keys=?)"),
        (sql.HAS_LIMITED_TASKS, 0, "SEARCH work USING INDEX work_tasks_by_limit (limit_keys>?)"),
        (sql.LIST_LIMIT_STATE, 0, "SEARCH work USING INDEX work_tasks_by_limit (limit_keys>?)"),
        (sql.LIST_LIMIT_STATE, 0, "SCAN work USING INDEX work_held_by_limit"),
        (sql.COUNT_LIMITED_WORK, 0, "SCAN work USING INDEX work_held_by_limit"),
        (sql.COUNT_LIMITED_WORK, 0, "SEARCH work USING INDEX work_tasks_by_limit (limit_keys>?)"),
        (sql.HAS_CLAIMABLE_TIMERS, 3, "SEARCH work USING INDEX work_timers_by_due_at (due_at<?)"),
        (sql.LIST_CLAIMABLE_TIMERS, 4, "SEARCH work USING INDEX work_timers_by_due_at (due_at<?)"),
        (sql.LIST_OWNERS, 0, "SEARCH work USING COVERING INDEX work_by_owner (owner>?)"),
        (sql.HAS_WORK_OF_OWNER, 1, "SEARCH work USING COVERING INDEX work_by_owner (owner=?)"),
        (sql.HAS_EXPIRED_LEASE, 2, "SEARCH work USING INDEX work_by_owner (owner=?)"),
        (sql.RENEW_LEASES, 2, "SEARCH work USING COVERING INDEX work_by_owner (owner=?)"),
        (sql.RECLAIM_WORK, 1, "SEARCH work USING COVERING INDEX work_by_owner (owner=?)"),
        (sql.RECLAIM_EXPIRED_WORK, 2, "SEARCH work USING INDEX work_by_owner (owner=?)"),
        (sql.LIST_ORPHANED_CHILDREN, 0, "SEARCH child USING INDEX runs_unfinished_by_parent (parent_id>?)"),
        (sql.GET_NEXT_LEASE_EXPIRY, 1, "SEARCH work USING INDEX work_by_owner (owner>?)"),
        (
            sql.LIST_NEWEST_QUESTIONS,
            4,
            "SEARCH questions USING INDEX questions_by_asked_at ((asked_at,run_id,node)<(?,?,?))",
        ),
        (
            sql.LIST_OLDEST_QUESTIONS,
            4,
            "SEARCH questions USING INDEX questions_by_asked_at ((asked_at,run_id,node)>(?,?,?))",
        ),
        (sql.DELETE_QUESTION, 2, "SEARCH questions USING PRIMARY KEY (run_id=? AND node=?)"),
        (
            sql.READ_MAP_ITEMS,
            3,
            "SEARCH map_items USING INDEX sqlite_autoindex_map_items_1 (run_id=? AND item_index>?)",
        ),
        (
            sql.LIST_ITEM_HEADS,
            3,
            "SEARCH map_items USING INDEX sqlite_autoindex_map_items_1 (run_id=? AND item_index>?)",
        ),
        (sql.LIST_FAILED_ITEMS, 3, "SEARCH map_items USING INDEX map_items_failed (run_id=? AND item_index>?)"),
        (sql.COUNT_MAP_ITEMS, 1, "SEARCH map_items USING COVERING INDEX sqlite_autoindex_map_items_1 (run_id=?)"),
        (sql.COUNT_FAILED_ITEMS, 1, "SEARCH map_items USING COVERING INDEX map_items_failed (run_id=?)"),
        (
            sql.DELETE_MAP_ITEMS,
            2,
            "SEARCH map_items USING INDEX sqlite_autoindex_map_items_1 (run_id=? AND item_index>?)",
        ),
        (sql.LIST_READY_WORK, 1, "SCAN work USING INDEX work_tasks_by_due_at"),
        (sql.GET_PLAN, 1, "SEARCH plans USING INDEX sqlite_autoindex_plans_1 (structure=?)"),
    ],
)
def test_the_index_is_used(connection: sqlite3.Connection, statement: str, parameters: int, index: str) -> None:
    values = sql.bind(statement, (None,) * parameters)
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert index in steps
    assert not [step for step in steps if "TEMP B-TREE" in step], "rows come in order"


def test_first_questions_are_found_by_the_ids_of_their_runs(connection: sqlite3.Connection) -> None:
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql.LIST_FIRST_QUESTIONS}", (None,))]
    assert [step for step in steps if step.startswith("SCAN")] == [
        "SCAN wanted VIRTUAL TABLE INDEX 1:", "SCAN event VIRTUAL TABLE INDEX 1:"
    ]  # fmt: skip
    assert "SEARCH questions USING PRIMARY KEY (run_id>? AND run_id<?)" in steps


STATEMENTS = {
    name: value
    for name, value in vars(sql).items()
    if isinstance(value, str) and name.isupper() and not value.startswith("CREATE")
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_placeholder_has_a_name(connection: sqlite3.Connection, name: str) -> None:
    """A sequence bound to names is a warning on 3.12 and an error from 3.14 on; `?1` is a name to Python's module."""
    statement = STATEMENTS[name]
    assert not re.search(r"[?:@$]\w", re.sub(r"'[^']*'", "", statement))
    connection.execute(f"EXPLAIN {statement}", [None] * statement.count("?"))


def test_the_value_of_a_repeated_parameter_is_given_once() -> None:
    assert sql.bind(sql.FIND_RUN_IDS_BY_PREFIX, ("a", "b", 3)) == ["a", "b", "a", "b", 3]
    assert sql.bind(sql.GET_RUN, given := ("a",)) is given


def test_events_unfold_in_sql(connection: sqlite3.Connection) -> None:
    rows = [("r1", 1, 5, '[["started",{"a":1}],["succeeded",3,1,0,0,[7],null]]'), ("r1", 3, 6, '[["paused","x"]]')]
    connection.executemany(sql.APPEND_JOURNAL, rows)
    assert connection.execute("SELECT * FROM journal_events ORDER BY run_id, seq").fetchall() == [
        ("r1", 1, 5, "started", None, '["started",{"a":1}]'),
        ("r1", 2, 5, "succeeded", 3, '["succeeded",3,1,0,0,[7],null]'),
        ("r1", 3, 6, "paused", None, '["paused","x"]'),
    ]
