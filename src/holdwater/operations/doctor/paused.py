"""Paused runs: by a person, an interruption, or because no runner could go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdwater.model.events import Paused
from holdwater.model.plan import Plan
from holdwater.model.statuses import RunStatus
from holdwater.model.time import to_rfc3339
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.state import DatabaseState
from holdwater.operations.doctor.structure import compare_plans
from holdwater.runs.view import RunView
from holdwater.runtime.active_run import INTERRUPTED_REASON
from holdwater.runtime.parking import is_structure_change


def paused_findings(state: DatabaseState, view: RunView) -> Iterator[Finding]:
    """Find the reasons of a pause, other than questions and child runs."""
    if view.status != RunStatus.PAUSED:
        structure = _structure_finding(state, view, is_parked=False)
        if structure is not None:
            yield structure
        return
    if is_structure_change(view.info.reason):
        found = _structure_finding(state, view, is_parked=True)
        yield found or _reason_finding(state, view, "structure_changed", "")
    elif view.is_parked:
        advice = "  `runs resume` tries again when the cause is gone."
        yield _reason_finding(state, view, "parked", advice)
    elif view.is_suspended and view.info.reason == INTERRUPTED_REASON:
        yield Finding(
            "interrupted",
            "problem",
            f"The run was paused {_since(state, view)}, when the call that waited for it was interrupted.",
            _facts(view),
            ("runs", "resume", view.id),
            view.id,
        )
    elif view.is_suspended:
        yield _request_finding(state, view)


def _request_finding(state: DatabaseState, view: RunView) -> Finding:
    request = next((entry.event for entry in reversed(view.journal) if isinstance(entry.event, Paused)), None)
    by = "" if request is None else request.by
    why = f": {view.info.reason}" if view.info.reason else ""
    return Finding(
        "paused",
        "problem",
        f"The run was paused{f' by {by}' if by else ''} {_since(state, view)}{why}.",
        {**_facts(view), "by": by or None},
        ("runs", "resume", view.id),
        view.id,
    )


def _reason_finding(state: DatabaseState, view: RunView, code: str, advice: str) -> Finding:
    reason = (view.info.reason or "no reason was recorded").partition("\n")[0]
    return Finding(
        code,
        "problem",
        f"A runner set the run aside {_since(state, view)}: {reason}.{advice}",
        _facts(view),
        ("runs", "resume", view.id),
        view.id,
    )


def _structure_finding(state: DatabaseState, view: RunView, *, is_parked: bool) -> Finding | None:
    """Compare the plan of the run with the one that was announced last; None if it is the same, or not known."""
    row = state.workflow(view.info.workflow)
    if row is None or row.structure is None or row.release != view.info.release:
        return None
    announced = row.structure
    if view.info.structure in row.structures:
        return None
    data = state.database.store.get_plan(announced)
    difference = None if data is None else compare_plans(view.plan, Plan.from_data(data))
    told = "" if difference is None else f": {difference.sentence}"
    facts: dict[str, Any] = {"recorded": view.info.structure, "announced": announced}
    if difference is not None:
        facts |= difference.facts()
    if is_parked:
        sentence = (
            f"The structure of workflow {view.info.workflow!r} is another one than when the run began{told}.  Resume it"
            " with a runner that has the old code, or cancel it and start a new run."
        )
        return Finding(
            "structure_changed", "problem", sentence, _facts(view) | facts, ("runs", "resume", view.id), view.id
        )
    sentence = (
        f"Workflow {view.info.workflow!r} was last announced with another structure{told}.  A runner that has only that"
        " sets the run aside."
    )
    return Finding("structure_differs", "warning", sentence, facts, run_id=view.id)


def _since(state: DatabaseState, view: RunView) -> str:
    return state.ago(view.info.paused_at or view.info.created_at)


def _facts(view: RunView) -> dict[str, Any]:
    at = view.info.paused_at
    return {"paused_at": None if at is None else to_rfc3339(at), "reason": view.info.reason}
