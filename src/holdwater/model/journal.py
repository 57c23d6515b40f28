"""The journal on the wire: one positional JSON array per event.

A value stands in it as its own encoding, never encoded a second time.  Reading gives raw trees in the places of
values; the style that wrote them turns them into its own.  What goes to child runs and comes from them is read as
stored values: they may be of another style.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from holdwater.errors import StoreError
from holdwater.model import events as ev
from holdwater.model.events import Event
from holdwater.model.input_requests import Question
from holdwater.model.time import UNSET, Micros
from holdwater.model.values import StoredValue


class EncodedValue(Protocol):
    """A value that knows its own encoding."""

    @property
    def text(self) -> str: ...


@dataclass(slots=True)
class JournalEntry:
    """An event with what the machine has no use for.

    `started_at`, `ended_at`: when the attempt ran.  `observer_errors`: failures of observers.
    `recorded_at`: when it was journalled, 0 before that.
    """

    event: Event
    started_at: Micros = UNSET
    ended_at: Micros = UNSET
    observer_errors: tuple[str, ...] = ()
    recorded_at: Micros = UNSET


_to_json = json.JSONEncoder(separators=(",", ":")).encode


def _encode_list(values: Sequence[EncodedValue]) -> str:
    return "[" + ",".join([v.text for v in values]) + "]"


def _encode_mapping(values: Mapping[str, EncodedValue]) -> str:
    return "{" + ",".join([f"{_to_json(k)}:{v.text}" for k, v in values.items()]) + "}"


def encode_entry(entry: JournalEntry) -> str:
    """One entry as JSON text."""
    e = entry.event
    match e:
        case ev.Succeeded():
            tail = f",{_to_json(list(entry.observer_errors))}" if entry.observer_errors else ""
            decision = "null" if e.decision is None else _to_json(list(e.decision))
            times = f"{entry.started_at},{entry.ended_at}"
            return f'["succeeded",{e.node},{e.fence},{times},{_encode_list(e.values)},{decision}{tail}]'
        case ev.Started():
            tail = f",{_to_json(list(e.skipped_ranges))}" if e.skipped_ranges or e.unvalidated else ""
            tail += ",true" if e.unvalidated else ""
            return f'["started",{_encode_mapping(e.inputs)}{tail}]'
        case ev.InputsOverridden():
            return f'["inputs_overridden",{e.node},{e.values.text}]'
        case ev.Failed():
            row: list[Any] = ["failed", e.node, e.fence, entry.started_at, entry.ended_at, e.kind, e.error, e.retry_at]
            if e.traceback or entry.observer_errors:
                row += [e.traceback, list(entry.observer_errors)]
            return _to_json(row)
        case ev.AttemptLost():
            return _to_json(["attempt_lost", e.node, e.fence, e.counts_as_crash])
        case ev.Cancelled():
            return _to_json(["cancelled", e.node, e.fence, entry.started_at, entry.ended_at])
        case ev.Deferred():
            return _to_json(["deferred", e.node, e.fence, entry.started_at, entry.ended_at, e.until])
        case ev.InputRequested():
            return f'["input_requested",{e.node},{e.fence},{entry.started_at},{entry.ended_at},{e.question.text}]'
        case ev.ChildRunsRequested():
            inputs = ",".join([_encode_mapping(given) for given in e.inputs])
            tail = f"{_to_json(e.max_concurrency)},{_to_json(e.fail_fast)}"
            return f'["child_runs_requested",{e.node},{e.fence},{entry.started_at},{entry.ended_at},[{inputs}],{tail}]'
        case ev.ChildStatusChanged():
            head = f"{e.node},{e.generation},{e.index},{_to_json(e.status)}"
            return f'["child_status_changed",{head},{_encode_mapping(e.values)},{_to_json(e.error)}]'
        case ev.RuleEvaluated():
            return _to_json(["rule_evaluated", e.node, list(e.rule_results)])
        case ev.TimerSet():
            return _to_json(["timer_set", e.node, e.at])
        case ev.TimerFired():
            return _to_json(["timer_fired", e.node])
        case ev.InputProvided():
            return f'["input_provided",{e.node},{_encode_list(e.values)}{_encode_answer_tail(e)}]'
        case ev.CancelRequested():
            return _to_json(["cancel_requested", e.reason, *([e.by] if e.by else [])])
        case ev.TimedOut():
            return _to_json(["timed_out", e.error])
        case ev.Paused():
            return _to_json(["paused", e.reason, *([e.by] if e.by else [])])
        case ev.Resumed():
            if not (e.inputs or e.by) and e.start_node is None and e.release is None:
                return _to_json(["resumed", e.reason])
            tail = f",{_to_json(e.by)}" if e.by or e.release is not None else ""
            tail += f",{_to_json(e.release)}" if e.release is not None else ""
            return f'["resumed",{_to_json(e.reason)},{_encode_mapping(e.inputs)},{_to_json(e.start_node)}{tail}]'


def _encode_answer_tail(e: ev.InputProvided) -> str:
    """Encode what follows the values of an answer: fence, unvalidated, author; without what is unset at the end."""
    if e.by:
        return f",{_to_json(e.fence)},{_to_json(e.unvalidated)},{_to_json(e.by)}"
    if e.unvalidated:
        return f",{_to_json(e.fence)},true"
    return "" if e.fence is None else f",{e.fence}"


def decode_entry(row: Sequence[Any], decode_value: Callable[[Any], Any], recorded_at: Micros = UNSET) -> JournalEntry:
    """The entry in one row of parsed JSON; `unpack` turns the tree of a value into the style's own.

    Raises StoreError for a row this version does not know.
    """
    kind, *rest = row
    try:
        match kind:
            case "succeeded":
                node, fence, started_at, ended_at, values, decision = rest[:6]
                event: Event = ev.Succeeded(
                    node, fence, tuple([decode_value(v) for v in values]), None if decision is None else tuple(decision)
                )
                return JournalEntry(event, started_at, ended_at, tuple(rest[6]) if len(rest) > 6 else (), recorded_at)
            case "started":
                passed = tuple(rest[1]) if len(rest) > 1 else ()
                given = _decode_mapping(rest[0], decode_value)
                return JournalEntry(ev.Started(given, passed, unvalidated=len(rest) > 2), recorded_at=recorded_at)
            case "inputs_overridden":
                return JournalEntry(ev.InputsOverridden(rest[0], decode_value(rest[1])), recorded_at=recorded_at)
            case "failed":
                node, fence, started_at, ended_at, what, error, retry_at = rest[:7]
                traceback, notes = rest[7:] or ("", ())
                event = ev.Failed(node, fence, what, error, retry_at, traceback)
                return JournalEntry(event, started_at, ended_at, tuple(notes), recorded_at)
            case "cancelled":
                return JournalEntry(ev.Cancelled(rest[0], rest[1]), rest[2], rest[3], recorded_at=recorded_at)
            case "deferred":
                return JournalEntry(ev.Deferred(rest[0], rest[1], rest[4]), rest[2], rest[3], recorded_at=recorded_at)
            case "input_requested":
                question = Question(decode_value(rest[4]), rest[5] if len(rest) > 5 else None)
                return JournalEntry(
                    ev.InputRequested(rest[0], rest[1], question), rest[2], rest[3], recorded_at=recorded_at
                )
            case "child_runs_requested":
                inputs = tuple([_decode_mapping(given, StoredValue.from_tree) for given in rest[4]])
                return JournalEntry(
                    ev.ChildRunsRequested(rest[0], rest[1], inputs, rest[5], rest[6]),
                    rest[2],
                    rest[3],
                    recorded_at=recorded_at,
                )
            case "child_status_changed":
                node, turn, item, status, values, error = rest
                return JournalEntry(
                    ev.ChildStatusChanged(
                        node, turn, item, status, _decode_mapping(values, StoredValue.from_tree), error
                    ),
                    recorded_at=recorded_at,
                )
            case "resumed":
                given = _decode_mapping(rest[1], decode_value) if len(rest) > 1 else {}
                return JournalEntry(
                    ev.Resumed(rest[0], given, rest[2] if len(rest) > 2 else None, *rest[3:]), recorded_at=recorded_at
                )
            case "rule_evaluated":
                return JournalEntry(ev.RuleEvaluated(rest[0], tuple(rest[1])), recorded_at=recorded_at)
            case "input_provided":
                node, values, *tail = rest
                answer = ev.InputProvided(node, tuple([decode_value(v) for v in values]), *tail)
                return JournalEntry(answer, recorded_at=recorded_at)
            case _:
                return JournalEntry(_SIMPLE_EVENTS[kind](*rest), recorded_at=recorded_at)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError(f"the journal holds an entry this version cannot read: {str(row)[:120]}") from error


def _decode_mapping(trees: Mapping[str, Any], decode_value: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: decode_value(tree) for name, tree in trees.items()}


_SIMPLE_EVENTS: dict[str, Callable[..., Event]] = {
    "attempt_lost": ev.AttemptLost,
    "timer_set": ev.TimerSet,
    "timer_fired": ev.TimerFired,
    "cancel_requested": ev.CancelRequested,
    "timed_out": ev.TimedOut,
    "paused": ev.Paused,
}
