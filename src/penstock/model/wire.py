"""The journal on the wire: one positional JSON array per event.

A value stands in it as its own encoding, never encoded a second time.  Reading gives raw trees in the places of
values; the style that wrote them turns them into its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.model import events as ev
from penstock.model.errors import StoreError
from penstock.model.events import Event


class Writable(Protocol):
    """A value that knows its own encoding."""

    @property
    def text(self) -> str: ...


@dataclass(slots=True)
class Entry:
    """An event with what the machine has no use for.

    `began`, `ended`: when the attempt ran, microseconds since the epoch.  `notes`: failures of observers.
    `at`: when it was journalled, 0 before that.
    """

    event: Event
    began: int = 0
    ended: int = 0
    notes: tuple[str, ...] = ()
    at: int = 0


_quote = json.JSONEncoder(separators=(",", ":")).encode


def _list(values: Sequence[Writable]) -> str:
    return "[" + ",".join([v.text for v in values]) + "]"


def encode(entry: Entry) -> str:
    """One entry as JSON text."""
    e = entry.event
    match e:
        case ev.Succeeded():
            tail = f",{_quote(list(entry.notes))}" if entry.notes else ""
            decision = "null" if e.decision is None else _quote(list(e.decision))
            return f'["ok",{e.node},{e.fence},{entry.began},{entry.ended},{_list(e.values)},{decision}{tail}]'
        case ev.Started():
            inputs = ",".join([f"{_quote(k)}:{v.text}" for k, v in e.inputs.items()])
            return '["started",{' + inputs + "}]"
        case ev.Edited():
            return f'["edited",{e.node},{e.values.text}]'
        case ev.Failed():
            row: list[Any] = ["fail", e.node, e.fence, entry.began, entry.ended, e.kind, e.error, e.retry_at]
            return _quote([*row, list(entry.notes)] if entry.notes else row)
        case ev.Abandoned():
            return _quote(["abandoned", e.node, e.fence, e.counted])
        case ev.Cancelled():
            return _quote(["cancelled", e.node, e.fence, entry.began, entry.ended])
        case ev.Deferred():
            return _quote(["deferred", e.node, e.fence, entry.began, entry.ended, e.until])
        case ev.Evaluated():
            return _quote(["evaluated", e.node, list(e.truths)])
        case ev.TimerSet():
            return _quote(["timer_set", e.node, e.at])
        case ev.TimerFired():
            return _quote(["timer_fired", e.node])
        case ev.Answered():
            return f'["answered",{e.node},{_list(e.values)}]'
        case ev.CancelRequested():
            return _quote(["cancel_requested", e.reason])
        case ev.TimedOut():
            return _quote(["timed_out", e.error])
        case ev.Paused():
            return _quote(["paused", e.reason])
        case ev.Resumed():
            return _quote(["resumed", e.reason])


def decode(row: Sequence[Any], unpack: Callable[[Any], Any], at: int = 0) -> Entry:
    """The entry in one row of parsed JSON; `unpack` turns the tree of a value into the style's own.

    Raises StoreError for a row this version does not know.
    """
    kind, *rest = row
    try:
        match kind:
            case "ok":
                node, fence, began, ended, values, decision = rest[:6]
                event: Event = ev.Succeeded(
                    node, fence, tuple([unpack(v) for v in values]), None if decision is None else tuple(decision)
                )
                return Entry(event, began, ended, tuple(rest[6]) if len(rest) > 6 else (), at)
            case "started":
                return Entry(ev.Started({k: unpack(v) for k, v in rest[0].items()}), at=at)
            case "edited":
                return Entry(ev.Edited(rest[0], unpack(rest[1])), at=at)
            case "fail":
                node, fence, began, ended, what, error, retry_at = rest[:7]
                event = ev.Failed(node, fence, what, error, retry_at)
                return Entry(event, began, ended, tuple(rest[7]) if len(rest) > 7 else (), at)
            case "cancelled":
                return Entry(ev.Cancelled(rest[0], rest[1]), rest[2], rest[3], at=at)
            case "deferred":
                return Entry(ev.Deferred(rest[0], rest[1], rest[4]), rest[2], rest[3], at=at)
            case "evaluated":
                return Entry(ev.Evaluated(rest[0], tuple(rest[1])), at=at)
            case "answered":
                return Entry(ev.Answered(rest[0], tuple([unpack(v) for v in rest[1]])), at=at)
            case _:
                return Entry(_SIMPLE[kind](*rest), at=at)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError(f"the journal holds an entry this version cannot read: {str(row)[:120]}") from error


_SIMPLE: dict[str, Callable[..., Event]] = {
    "abandoned": ev.Abandoned,
    "timer_set": ev.TimerSet,
    "timer_fired": ev.TimerFired,
    "cancel_requested": ev.CancelRequested,
    "timed_out": ev.TimedOut,
    "paused": ev.Paused,
    "resumed": ev.Resumed,
}
