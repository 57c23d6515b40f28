"""Marks of the nodes of a run: their states as people tell them apart."""

from __future__ import annotations

from typing import Final

from holdwater.drawing.marks import MarkName
from holdwater.model.statuses import RunStatus
from holdwater.runs.nodes import NodeState, NodeView
from holdwater.runs.view import RunView

_MARKS: Final[dict[NodeState, MarkName]] = {
    NodeState.PENDING: "pending",
    NodeState.READY: "queued",
    NodeState.RUNNING: "running",
    NodeState.WAITING: "waiting",
    NodeState.COMPLETED: "completed",
    NodeState.FAILED: "failed",
    NodeState.SKIPPED: "skipped",
    NodeState.CANCELLED: "cancelled",
}


def node_marks(run: RunView) -> dict[str, MarkName]:
    """Return the mark of every node by name, in definition order.

    The activity of the run is looked up if a node runs, and its questions if child runs are paused.
    Raises StoreError.
    """
    return {node.name: _mark_of(node, run) for node in run.nodes}


def _mark_of(node: NodeView, run: RunView) -> MarkName:
    match node.state:
        case NodeState.READY | NodeState.RUNNING | NodeState.WAITING if node.is_halted or run.ended:
            return "cancelled"
        case NodeState.WAITING if node.kind == "ask" or _has_asked(node):
            return "awaiting_input"
        case NodeState.READY | NodeState.WAITING if run.is_suspended:
            return "paused"
        case NodeState.RUNNING:
            return _mark_of_running(node, run)
    return _MARKS[node.state]


def _has_asked(node: NodeView) -> bool:
    return bool(node.attempts) and node.attempts[-1].outcome == "awaiting_input"


def _mark_of_running(node: NodeView, run: RunView) -> MarkName:
    if node.attempts and node.attempts[-1].outcome == "running":
        is_lost = run.status == RunStatus.RUNNING and run.activity.state == "orphaned"
        return "orphaned" if is_lost else "running"
    statuses = {child.status for child in run.fan_outs.get(node.name, ())}
    if "paused" not in statuses or "running" in statuses:
        return "running"
    asks = any(pause.pause_id.startswith(f"{node.name}/") for pause in run.pauses)
    return "awaiting_input" if asks else "paused"
