"""Commits: check every change for conflicts, then write the accepted ones with one statement per kind of row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from holdwater.model.records import CommitResult, RunRow, RunUpdate
from holdwater.storage.sql.commits import IdempotencyKey, accepted, check_conflicts, check_consistency, group_rows
from holdwater.storage.sqlite import statements as sql


def commit_updates(connection: sqlite3.Connection, updates: Sequence[RunUpdate]) -> list[CommitResult]:
    """Check and write the changes in the caller's transaction.  Raises StoreError, sqlite3.Error."""
    check_consistency(updates)
    ids = json.dumps([change.run.id for change in updates])
    seqs: dict[str, int] = dict(connection.execute(sql.LIST_JOURNAL_LENGTHS, (ids,)).fetchall())

    def holder(key: IdempotencyKey) -> RunRow | None:
        row = connection.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
        return None if row is None else RunRow(*row)

    verdicts = check_conflicts(updates, seqs, holder)
    write_updates(connection, accepted(updates, verdicts))
    return verdicts


def write_updates(connection: sqlite3.Connection, updates: Sequence[RunUpdate]) -> None:
    """Write accepted changes.  Raises sqlite3.Error."""
    rows = group_rows(updates)
    many = connection.executemany
    if rows.plans:
        many(sql.INSERT_PLAN, rows.plans.values())
    if rows.new_runs:
        many(sql.INSERT_RUN, rows.new_runs)
    if rows.labels:
        many(sql.INSERT_LABEL, rows.labels)
    if rows.updated_runs:
        many(sql.UPDATE_RUN, rows.updated_runs)
    if rows.journal_rows:
        many(sql.APPEND_JOURNAL, rows.journal_rows)
    if rows.removed_work:
        many(sql.DELETE_WORK, rows.removed_work)
    if rows.added_work:
        many(sql.INSERT_WORK, rows.added_work)
    if rows.added_limited_work:
        many(sql.INSERT_LIMITED_WORK, rows.added_limited_work)
    if rows.started_work:
        many(sql.MARK_WORK_STARTED, rows.started_work)
    if rows.closed_questions:
        many(sql.DELETE_QUESTION, rows.closed_questions)
    if rows.asked:
        many(sql.INSERT_QUESTION, rows.asked)
    if rows.parked_runs:
        many(sql.PARK_WORK, rows.parked_runs)
