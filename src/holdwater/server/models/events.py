"""Events of a run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from holdwater.events.run_events import RunEvent
from holdwater.server.models.base import Instant, to_instant

_OWN_FIELDS = frozenset({"type", "run_id", "seq", "part", "at", "recorded_at", "node", "by"})


class Event(BaseModel):
    """One event.  `id`: its place, to read on behind it; `sequence_num`: number of its journal entry.

    `data`: what else the event says: names, numbers and texts, no values of users.
    """

    id: str = Field(examples=["7.0"])
    sequence_num: int
    event_type: str = Field(examples=["task_completed"])
    task_name: str | None
    by: str | None
    created_at: Instant
    data: dict[str, Any]

    @classmethod
    def of(cls, event: RunEvent) -> Event:
        """Create it from an event of a run."""
        said = event.to_dict()
        return cls(
            id=f"{event.seq}.{event.part}",
            sequence_num=event.seq,
            event_type=event.type,
            task_name=said.get("node"),
            by=said.get("by") or None,
            created_at=to_instant(event.at),
            data={name: value for name, value in said.items() if name not in _OWN_FIELDS},
        )


class EventPage(BaseModel):
    """Events of a run in order.  `next_cursor`: for `since`; null if there were no more when this was read."""

    tenant_id: str
    execution_id: str
    items: list[Event]
    total: int
    next_cursor: str | None
