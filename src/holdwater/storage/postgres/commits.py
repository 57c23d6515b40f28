"""Commits: optimistic in one round trip; on contention once more with the rows locked and conflicts checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from psycopg import errors

from holdwater.model.records import CommitResult, Committed, RunRow, RunUpdate
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.errors import RETRYABLE_SQLSTATES
from holdwater.storage.postgres.pipeline import PostgresConnection, StatementCall, execute_pipeline, rows_to_columns
from holdwater.storage.sql.commits import IdempotencyKey, accepted, check_conflicts, group_rows

MAX_COMMIT_ATTEMPTS: Final = 10
"""attempts of a batch that meets other transactions on the same rows"""


def commit_updates(
    session: PostgresConnection,
    preamble: Sequence[str],
    updates: Sequence[RunUpdate],
    trailing_calls: Sequence[StatementCall],
) -> list[CommitResult]:
    """Write the changes in one transaction, after `preamble` and before `trailing_calls`.  Raises psycopg.Error."""
    try:
        execute_pipeline(session, preamble, [*write_calls(updates), *trailing_calls])
    except psycopg.Error as error:
        if not _is_contention(error):
            raise
        return _commit_with_locks(session, preamble, updates, trailing_calls)
    return [Committed() for _ in updates]


def _is_contention(error: psycopg.Error) -> bool:
    return isinstance(error, (errors.DivisionByZero, errors.UniqueViolation)) or error.sqlstate in RETRYABLE_SQLSTATES


def _commit_with_locks(
    session: PostgresConnection,
    preamble: Sequence[str],
    updates: Sequence[RunUpdate],
    trailing_calls: Sequence[StatementCall],
) -> list[CommitResult]:
    """Lock the rows, check which changes conflict, and write the others.  Raises psycopg.Error."""
    for tries_left in reversed(range(MAX_COMMIT_ATTEMPTS)):
        try:
            with session.transaction():
                for text in preamble:
                    session.execute(text)
                ids = [change.run.id for change in updates]
                seqs = dict(session.execute(sql.LOCK_RUNS, (ids,)).fetchall())

                def holder(key: IdempotencyKey) -> RunRow | None:
                    row = session.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
                    return None if row is None else RunRow(*row)

                verdicts = check_conflicts(updates, seqs, holder)
                execute_pipeline(session, (), [*write_calls(accepted(updates, verdicts)), *trailing_calls])
            return verdicts
        except psycopg.Error as error:
            session.invalidate_prepared()  # a rollback makes the driver deallocate prepared statements
            if not tries_left or not _is_contention(error):  # contention: created elsewhere since, or a deadlock
                raise
    raise AssertionError


def write_calls(updates: Sequence[RunUpdate]) -> Iterator[StatementCall]:
    """Yield the statements that write changes."""
    rows = group_rows(updates)
    # rows are locked in the order of keys, so that two transactions cannot deadlock
    if rows.plans:
        yield sql.INSERT_PLANS, rows_to_columns(sorted(rows.plans.values()))
    if rows.new_runs:
        yield sql.INSERT_RUNS, rows_to_columns(rows.new_runs)
    if rows.labels:
        yield sql.INSERT_LABELS, rows_to_columns(rows.labels)
    if rows.updated_runs:
        yield sql.UPDATE_RUNS, rows_to_columns(sorted(rows.updated_runs, key=lambda row: row[-2]))
    if rows.journal_rows:
        yield sql.APPEND_JOURNAL, rows_to_columns(rows.journal_rows)
    if rows.removed_work:
        yield sql.DELETE_WORK, rows_to_columns(sorted(rows.removed_work))
    if rows.added_work:
        yield sql.INSERT_WORK, rows_to_columns(rows.added_work)
    if rows.added_limited_work:
        yield sql.INSERT_LIMITED_WORK, rows_to_columns(rows.added_limited_work)
    if rows.started_work:
        yield sql.MARK_WORK_STARTED, rows_to_columns(sorted(rows.started_work))
    if rows.closed_questions:
        yield sql.DELETE_QUESTIONS, rows_to_columns(sorted(rows.closed_questions))
    if rows.asked:
        yield sql.INSERT_QUESTIONS, rows_to_columns(sorted(rows.asked))
    if rows.parked_runs:
        yield sql.PARK_WORK, rows_to_columns(rows.parked_runs)
