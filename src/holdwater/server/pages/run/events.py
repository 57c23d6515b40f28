"""The events of a run, filtered, page by page by journal number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.events.run_events import NodeEvent, RunEvent
from holdwater.model.short_error import short_error
from holdwater.model.time import Micros

PAGE_EVENTS: Final = 200
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "run": ("workflow_",),
    "failures": (
        "task_failed", "task_attempt_lost", "task_retry_scheduled", "workflow_failed", "workflow_timed_out",
    ),
    "control": (
        "workflow_paused", "workflow_resumed", "workflow_cancel_requested", "task_input_", "task_inputs_overridden",
        "task_reset",
    ),
    "tasks": ("task_",),
}  # fmt: skip
"""name of a group -> what the types of its events begin with"""
_NOT_DETAILS: Final = frozenset({"type", "run_id", "seq", "part", "at", "recorded_at", "node", "by", "traceback"})
MAX_DETAIL_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event.  `detail`: its other fields as text.  `by`: who asked for it, "" where that is not recorded."""

    seq: int
    part: int
    type: str
    at: Micros
    task: str
    by: str
    detail: str
    kind: str


@dataclass(frozen=True, slots=True)
class EventTable:
    """One page of the events that match, the oldest first.

    `older`, `newer`: journal numbers to go on with (`before=`, `after=`), None if there are no more.
    """

    rows: tuple[EventRow, ...]
    matching: int
    total: int
    older: int | None
    newer: int | None

    @property
    def has_authors(self) -> bool:
        """Some events on this page say who asked for them."""
        return any(row.by for row in self.rows)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selection of events.

    `group`: of types, "" for all.  `task`: name of a node.  `after`, `before`: journal numbers; without them the last
    events.
    """

    group: str = ""
    task: str = ""
    text: str = ""
    after: int | None = None
    before: int | None = None


def matching_events(events: Iterable[RunEvent], which: EventFilter) -> list[RunEvent]:
    """List the events that match, on all pages."""
    prefixes = GROUPS.get(which.group, ("",))
    text = which.text.casefold()
    return [
        event
        for event in events
        if event.type.startswith(prefixes)
        and (not which.task or getattr(event, "node", None) == which.task)
        and (not text or text in f"{event.type} {getattr(event, 'node', '')} {_detail(event)}".casefold())
    ]


def select_events(events: Sequence[RunEvent], which: EventFilter) -> EventTable:
    """Select one page of events.  Events of one journal entry are on one page."""
    return to_page(matching_events(events, which), len(events), which)


def to_page(found: Sequence[RunEvent], total: int, which: EventFilter) -> EventTable:
    """Cut one page out of the events that match."""
    if which.after is not None:
        start = next((k for k, event in enumerate(found) if event.seq > which.after), len(found))
        end = _end_of_entry(found, min(start + PAGE_EVENTS, len(found)))
    else:
        limit = which.before
        end = (
            len(found)
            if limit is None
            else next((k for k, event in enumerate(found) if event.seq >= limit), len(found))
        )
        start = _start_of_entry(found, max(0, end - PAGE_EVENTS))
    shown = found[start:end]
    return EventTable(
        tuple([_row(event) for event in shown]),
        len(found),
        total,
        shown[0].seq if shown and start > 0 else None,
        shown[-1].seq if shown and end < len(found) else None,
    )


def _end_of_entry(events: Sequence[RunEvent], end: int) -> int:
    while 0 < end < len(events) and events[end].seq == events[end - 1].seq:
        end += 1
    return end


def _start_of_entry(events: Sequence[RunEvent], start: int) -> int:
    while 0 < start < len(events) and events[start].seq == events[start - 1].seq:
        start -= 1
    return start


def events_as_json(events: Iterable[RunEvent]) -> str:
    """Return events as a JSON array, one to a line."""
    lines = [json.dumps(event.to_dict(), ensure_ascii=False, default=str) for event in events]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def _row(event: RunEvent) -> EventRow:
    return EventRow(
        event.seq,
        event.part,
        event.type,
        event.at,
        event.node if isinstance(event, NodeEvent) else "",
        str(getattr(event, "by", "") or ""),
        _detail(event),
        _kind(event.type),
    )


def _kind(event_type: str) -> str:
    """Return the state that an event leads to, for its colour; "" where there is none."""
    for ending, state in _KINDS:
        if event_type.endswith(ending):
            return state
    return ""


_KINDS: Final = (
    ("task_skipped", "skipped"), ("_completed", "completed"), ("_failed", "failed"), ("_timed_out", "failed"),
    ("_lost", "failed"), ("_cancelled", "cancelled"), ("_cancel_requested", "cancelled"), ("_paused", "paused"),
    ("_input_requested", "awaiting_input"), ("_deferred", "waiting"), ("_retry_scheduled", "waiting"),
    ("_started", "running"), ("_marked_ready", "queued"),
)  # fmt: skip


def _detail(event: RunEvent) -> str:
    """Return the fields of an event that are not at their default, as `name: value`; none that its error says, too."""
    fields = event.to_dict()
    error = str(fields.get("error") or "")
    said = {name for name in ("category", "node_error") if str(fields.get(name) or "\0") in error}
    parts = [_field_text(name, value) for name, value in fields.items() if name not in _NOT_DETAILS | said]
    text = "  ".join([part for part in parts if part])
    return text if len(text) <= MAX_DETAIL_CHARACTERS else f"{text[: MAX_DETAIL_CHARACTERS - 1]}…"


def _field_text(name: str, value: Any) -> str:
    if value is None or value in ("", False) or value == [] or name == "fence" or (name == "attempt" and value == 1):
        return ""
    if name in ("started_at", "retry_at", "until"):
        return ""
    if name == "counted":
        return "its process died; this attempt counts"
    if value is True:
        return name.replace("_", " ")
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if name == "error":
        return short_error(text)
    return text if name == "reason" else f"{name.replace('_', ' ')}: {text}"
