"""What happened in a run, for people.  SQL databases show the same in the view `core_workflow_events`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.statuses import ENDED, RunStatus
from holdwater.model.time import to_rfc3339
from holdwater.runners.steps.attempts import StepAttempt, encoded_output_size, iter_attempts
from holdwater.runners.steps.visibility import RunVisibility
from holdwater.runtime.active_run import ActiveRun
from holdwater.steps.delta import StepDelta


@dataclass(frozen=True, slots=True)
class WorkflowEvent:
    """Something that happened in a run.  `step_name` is None for what concerns the whole run."""

    run_id: str
    event_type: str
    step_name: str | None
    timestamp: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "event_type": self.event_type,
            "step_name": self.step_name,
            "timestamp": self.timestamp,
            "metadata": self.metadata,
        }


def build_events(run: ActiveRun) -> list[WorkflowEvent]:
    """Everything that happened, in order."""
    if not RunVisibility.from_run(run).events:
        return []
    names = [node.name for node in run.compiled_plan.plan.nodes]
    ended = {attempt.entry_index: attempt for attempt in iter_attempts(run)}
    found = []
    for place, entry in enumerate(run.entries):
        for kind, node, at, metadata in _events_of_entry(run, entry, ended.get(place)):
            step = None if node is None else names[node]
            found.append(WorkflowEvent(run.row.id, kind, step, to_rfc3339(at), metadata))
    if run.row.status == RunStatus.COMPLETED and run.row.finished_at is not None:
        took = {"duration_ms": (run.row.finished_at - run.row.created_at) / 1000}
        found.append(WorkflowEvent(run.row.id, "workflow_completed", None, to_rfc3339(run.row.finished_at), took))
    return found


EventFields = tuple[str, int | None, int, dict[str, Any]]
"""type, node, instant, metadata"""


def _events_of_entry(run: ActiveRun, entry: JournalEntry, attempt: StepAttempt | None) -> Iterator[EventFields]:
    at = entry.at
    match entry.event:
        case ev.Started(skipped_ranges=passed):
            yield "workflow_started", None, at, {}
            yield from _skip_events(run, passed, at, "not requested")
        case ev.Succeeded() | ev.Failed():
            assert attempt is not None
            yield from _events_of_attempt(run, attempt, at)
        case ev.Deferred(node=node, until=until):
            yield "step_started", node, entry.began, {}
            yield "step_waiting", node, entry.ended, {"until": to_rfc3339(until)}
        case ev.ChildRunsRequested(node=node, inputs=inputs):
            yield "step_started", node, entry.began, {}
            yield "map_started", node, entry.ended, {"item_count": len(inputs)}
        case ev.ChildStatusChanged(node=node, index=item, status=status) if status in ENDED:
            yield f"map_item_{status}", node, at, {"item": item}
        case ev.AttemptLost(node=node):
            yield "step_attempt_lost", node, at, {}
        case ev.Resumed(reason=reason):
            yield "workflow_resumed", None, at, {"reason": reason}
        case ev.TimedOut(error=error):
            yield "workflow_failed", None, at, {"error": error}
        case ev.CancelRequested(reason=reason) | ev.Paused(reason=reason):
            yield "workflow_stopped", None, at, {"reason": reason}


def _events_of_attempt(run: ActiveRun, attempt: StepAttempt, at: int) -> Iterator[EventFields]:
    event, node, ended = attempt.event, attempt.node_index, attempt.ended_at
    if not attempt.was_suspended:
        yield "step_started", node, attempt.started_at, {}
    if isinstance(event, ev.Succeeded):
        delta: StepDelta = event.values[0]
        for own in [] if delta.events is None else delta.events.copy():
            yield "step_event", node, ended, own
        if delta.skipped is None:
            size = encoded_output_size(delta)
            yield "step_completed", node, ended, {"duration_ms": attempt.duration_ms, "output_size": size}
        else:
            yield "step_skipped", node, ended, {"reason": delta.skipped}
        by = f"skipped by {run.compiled_plan.plan.nodes[node].name}"
        yield from _skip_events(run, event.decision or (), at, by)
        return
    failed = {"duration_ms": attempt.duration_ms, "error": event.error, "category": event.kind}
    yield "step_failed", node, ended, failed
    if event.retry_at is not None:
        yield "step_retrying", node, ended, {"delay_ms": max(0, event.retry_at - ended) / 1000}
    elif run.compiled_plan.plan.nodes[node].on_error != "ignore":
        yield "workflow_failed", None, at, {"error": event.error}


def _skip_events(run: ActiveRun, skipped_ranges: tuple[str, ...], at: int, reason: str) -> Iterator[EventFields]:
    index = run.compiled_plan.index
    for first, last in zip(skipped_ranges[::2], skipped_ranges[1::2]):
        for node in range(index[first], index[last] if last else len(index)):
            yield "step_skipped", node, at, {"reason": reason}
