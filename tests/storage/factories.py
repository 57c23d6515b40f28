"""Changes and rows for tests, short to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdwater.model.records import RunRow, RunUpdate, WorkRow
from holdwater.model.time import Micros


def make_run_row(run_id: str, seq: int = 1, **fields: Any) -> RunRow:
    given: dict[str, Any] = dict(workflow="orders", style="tasks", structure="s1", code="c1", created_at=Micros(1_000))
    return RunRow(run_id, seq=seq, **(given | fields))


def make_work_row(run_id: str, node: int = 0, fence: int = 1, due_at: int = 100, **fields: Any) -> WorkRow:
    given: dict[str, Any] = dict(kind="execute", workflow="orders")
    return WorkRow(run_id, node, fence, due_at=Micros(due_at), **(given | fields))


def new_run_update(
    run_id: str, work_added: Sequence[WorkRow] = (), entries: Sequence[str] = ('["started",{}]',), **f: Any
) -> RunUpdate:
    head = make_run_row(run_id, len(entries), **f)
    return RunUpdate(head, 0, list(entries), at=Micros(1_000), is_new=True, work_added=list(work_added))


def run_update(
    run_id: str, expected: int, entries: Sequence[str] = ('["succeeded"]',), at: int = 2_000, **fields: Any
) -> RunUpdate:
    """Fields of `RunUpdate` itself go there, all others into the head."""
    own = {
        name: fields.pop(name) for name in ("plan", "work_added", "work_removed", "started", "parked") if name in fields
    }
    return RunUpdate(
        make_run_row(run_id, expected + len(entries), **fields), expected, list(entries), Micros(at), **own
    )
