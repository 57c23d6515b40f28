"""Commits: every change judged first, then all that are good written with one statement per kind of row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from penstock.model.errors import StoreError
from penstock.model.records import Change, Committed, Conflict, Duplicate, RunRow, Verdict
from penstock.storage.sqlite import rows
from penstock.storage.sqlite import statements as sql


def commit(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    """Judge and write the changes in the transaction the caller began."""
    verdicts = _judge(connection, changes)
    good = [change for change, verdict in zip(changes, verdicts) if type(verdict) is Committed]
    if good:
        _write(connection, good)
    return verdicts


def _judge(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    ids = json.dumps([change.run.id for change in changes])
    seqs: dict[str, int] = dict(connection.execute(sql.LIST_SEQS, (ids,)).fetchall())
    keys: dict[tuple[str, str], RunRow] = {}
    verdicts: list[Verdict] = []
    for change in changes:
        run = change.run
        if run.seq != change.expected + len(change.entries):
            raise StoreError(
                f"run {run.id}: a head at {run.seq} does not fit {change.expected} + {len(change.entries)}"
            )
        if change.born:
            verdicts.append(_judge_birth(connection, run, seqs, keys))
        elif seqs.get(run.id, -1) == change.expected:
            verdicts.append(Committed())
        else:
            verdicts.append(Conflict())
    return verdicts


def _judge_birth(
    connection: sqlite3.Connection, run: RunRow, seqs: dict[str, int], keys: dict[tuple[str, str], RunRow]
) -> Verdict:
    """`keys`: taken by births earlier in the same batch."""
    if run.idempotency_key is not None:
        key = (run.workflow, run.idempotency_key)
        if key in keys:
            return Duplicate(keys[key])
        row = connection.execute(sql.FIND_RUN_BY_KEY, key).fetchone()
        if row is not None:
            return Duplicate(RunRow(*row))
        if run.id not in seqs:
            keys[key] = run
    return Conflict() if run.id in seqs else Committed()


def _write(connection: sqlite3.Connection, changes: Sequence[Change]) -> None:
    plans: dict[str, rows.Row] = {}
    births: list[rows.Row] = []
    heads: list[rows.Row] = []
    journal: list[rows.Row] = []
    outs: list[rows.Row] = []
    ins: list[rows.Row] = []
    began: list[rows.Row] = []
    parks: list[rows.Row] = []
    for change in changes:
        run = change.run
        if change.plan is not None and run.structure not in plans:
            plans[run.structure] = rows.plan(change)
        if change.born:
            births.append(rows.new_run(run))
        else:
            heads.append(rows.changed_run(run))
        if change.entries:
            journal += rows.journal(change)
        if change.work_out:
            outs += [(run.id, node, fence) for node, fence in change.work_out]
        if change.work_in:
            ins += [rows.work(row) for row in change.work_in]
        if change.began:
            began += [(run.id, node, fence) for node, fence in change.began]
        if change.park is not None:
            parks.append((1 if change.park else 0, run.id))
    many = connection.executemany
    if plans:
        many(sql.INSERT_PLAN, plans.values())
    if births:
        many(sql.INSERT_RUN, births)
    if heads:
        many(sql.UPDATE_RUN, heads)
    if journal:
        many(sql.APPEND_JOURNAL, journal)
    if outs:
        many(sql.DELETE_WORK, outs)
    if ins:
        many(sql.INSERT_WORK, ins)
    if began:
        many(sql.BEGIN_WORK, began)
    if parks:  # last: what came in is parked or freed as well
        many(sql.PARK_WORK, parks)
