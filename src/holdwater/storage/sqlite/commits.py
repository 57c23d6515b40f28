"""Commits: every change judged first, then all that are good written with one statement per kind of row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from holdwater.model.records import Change, RunRow, Verdict
from holdwater.storage.sql.commits import Key, check, gather, good, judge
from holdwater.storage.sqlite import statements as sql


def commit(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    """Judge and write the changes in the transaction the caller began.  Raises StoreError, sqlite3.Error."""
    check(changes)
    ids = json.dumps([change.run.id for change in changes])
    seqs: dict[str, int] = dict(connection.execute(sql.LIST_SEQS, (ids,)).fetchall())

    def holder(key: Key) -> RunRow | None:
        row = connection.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
        return None if row is None else RunRow(*row)

    verdicts = judge(changes, seqs, holder)
    write(connection, good(changes, verdicts))
    return verdicts


def write(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Write changes that are known to be good."""
    rows = gather(changes)
    many = connection.executemany
    if rows.plans:
        many(sql.INSERT_PLAN, rows.plans.values())
    if rows.births:
        many(sql.INSERT_RUN, rows.births)
    if rows.heads:
        many(sql.UPDATE_RUN, rows.heads)
    if rows.journal:
        many(sql.APPEND_JOURNAL, rows.journal)
    if rows.outs:
        many(sql.DELETE_WORK, rows.outs)
    if rows.ins:
        many(sql.INSERT_WORK, rows.ins)
    if rows.began:
        many(sql.BEGIN_WORK, rows.began)
    if rows.parks:
        many(sql.PARK_WORK, rows.parks)
