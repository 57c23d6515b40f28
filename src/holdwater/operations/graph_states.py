"""The states of a run's nodes as its picture shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.graph_state import BoxState, GraphState
from holdwater.drawing.marks import MARKS, MarkName
from holdwater.model.duration_text import format_duration
from holdwater.model.time import Micros
from holdwater.runs.node_marks import node_marks
from holdwater.runs.nodes import ChildRun, NodeView
from holdwater.runs.view import RunView

MAX_DETAIL_CHARS: Final = 200
"""of an error or a reason in a tooltip"""

NO_LIMITS: Final[Mapping[str, int]] = {}

_ENDED: Final = ("completed", "failed", "cancelled")


def graph_state(run: RunView, now: Micros, max_attempts: Mapping[str, int] = NO_LIMITS) -> GraphState:
    """Return the states of the boxes of a run's picture.

    `now`: microseconds since the epoch.  `max_attempts`: by name of the node, where it is known.  Raises StoreError.
    """
    marks, children, counts = node_marks(run), run.fan_outs, run.child_counts
    boxes = {}
    for node in run.nodes:
        mark = marks[node.name]
        items = _count_items(mark, children.get(node.name, ()), counts.get(node.name, 0))
        boxes[node.name] = _box_state(node, mark, items, now, max_attempts.get(node.name))
    return GraphState(
        boxes,
        {gate: frozenset(targets) for gate, targets in run.decisions.items()},
    )


@dataclass(frozen=True, slots=True)
class _Items:
    """Child runs of one node."""

    done: int
    failed: int
    total: int


def _count_items(mark: MarkName, children: tuple[ChildRun, ...], count: int) -> _Items:
    """`count`: of the latest request, whose child runs are forgotten once the node has succeeded."""
    if not children:
        return _Items(count if mark == "completed" else 0, 0, count)
    ended = sum([child.status in _ENDED for child in children])
    return _Items(ended, sum([child.status == "failed" for child in children]), len(children))


def _box_state(node: NodeView, mark: MarkName, items: _Items, now: Micros, max_attempts: int | None) -> BoxState:
    until = _due_at(node) if mark == "waiting" else None
    parts = [f"turn {node.iterations}"] if node.loop and node.iterations > 1 else []
    if items.total and mark != "completed":
        parts.append(f"{items.done:,} of {items.total:,}" + (f", {items.failed:,} failed" if items.failed else ""))
    else:
        parts += [f"{items.total:,} items"] if items.total > 1 else []
        parts += _what_matters(node, mark, until, now, max_attempts)
    return BoxState(
        mark,
        ", ".join(parts) or _state_word(mark),
        _first_line(node.error or node.reason or ""),
        items.done,
        items.total,
        node.iterations if node.loop else 0,
        until,
    )


def _what_matters(
    node: NodeView, mark: MarkName, until: Micros | None, now: Micros, max_attempts: int | None
) -> list[str]:
    attempts = node.attempts[-1].number if node.attempts else 0
    attempt = f"attempt {attempts}" if max_attempts is None else f"attempt {attempts} of {max(attempts, max_attempts)}"
    tries = [attempt] if attempts > 1 else []
    match mark:
        case "completed" | "failed":
            return [*tries, *_took(node)]
        case "running" | "orphaned":
            return tries
        case "waiting" if until is not None:
            kind = "retry" if attempts and node.attempts[-1].outcome in ("failed", "lost") else "due"
            return [f"{kind} {waiting_text(until, now)}"]
    return []


def waiting_text(until: Micros, now: Micros) -> str:
    """Return `in 4 min 02 s`, or `now` for an instant that has come."""
    return f"in {format_duration((until - now) / 1e6)}" if until > now else "now"


def _took(node: NodeView) -> list[str]:
    if node.started_at is None or node.ended_at is None:
        return []
    return [format_duration((node.ended_at - node.started_at) / 1e6)]


def _due_at(node: NodeView) -> Micros | None:
    retry_at = node.attempts[-1].retry_at if node.attempts else None
    return retry_at or node.deferred_until


def _state_word(mark: MarkName) -> str:
    return "" if mark == "pending" else MARKS[mark].word


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= MAX_DETAIL_CHARS else f"{line[: MAX_DETAIL_CHARS - 1]}…"
