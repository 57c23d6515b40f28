"""Answers of people that a run waits for, and its deadline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from holdwater.model.events import InputRequested
from holdwater.model.schema_validation import describe_schema
from holdwater.model.statuses import RunStatus
from holdwater.model.time import to_rfc3339
from holdwater.operations.doctor.commands import continue_command
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.releases import no_release_finding
from holdwater.operations.doctor.state import DatabaseState
from holdwater.operations.questions import question_text
from holdwater.runs.open_pauses import Pause
from holdwater.runs.view import RunView

MAX_QUESTIONS: Final = 5
_SHOWN_CHARS: Final = 200


def question_findings(state: DatabaseState, view: RunView) -> Iterator[Finding]:
    """Find the questions of the run itself; those of its child runs are found when these are followed."""
    own = view.own_pauses
    for pause in own[:MAX_QUESTIONS]:
        yield _question_finding(state, view, pause, is_only=len(own) == 1 and not view.fan_outs)
    if len(own) > MAX_QUESTIONS:
        yield Finding(
            "waits_for_answers",
            "problem",
            f"{len(own) - MAX_QUESTIONS:,} more questions of the run wait for answers.",
            {"questions": len(own)},
            ("runs", "show", view.id),
            view.id,
        )
    if own:
        yield from _no_runner_findings(state, view)


def _question_finding(state: DatabaseState, view: RunView, pause: Pause, *, is_only: bool) -> Finding:
    asked = next(
        (
            entry.recorded_at
            for entry in reversed(view.journal)
            if isinstance(entry.event, InputRequested) and entry.event.node == pause.node_index
        ),
        view.info.created_at,
    )
    shown = "" if pause.question is None else f": {question_text(pause.question, _SHOWN_CHARS)}"
    which = () if is_only else ("--pause", pause.pause_id)
    kind = "" if pause.answer_schema is None else f" ({describe_schema(pause.answer_schema)})"
    return Finding(
        "waits_for_answer",
        "problem",
        f"The run has waited {state.waited(asked)} for the answer to {pause.pause_id!r}{kind}{shown}",
        {
            "pause_id": pause.pause_id,
            "answer_name": pause.answer_name,
            "asked_at": to_rfc3339(asked),
            "answer_schema": pause.answer_schema,
        },
        ("runs", "answer", view.id, *which, "ANSWER"),
        view.id,
    )


def _no_runner_findings(state: DatabaseState, view: RunView) -> Iterator[Finding]:
    """Tell that nothing goes on with the answer; work that is queued already has a finding of its own."""
    workflow, key = view.info.workflow, view.info.claim_key
    if view.status == RunStatus.RUNNING or state.takers(key) or state.possible_takers(key):
        return
    if state.may_have_registered_since(view.journal[-1].recorded_at):
        return
    if view.info.release is not None:
        yield no_release_finding(state, view, "  After the answer the run waits until one is up.", {})
        return
    yield Finding(
        "no_runner",
        "problem",
        f"No live runner takes runs of workflow {workflow!r}: after the answer the run waits until one is up.",
        {"workflow": workflow, "runners": state.runner_facts()},
        continue_command(state, view),
        view.id,
    )


def deadline_findings(state: DatabaseState, view: RunView) -> Iterator[Finding]:
    """Tell when the run will be failed for taking too long."""
    at = view.info.deadline_at
    if at is None or view.info.paused_at is not None:
        return
    facts = {"deadline_at": to_rfc3339(at)}
    if at > state.now:
        yield Finding(
            "deadline", "info", f"The run fails if it has not ended {state.ahead(at)}.", facts, run_id=view.id
        )
        return
    yield Finding(
        "deadline_passed",
        "warning",
        f"The deadline of the run passed {state.ago(at)}: the next runner that has its workflow fails it.",
        facts,
        run_id=view.id,
    )
