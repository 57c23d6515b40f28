"""Paused runs that wait for an answer, told from those that were paused by a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from holdwater.errors import DecodingError, StoreError, StoreUnavailable
from holdwater.model.ports.store import Store
from holdwater.model.records import FirstQuestion, RunRow
from holdwater.model.statuses import RunStatus
from holdwater.runs import open_pauses
from holdwater.runs.activity import Activity
from holdwater.runtime.run_loader import StoredRunLoader


def read_waiting(store: Store, loader: StoredRunLoader, rows: Sequence[RunRow]) -> dict[str, Activity]:
    """Read the activities of those runs that wait for an answer, by run id; asks nothing if no run is paused.

    A run with a reason was paused by a request, or by a runner that could not go on with it.
    Raises StoreUnavailable.
    """
    paused = {row.id: row for row in rows if row.status == RunStatus.PAUSED and not row.reason}
    asked = store.first_questions(list(paused)) if paused else {}
    return {
        run_id: Activity("waiting for an answer", answer_name=_answer_name(loader, paused[run_id], question))
        for run_id, question in asked.items()
        if not question.is_suspended
    }


def _answer_name(loader: StoredRunLoader, row: RunRow, question: FirstQuestion) -> str:
    try:
        plan = loader.plan_of(replace(row, id=question.run_id, structure=question.structure)).plan
    except StoreUnavailable:
        raise
    except (StoreError, DecodingError):  # a plan that cannot be read must not hide the other runs; its own page says it
        return ""
    return open_pauses.answer_name_of(plan.nodes[question.node]) if question.node < len(plan.nodes) else ""
