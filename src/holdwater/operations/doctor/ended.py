"""Runs that have ended: how, and the way on."""

from __future__ import annotations

from typing import Any

from holdwater.model.events import CancelRequested
from holdwater.model.statuses import RunStatus
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.state import to_instant
from holdwater.runs.nodes import NodeState, NodeView
from holdwater.runs.view import RunView


def ended_finding(view: RunView) -> Finding:
    """Describe the end of a run."""
    at = to_instant(view.info.finished_at or view.info.created_at)
    match view.status:
        case RunStatus.FAILED:
            return _failed_finding(view, at)
        case RunStatus.CANCELLED:
            return _cancelled_finding(view, at)
        case _:
            return Finding("completed", "ok", f"The run completed at {at}.", {"finished_at": at}, run_id=view.id)


def _failed_finding(view: RunView, at: str) -> Finding:
    error = (view.info.error or "").partition("\n")[0]
    failed = next((node for node in view.nodes if node.state is NodeState.FAILED), None)
    facts: dict[str, Any] = {"finished_at": at, "error": view.info.error}
    if failed is None:
        category = None if view.failure is None else view.failure.category
        facts["category"] = category
        return Finding(
            "failed",
            "problem",
            f"The run failed at {at}: {error}.  `runs retry` goes on with what had not ended.",
            facts,
            ("runs", "retry", view.id),
            view.id,
        )
    facts |= _node_facts(failed)
    error = (failed.error or (failed.failure.message if failed.failure is not None else error)).partition("\n")[0]
    if facts["category"] == "CRASHED" and "its process died" in error:
        return Finding(
            "crashed_too_often",
            "problem",
            f"Task {failed.name!r} ran in each of the processes that died, so it is not tried again by itself: {error}."
            "  Find the reason (memory, a native library) before `runs retry`, or give it a worker process.",
            facts,
            ("runs", "retry", view.id),
            view.id,
        )
    return Finding(
        "failed",
        "problem",
        f"The run failed at {at} because task {failed.name!r} did, at its attempt {failed.attempt_count}: {error}."
        f"  `runs retry` tries it again, `runs fork --from {failed.name} --set KEY=VALUE` with other values.",
        facts,
        ("runs", "retry", view.id),
        view.id,
    )


def _node_facts(node: NodeView) -> dict[str, Any]:
    category = node.category or (None if node.failure is None else node.failure.category)
    return {"task": node.name, "category": category, "attempts": node.attempt_count}


def _cancelled_finding(view: RunView, at: str) -> Finding:
    request = next((entry.event for entry in reversed(view.journal) if isinstance(entry.event, CancelRequested)), None)
    by = "" if request is None else request.by
    why = f": {view.info.reason}" if view.info.reason else ""
    return Finding(
        "cancelled",
        "info",
        f"The run was cancelled{f' by {by}' if by else ''} at {at}{why}.",
        {"finished_at": at, "by": by or None, "reason": view.info.reason},
        ("runs", "retry", view.id),
        view.id,
    )
