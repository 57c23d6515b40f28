"""Changes and rows for tests, short to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdwater.model.records import Change, RunRow, WorkRow


def run(run_id: str, seq: int = 1, **fields: Any) -> RunRow:
    given: dict[str, Any] = dict(workflow="orders", style="tasks", structure="s1", code="c1", created_at=1_000)
    return RunRow(run_id, seq=seq, **(given | fields))


def work(run_id: str, node: int = 0, fence: int = 1, due_at: int = 100, **fields: Any) -> WorkRow:
    given: dict[str, Any] = dict(kind="execute", workflow="orders")
    return WorkRow(run_id, node, fence, due_at=due_at, **(given | fields))


def birth(
    run_id: str, work_in: Sequence[WorkRow] = (), entries: Sequence[str] = ('["started",{}]',), **f: Any
) -> Change:
    head = run(run_id, len(entries), **f)
    return Change(head, 0, list(entries), at=1_000, born=True, work_in=list(work_in))


def step(run_id: str, expected: int, entries: Sequence[str] = ('["ok"]',), at: int = 2_000, **fields: Any) -> Change:
    """Fields of `Change` itself go there, all others into the head."""
    own = {name: fields.pop(name) for name in ("plan", "work_in", "work_out", "began", "park") if name in fields}
    return Change(run(run_id, expected + len(entries), **fields), expected, list(entries), at, **own)
