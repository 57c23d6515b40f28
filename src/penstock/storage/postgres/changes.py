"""Commits: everything in one round trip if nobody was in the way, judged first if somebody was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg
from psycopg import errors

from penstock.model.records import Change, Committed, RunRow, Verdict
from penstock.storage.changes import Key, gather, good, judge
from penstock.storage.postgres import statements as sql
from penstock.storage.postgres.faults import RETRYABLE
from penstock.storage.postgres.server import Connection
from penstock.storage.rows import Row

Call = tuple[str, Sequence[Any]]

RETRY_LIMIT: Final = 10
"""how often a batch that met others on the same rows is tried again"""

_CONTENDED: Final = (errors.DivisionByZero, errors.UniqueViolation)


def commit(
    connection: Connection, before: Sequence[Any], changes: Sequence[Change], after: Sequence[Call]
) -> list[Verdict]:
    """Write the changes in one transaction, between the statements `before` and `after`.  Raises psycopg.Error."""
    try:
        pipelined(connection, before, [*_writes(changes), *after])
    except _CONTENDED:
        return _judged(connection, before, changes, after)
    except psycopg.OperationalError as error:
        if error.sqlstate not in RETRYABLE:
            raise
        return _judged(connection, before, changes, after)
    return [Committed() for _ in changes]


def pipelined(connection: Connection, before: Sequence[Any], calls: Sequence[Call]) -> None:
    """All statements in one round trip and one transaction: what stands between two syncs is one."""
    failure: Exception | None = None
    try:
        with connection.pipeline(), connection.cursor() as cursor:
            try:
                for statement in before:
                    cursor.execute(statement)
                for text, parameters in calls:
                    cursor.execute(text, parameters)
            except (psycopg.Error, UnicodeEncodeError) as error:
                failure = error  # a pipeline left by an exception complains to the log of its own, later troubles
    except psycopg.Error as error:
        raise failure or error from None
    if failure is not None:
        raise failure


def _judged(
    connection: Connection, before: Sequence[Any], changes: Sequence[Change], after: Sequence[Call]
) -> list[Verdict]:
    """Somebody was in the way: see who, with the rows locked, and write the rest."""
    # Nothing to take back: but this makes the driver forget what it prepared, or believes to have.
    connection.execute("BEGIN", prepare=False)
    connection.rollback()
    for tries_left in reversed(range(RETRY_LIMIT)):
        try:
            with connection.transaction():
                for statement in before:
                    connection.execute(statement)
                seqs: dict[str, int] = dict(
                    connection.execute(sql.LOCK_RUNS, ([change.run.id for change in changes],)).fetchall()
                )

                def holder(key: Key) -> RunRow | None:
                    row = connection.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
                    return None if row is None else RunRow(*row)

                verdicts = judge(changes, seqs, holder)
                for text, parameters in [*_writes(good(changes, verdicts)), *after]:
                    connection.execute(text, parameters)
            return verdicts
        except (*_CONTENDED, psycopg.OperationalError) as error:  # born elsewhere since, or a deadlock
            if not tries_left or (isinstance(error, psycopg.OperationalError) and error.sqlstate not in RETRYABLE):
                raise
    raise AssertionError


def _writes(changes: Sequence[Change]) -> Iterator[Call]:
    rows = gather(changes)
    # in the order of keys: two runners that meet wait for each other instead of for ever
    if rows.plans:
        yield sql.INSERT_PLANS, _columns(sorted(rows.plans.values()))
    if rows.births:
        yield sql.INSERT_RUNS, _columns(rows.births)
    if rows.heads:
        yield sql.UPDATE_RUNS, _columns(sorted(rows.heads, key=lambda row: row[-2]))
    if rows.journal:
        yield sql.APPEND_JOURNAL, _columns(rows.journal)
    if rows.outs:
        yield sql.DELETE_WORK, _columns(sorted(rows.outs))
    if rows.ins:
        yield sql.INSERT_WORK, _columns(rows.ins)
    if rows.began:
        yield sql.BEGIN_WORK, _columns(sorted(rows.began))
    if rows.parks:
        yield sql.PARK_WORK, _columns(rows.parks)


def _columns(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows)]
