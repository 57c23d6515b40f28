"""Diagnosis of one run: everything that can hold it, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdwater.errors import DecodingError, StoreError, StoreUnavailable
from holdwater.model.statuses import RunStatus
from holdwater.operations.databases import Database
from holdwater.operations.doctor import ended, paused, waiting
from holdwater.operations.doctor.children import waited_children
from holdwater.operations.doctor.database import clock_finding, schema_finding, writable_finding
from holdwater.operations.doctor.findings import Finding, worst_first
from holdwater.operations.doctor.state import DatabaseState, to_instant
from holdwater.operations.doctor.work import work_findings
from holdwater.runs.view import RunView

MAX_RUNS: Final = 20
"""child runs that are looked into, those of child runs included"""
MAX_FINDINGS: Final = 100


def diagnose_run(database: Database, run_id: str) -> tuple[Finding, ...]:
    """Find everything that holds a run, the worst first; of a run that moves or has ended, that it does.

    Changes nothing.  Raises RunNotFound, InvalidArgument, StoreUnavailable.
    """
    state = DatabaseState.of(database)
    found = list(_findings(state, run_id, {run_id}))
    if not database.runs.row(run_id).finished_at:
        inspection = database.store.inspect()
        whole = (schema_finding(inspection), writable_finding(inspection), clock_finding(database))
        found += [one for one in whole if one.severity != "ok"]
    return worst_first(found[:MAX_FINDINGS])


def _findings(state: DatabaseState, run_id: str, seen: set[str]) -> Iterator[Finding]:
    """Diagnose a run and the child runs it waits for.  `seen`: runs that were looked into."""
    try:
        view = state.database.runs.view(run_id)
    except StoreUnavailable:
        raise
    except (StoreError, DecodingError) as error:
        yield Finding(
            "unreadable",
            "problem",
            f"The run cannot be read by this version: {error.message}.",
            {"error": error.message, "hint": error.hint},
            run_id=run_id,
        )
        return
    if view.ended:
        yield ended.ended_finding(view)
        return
    found = [*paused.paused_findings(state, view), *_unfinished_findings(state, view, seen)]
    yield from found
    if all(finding.severity in ("info", "ok") for finding in found):
        yield _moving_finding(state, view)


def _unfinished_findings(state: DatabaseState, view: RunView, seen: set[str]) -> Iterator[Finding]:
    if view.status == RunStatus.RUNNING:
        yield from work_findings(state, view)
    yield from waiting.question_findings(state, view)
    yield from waiting.deadline_findings(state, view)
    for child in waited_children(state, view):
        yield child.finding
        for run_id in child.run_ids:
            if len(seen) <= MAX_RUNS and run_id not in seen:
                seen.add(run_id)
                yield from [one for one in _findings(state, run_id, seen) if one.code != "moving"]


def _moving_finding(state: DatabaseState, view: RunView) -> Finding:
    """Nothing is wrong."""
    at = view.journal[-1].recorded_at if view.journal else view.info.created_at
    return Finding(
        "moving",
        "ok",
        f"Nothing is wrong: the run moves, its last journal entry is from {state.ago(at)}.",
        {"last_entry_at": to_instant(at), "entries": len(view.journal)},
        ("runs", "follow", view.id),
        view.id,
    )
