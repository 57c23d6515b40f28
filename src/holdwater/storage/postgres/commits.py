"""Commits: everything in one round trip if nobody was in the way, judged first if somebody was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from psycopg import errors

from holdwater.model.records import Change, Committed, RunRow, Verdict
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.errors import RETRYABLE
from holdwater.storage.postgres.pipeline import Call, Session, columns, exchange
from holdwater.storage.sql.commits import Key, gather, good, judge

RETRY_LIMIT: Final = 10
"""how often a batch that met others on the same rows is tried again"""


def commit(session: Session, first: Sequence[str], changes: Sequence[Change], last: Sequence[Call]) -> list[Verdict]:
    """Write the changes in one transaction, after the statements `first` and before `last`.  Raises psycopg.Error."""
    try:
        exchange(session, first, [*writes(changes), *last])
    except psycopg.Error as error:
        if not _is_contention(error):
            raise
        return _judged(session, first, changes, last)
    return [Committed() for _ in changes]


def _is_contention(error: psycopg.Error) -> bool:
    return isinstance(error, (errors.DivisionByZero, errors.UniqueViolation)) or error.sqlstate in RETRYABLE


def _judged(session: Session, first: Sequence[str], changes: Sequence[Change], last: Sequence[Call]) -> list[Verdict]:
    """Somebody was in the way: see who, with the rows locked, and write the rest."""
    for tries_left in reversed(range(RETRY_LIMIT)):
        try:
            with session.transaction():
                for text in first:
                    session.execute(text)
                ids = [change.run.id for change in changes]
                seqs = dict(session.execute(sql.LOCK_RUNS, (ids,)).fetchall())

                def holder(key: Key) -> RunRow | None:
                    row = session.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
                    return None if row is None else RunRow(*row)

                verdicts = judge(changes, seqs, holder)
                exchange(session, (), [*writes(good(changes, verdicts)), *last])
            return verdicts
        except psycopg.Error as error:
            session.forget()  # a rollback makes the driver drop what is prepared
            if not tries_left or not _is_contention(error):  # born elsewhere since, or a deadlock
                raise
    raise AssertionError


def writes(changes: Sequence[Change]) -> Iterator[Call]:
    """The statements that write changes."""
    rows = gather(changes)
    # in the order of keys: two runners that meet wait for each other instead of for ever
    if rows.plans:
        yield sql.INSERT_PLANS, columns(sorted(rows.plans.values()))
    if rows.births:
        yield sql.INSERT_RUNS, columns(rows.births)
    if rows.heads:
        yield sql.UPDATE_RUNS, columns(sorted(rows.heads, key=lambda row: row[-2]))
    if rows.journal:
        yield sql.APPEND_JOURNAL, columns(rows.journal)
    if rows.outs:
        yield sql.DELETE_WORK, columns(sorted(rows.outs))
    if rows.ins:
        yield sql.INSERT_WORK, columns(rows.ins)
    if rows.began:
        yield sql.BEGIN_WORK, columns(sorted(rows.began))
    if rows.parks:
        yield sql.PARK_WORK, columns(rows.parks)
