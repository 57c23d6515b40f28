"""Events of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field

from holdwater.events.run_events import RunEvent
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.server.models.base import Instant, ItemList, to_instant

MAX_VALUE_CHARS: Final = 16 * 1024
"""of a value in an event; stored texts are ASCII"""
_OWN_FIELDS = frozenset({"type", "run_id", "seq", "part", "at", "recorded_at", "node", "by"})


class Event(BaseModel):
    """One event.  `id`: its place, to read on behind it; `sequence_num`: number of its journal entry.

    `created_at`: when it happened; `recorded_at`: when it was journalled.
    `data`: what else the event says: names, numbers and texts; `event_data`: the same as a text in JSON, null for
    nothing.  `values`: with `values=true`, the values of users in it
    as they are recorded, of 16 KiB at most; a larger one is `{"too_large_bytes": N}`.
    """

    id: str = Field(examples=["7.0"])
    sequence_num: int
    event_type: str = Field(examples=["task_completed"])
    task_name: str | None
    by: str | None
    created_at: Instant
    recorded_at: Instant
    data: dict[str, Any]
    event_data: str | None = Field(examples=['{"attempt":2}'])
    values: dict[str, Any] | None = None

    @classmethod
    def of(cls, event: RunEvent, *, with_values: bool = False) -> Event:
        """Create it from an event of a run."""
        said = event.to_dict()
        data = {name: value for name, value in said.items() if name not in _OWN_FIELDS}
        return cls(
            id=f"{event.seq}.{event.part}",
            sequence_num=event.seq,
            event_type=event.type,
            task_name=said.get("node"),
            by=said.get("by") or None,
            created_at=to_instant(event.at),
            recorded_at=to_instant(event.recorded_at),
            data=data,
            event_data=json.dumps(data, separators=(",", ":")) if data else None,
            values={name: _show(value) for name, value in event.recorded_values().items()} if with_values else None,
        )


def _show(value: Any) -> Any:
    """Show recorded values as plain JSON."""
    if isinstance(value, Mapping):
        return {name: _show(inner) for name, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_show(inner) for inner in value]
    text: str = value.text
    return {"too_large_bytes": len(text)} if len(text) > MAX_VALUE_CHARS else to_plain_json(json.loads(text))


class EventPage(ItemList):
    """Events of a run in order.  `next_cursor`: for `since`; null if there were no more when this was read."""

    list_name = "events"
    is_legacy_name = False

    tenant_id: str
    execution_id: str
    items: list[Event]
    total: int
    next_cursor: str | None
