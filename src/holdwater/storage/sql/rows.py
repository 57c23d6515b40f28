"""Conversion between records and rows; the order of values is that of the statement's file."""

from __future__ import annotations

import json
from typing import Any, Final

from holdwater.model.records import RunRow, RunUpdate, WorkRow
from holdwater.model.time import Micros

ROW_LIMIT_CHARS: Final = 64 * 1024 * 1024
"""size above which entries are split into several journal rows; SQLite and PostgreSQL limit a value to 1 GB"""

Row = tuple[Any, ...]


def run_insert_row(r: RunRow) -> Row:
    return (
        r.id, r.workflow, r.style, r.structure, r.code, r.created_at, r.status, r.seq, r.error, r.reason, r.finished_at,
        r.paused_at, r.deadline_at, r.idempotency_key, r.inputs_digest, r.parent_id, r.forked_from,
        r.origin, r.started_by, r.labels_json, r.traceparent, r.release,
    )  # fmt: skip


def label_rows(r: RunRow) -> list[Row]:
    """Build the rows of a run's labels."""
    is_child = 0 if r.parent_id is None else 1
    return [(r.id, key, value, is_child, r.created_at) for key, value in r.labels.items()]


def run_update_row(update: RunUpdate) -> Row:
    r = update.run
    return (
        r.structure, r.code, r.status, r.seq, r.error, r.reason, r.finished_at, r.paused_at, r.deadline_at, r.release,
        r.id, update.expected_seq,
    )  # fmt: skip


def plan_row(update: RunUpdate) -> Row:
    r = update.run
    return (r.structure, r.workflow, r.style, json.dumps(update.plan, separators=(",", ":")), update.at)


def work_row(w: WorkRow) -> Row:
    # sqlite3 binds exact ints without looking for an adapter
    return (
        w.run_id, w.node, w.fence, w.kind, w.workflow, w.due_at, w.owner, w.lease_until,
        1 if w.started else 0, _reclaim_code(w), 1 if w.parked else 0,
    )  # fmt: skip


def limited_work_row(w: WorkRow) -> Row:
    return (*work_row(w), w.limit_keys)


def parse_work_row(row: Row) -> WorkRow:
    run_id, node, fence, kind, workflow, due_at, owner, lease_until, started, reclaimed, parked, limit_keys = row
    return WorkRow(
        run_id,
        node,
        fence,
        kind,
        workflow,
        due_at,
        owner,
        lease_until,
        started == 1,
        reclaimed in (1, 2),
        parked == 1,
        reclaimed == 2,
        reclaimed == 3,
        limit_keys,
    )


def claim_sort_key(w: WorkRow) -> tuple[Micros, str, int, int]:
    """Return the sort key of claimed work: the oldest due first."""
    return w.due_at, w.run_id, w.node, w.fence


def _reclaim_code(w: WorkRow) -> int:
    """Encode the column `reclaimed`: 1 the owner died, 2 its lease expired, 3 an earlier row was reclaimed, 0 none."""
    if w.reclaimed:
        return 2 if w.expired else 1
    return 3 if w.suspect else 0


def journal_rows(update: RunUpdate) -> list[Row]:
    """Build the journal row of the entries, or several if they are larger than `ROW_LIMIT_CHARS`."""
    entries, run_id, seq, at = update.entries, update.run.id, update.expected_seq + 1, update.at
    if sum(map(len, entries)) <= ROW_LIMIT_CHARS:
        return [(run_id, seq, at, f"[{','.join(entries)}]")]
    rows: list[Row] = []
    first, size = 0, 0
    for i, entry in enumerate(entries):
        if i > first and size + len(entry) > ROW_LIMIT_CHARS:
            rows.append((run_id, seq + first, at, f"[{','.join(entries[first:i])}]"))
            first, size = i, 0
        size += len(entry)
    rows.append((run_id, seq + first, at, f"[{','.join(entries[first:])}]"))
    return rows
