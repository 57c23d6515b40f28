"""The events of a run in the words of steps.  SQL databases show the same in the view `core_workflow_events`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from holdwater.events import run_events as events
from holdwater.model.statuses import FINAL_STATUSES
from holdwater.model.time import Micros, to_rfc3339
from holdwater.runners.steps.attempts import encoded_output_size
from holdwater.runners.steps.visibility import RunVisibility
from holdwater.runs.view import RunView
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


def build_events(run: RunView) -> list[WorkflowEvent]:
    """List the events of a run, in order; of a run that was resumed after its end, only the last end is listed."""
    if not RunVisibility.from_run(run).events:
        return []
    translator = _Translator(run.info.created_at)
    found = []
    for event in run.events:
        if isinstance(event, events.RunCompleted) and event is not run.events[-1]:
            continue
        step = event.node if isinstance(event, events.NodeEvent) else None
        for kind, at, metadata in translator.translate(event):
            found.append(WorkflowEvent(event.run_id, kind, step, to_rfc3339(at), metadata))
    return found


EventFields = tuple[str, Micros, dict[str, Any]]
"""type, instant, metadata"""


class _Translator:
    """A wait or a map is called again when it has what it asked for: to people that is one attempt, not two."""

    def __init__(self, created_at: Micros) -> None:
        self._created_at = created_at
        self._suspended_since: dict[str, Micros] = {}
        """step that waits, or whose child runs go on -> when its call began"""

    def translate(self, event: events.RunEvent) -> Iterator[EventFields]:
        match event:
            case events.NodeSkipped(started_at=None, reason=reason):
                yield "step_skipped", event.at, {"reason": reason}
            case events.AttemptEnded():
                yield from self._translate_attempt(event)
            case events.NodeChildChanged(status=status, item_index=item) if status in FINAL_STATUSES:
                yield f"map_item_{status}", event.at, {"item": item}
            case events.NodeAttemptLost():
                yield "step_attempt_lost", event.at, {}
            case events.RunStarted():
                yield "workflow_started", event.at, {}
            case events.RunResumed(requested=True, reason=reason):
                yield "workflow_resumed", event.at, {"reason": reason}
            case events.RunCancelRequested(reason=reason) | events.RunPaused(requested=True, reason=reason):
                yield "workflow_stopped", event.at, {"reason": reason}
            case events.RunTimedOut(error=error) | events.RunFailed(node_error=str(error)):
                yield "workflow_failed", event.at, {"error": error}
            case events.RunCompleted():
                yield "workflow_completed", event.at, {"duration_ms": (event.at - self._created_at) / 1000}

    def _translate_attempt(self, event: events.AttemptEnded) -> Iterator[EventFields]:
        began = event.at if event.started_at is None else event.started_at
        if isinstance(event, events.NodeCancelled):
            return
        if isinstance(event, (events.NodeWaiting, events.NodeChildrenRequested)):
            self._suspended_since[event.node] = began
            yield "step_started", began, {}
            if isinstance(event, events.NodeWaiting):
                yield "step_waiting", event.at, {"until": to_rfc3339(event.until)}
            else:
                yield "map_started", event.at, {"item_count": event.count}
            return
        since = self._suspended_since.pop(event.node, None)
        if since is None:
            yield "step_started", began, {}
        yield from _outcome(event, (event.at - (began if since is None else since)) / 1000)


def _outcome(event: events.AttemptEnded, duration_ms: float) -> Iterator[EventFields]:
    match event:
        case events.NodeFailed():
            failed = {"duration_ms": duration_ms, "error": event.error, "category": event.category}
            yield "step_failed", event.at, failed
            if event.retry_at is not None:
                yield "step_retrying", event.at, {"delay_ms": max(0, event.retry_at - event.at) / 1000}
        case events.NodeSucceeded(values=values) | events.NodeSkipped(values=values):
            delta: StepDelta = values[0]
            for own in [] if delta.events is None else delta.events.copy():
                yield "step_event", event.at, own
            if isinstance(event, events.NodeSkipped):
                yield "step_skipped", event.at, {"reason": event.reason}
            else:
                size = encoded_output_size(delta)
                yield "step_completed", event.at, {"duration_ms": duration_ms, "output_size": size}
