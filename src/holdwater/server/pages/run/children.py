"""Runs that a run has started: the items of its maps, nested graphs, and calls of task functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.marks import MarkName, mark_of_run
from holdwater.model.time import Micros
from holdwater.runs.info import RunInfo
from holdwater.runs.view import RunView

PAGE_CHILDREN: Final = 200
_MARKS: Final[dict[str, MarkName]] = {
    "waiting": "pending", "running": "running", "paused": "paused", "completed": "completed", "failed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
_URGENCY: Final = {"failed": 0, "paused": 1, "running": 2, "cancelled": 3, "waiting": 4, "completed": 5}


@dataclass(frozen=True, slots=True)
class ShownChild:
    """A run a node has fanned out to.  `index`: of the item.  `error`: "" if it has none."""

    run_id: str
    index: int
    status: str
    mark: MarkName
    error: str


@dataclass(frozen=True, slots=True)
class ChildProgress:
    """Child runs of a node.  `done`: those that have ended; `failed`: those of them that failed or were cancelled."""

    total: int
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A child run in the table.  `node`, `index`: of the node that fanned out to it; "" and None for a called one."""

    run: RunInfo
    mark: MarkName
    node: str
    index: int | None
    duration_seconds: float | None


@dataclass(frozen=True, slots=True)
class ChildTable:
    """One page of the child runs, the oldest first.

    `of`: the node they belong to, "" for all.  `counts`: of those by status.  `first`, `last`: places, from 1.
    """

    rows: tuple[ChildRow, ...]
    of: str
    counts: dict[str, int]
    matching: int
    total: int
    first: int
    last: int
    page: int

    @property
    def has_next(self) -> bool:
        return self.last < self.matching


def recorded_children(view: RunView, node: str) -> list[ShownChild] | None:
    """List the child runs of a node that has not succeeded yet; None if it has none that its run knows of."""
    children = view.fan_outs.get(node)
    if children is None:
        return None
    return [ShownChild(one.run_id, one.index, one.status, _MARKS[one.status], one.error) for one in children]


def child_runs_of(view: RunView, node: str) -> list[ShownChild]:
    """List the child runs of a node's latest request, by item.  Those of a node that succeeded are looked up."""
    recorded = recorded_children(view, node)
    if recorded is not None or not view.child_counts.get(node):
        return recorded or []
    placed = [(place, child) for child in view.children if (place := place_of(child)) is not None and place[0] == node]
    latest = max([place[1] for place, _ in placed], default=0)
    found = [
        ShownChild(child.id, place[2], child.status.value, _MARKS[child.status.value], child.error or "")
        for place, child in placed
        if place[1] == latest
    ]
    return sorted(found, key=lambda child: child.index)


def place_of(child: RunInfo) -> tuple[str, int, int] | None:
    """Return node, generation and item of a child run; None for one that was called by a task function."""
    if child.parent_id is None or not child.id.startswith(f"{child.parent_id}/"):
        return None
    parts = child.id[len(child.parent_id) + 1 :].rsplit(".", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return parts[0], int(parts[1]), int(parts[2])


def child_progress(children: Sequence[ShownChild]) -> ChildProgress | None:
    """Count child runs; None if there are none."""
    statuses = Counter([child.status for child in children])
    failed = statuses["failed"] + statuses["cancelled"]
    return ChildProgress(len(children), failed + statuses["completed"], failed) if children else None


def urgency(child: ShownChild) -> tuple[int, int]:
    """Return a key that sorts failed runs before those that wait, and completed ones last."""
    return _URGENCY[child.status], child.index


def build_child_table(view: RunView, of: str, status: str, page: int) -> ChildTable:
    """Build one page of the child runs.  `of`: name of a node, "" for all.  `status`: "" for all."""
    places = [(child, place_of(child)) for child in view.children]
    own = [(child, place) for child, place in places if not of or (place is not None and place[0] == of)]
    counts = Counter([child.status.value for child, _ in own])
    found = [(child, place) for child, place in own if not status or child.status.value == status]
    page = max(1, min(page, -(-len(found) // PAGE_CHILDREN)))
    start = (page - 1) * PAGE_CHILDREN
    rows = tuple([_row(child, place) for child, place in found[start : start + PAGE_CHILDREN]])
    return ChildTable(rows, of, dict(counts), len(found), len(own), start + 1 if rows else 0, start + len(rows), page)


def _row(child: RunInfo, place: tuple[str, int, int] | None) -> ChildRow:
    state = child.status.value if child.activity is None else child.activity.state
    ended: Micros | None = child.finished_at
    return ChildRow(
        child,
        mark_of_run(state).name,
        "" if place is None else place[0],
        None if place is None else place[2],
        None if ended is None else max(0, ended - child.created_at) / 1e6,
    )
