"""The table of a run's tasks."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.drawing.marks import MarkName
from holdwater.model.time import Micros
from holdwater.runs.nodes import NodeView
from holdwater.server.pages.run.children import ChildProgress, child_progress, recorded_children
from holdwater.server.pages.run.selection import NodeFilter, NodePage, select_nodes
from holdwater.server.pages.run.shown_run import ShownRun


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task.  `duration_seconds`: None before it has begun.  `said`: its error, or why it was skipped."""

    name: str
    kind: str
    state: MarkName
    attempts: int
    iterations: int
    started_at: Micros | None
    duration_seconds: float | None
    is_open: bool
    worker: str | None
    said: str
    is_error: bool
    children: ChildProgress | None


@dataclass(frozen=True, slots=True)
class TaskTable:
    """One page of the table.  `counts`: tasks of the whole run by state."""

    page: NodePage
    rows: tuple[TaskRow, ...]
    counts: dict[MarkName, int]
    has_iterations: bool
    has_workers: bool


def build_task_table(run: ShownRun, which: NodeFilter) -> TaskTable:
    """Build one page of the table of a run."""
    page = select_nodes(run.view.nodes, run.marks, which)
    rows = tuple([_row(run, node) for node in page.nodes])
    return TaskTable(
        page,
        rows,
        run.counts(),
        any(row.iterations > 1 for row in rows),
        any(row.worker for row in rows),
    )


def _row(run: ShownRun, node: NodeView) -> TaskRow:
    is_open = node.state in ("running", "waiting")
    last = node.attempts[-1] if node.attempts else None
    ended = None if is_open else node.ended_at
    until = ended if ended is not None else run.now if is_open else None
    started = node.started_at
    children = recorded_children(run.view, node.name)
    error = node.failure.message if node.failure is not None else node.error
    return TaskRow(
        node.name,
        node.kind,
        run.marks[node.name],
        node.attempt_count + (last is not None and last.outcome == "running"),
        node.iterations,
        started,
        None if started is None or until is None else max(0, until - started) / 1e6,
        is_open,
        None if last is None else last.worker,
        error or node.reason or "",
        bool(error),
        None if children is None else child_progress(children),
    )
