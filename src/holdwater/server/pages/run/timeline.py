"""The timeline of a run: one row per node, one bar per attempt, what it waited for in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.marks import MarkName
from holdwater.model.time import Micros
from holdwater.runs.nodes import NodeView
from holdwater.runs.view import RunView
from holdwater.server.pages.run.periods import Period, RunPeriods, fold_periods
from holdwater.server.pages.run.selection import NodeFilter, NodePage, select_nodes
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.pages.run.time_scale import Interval, Stretch, Tick, TimeScale, build_scale
from holdwater.server.presentation import format_duration

MIN_HEADROOM_US: Final = 2_000_000
HEADROOM_SHARE: Final = 0.08
"""of the shown time: a bar of a running task grows into it before the axis has to change"""
MIN_WIDTH_PERCENT: Final = 0.01
"""a bar without any width would not be drawn"""
MAX_BARS: Final = 200
"""of one row: a loop may have thousands of turns; the latest are drawn"""
_LABELS: Final[dict[str, str]] = {
    "queued": "queued for",
    "running": "running for",
    "retry_delay": "waited to be tried again for",
    "timer": "waited for",
    "question": "waited for an answer for",
    "children": "waited for child runs for",
}
_OUTCOMES: Final[dict[str, str]] = {
    "completed": "completed after",
    "failed": "failed after",
    "lost": "its process died after",
    "cancelled": "cancelled after",
    "awaiting_input": "asked after",
    "waiting": "asked to be called later, after",
    "skipped": "skipped itself after",
    "children": "started child runs after",
}


@dataclass(frozen=True, slots=True)
class TimelineBar:
    """A bar.  `left`, `width`: percentages.  `kind`: its class.  `said`: for people.  `is_open`: it goes on now."""

    left: float
    width: float
    kind: str
    said: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A node.  `duration_seconds`: from its first start to its end, or until now; None if it has not begun."""

    name: str
    state: MarkName
    bars: tuple[TimelineBar, ...]
    started_at: Micros | None
    duration_seconds: float | None
    is_open: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page of a timeline.

    `now`: percentage of the present, None for a run that has ended, or a window that ends before it.
    `percent_per_second`: speed of the present.  `is_window`: a part of the time was chosen.
    """

    page: NodePage
    rows: tuple[TimelineRow, ...]
    scale: TimeScale
    ticks: tuple[Tick, ...]
    origin: Micros
    now: float | None
    percent_per_second: float
    pauses: tuple[TimelineBar, ...]
    is_window: bool

    @property
    def compressed(self) -> tuple[Stretch, ...]:
        """Stretches in which nothing happens."""
        return tuple([stretch for stretch in self.scale.stretches if stretch.is_compressed])


def build_timeline(
    run: ShownRun, which: NodeFilter, window: tuple[Micros | None, Micros | None] = (None, None)
) -> Timeline:
    """Build the timeline of a run.  `window`: instants between which it is drawn; None: the run's own."""
    view, now = run.view, run.now
    periods = fold_periods(view.events)
    ordered = _by_first_start(view.nodes, periods) if which.sort == "order" else view.nodes
    page = select_nodes(ordered, run.marks, which)
    shown = {node.name: _with_running(node, periods.nodes.get(node.name, ())) for node in page.nodes}
    origin = Micros(min(view.info.created_at, periods.first_at or view.info.created_at))
    scale = _scale(view, [one for own in shown.values() for one in own], periods.last_at, origin, now, window)
    is_live = not view.ended and now <= scale.end
    tail = scale.stretches[-1]
    speed = tail.width / (tail.end - tail.start) * 1e6 if is_live else 0.0
    return Timeline(
        page,
        tuple([_row(node, run.marks[node.name], shown[node.name], scale, now) for node in page.nodes]),
        scale,
        scale.ticks(origin),
        origin,
        scale.percent(now) if is_live else None,
        speed,
        tuple([_bar(Period("queued", a, b), scale, now, kind="pause", said="paused for") for a, b in periods.paused]),
        any(edge is not None for edge in window),
    )


def _by_first_start(nodes: Sequence[NodeView], periods: RunPeriods) -> list[NodeView]:
    """Nodes in the order in which they began, then those that have not begun, in the order of the plan."""
    begun = {name: own[0].start for name, own in periods.nodes.items() if own}
    return sorted(nodes, key=lambda node: begun.get(node.name, 1 << 62))


def _with_running(node: NodeView, periods: Sequence[Period]) -> Sequence[Period]:
    """Show a task that runs as running since it was queued: its start is journalled with its end."""
    if node.state != "running" or not periods or periods[-1].end is not None or periods[-1].kind != "queued":
        return periods
    return [*periods[:-1], Period("running", periods[-1].start, attempt=periods[-1].attempt)]


def _scale(
    view: RunView,
    shown: Sequence[Period],
    last_at: Micros | None,
    origin: Micros,
    now: Micros,
    window: tuple[Micros | None, Micros | None],
) -> TimeScale:
    start = min([origin, *[period.start for period in shown]])
    end = max([last_at or origin, *[period.end or now for period in shown]])
    if not view.ended:
        reached = max(end, now)
        end = Micros(reached + max(MIN_HEADROOM_US, round((reached - start) * HEADROOM_SHARE)))
    first, last = window
    start, end = Micros(start if first is None else first), Micros(end if last is None else last)
    return build_scale(start, Micros(max(end, start + 1)), _busy(shown, start, end, now, is_live=not view.ended))


def _busy(shown: Sequence[Period], start: Micros, end: Micros, now: Micros, *, is_live: bool) -> list[Interval]:
    """List when something happened: functions and child runs that ran."""
    found: list[Interval] = [(now, end)] if is_live and start <= now <= end else []
    for period in shown:
        until = now if period.end is None else period.end
        if until < start or period.start > end:
            continue
        if period.kind in ("running", "children"):
            found.append((period.start, until))
    return found


def _row(node: NodeView, state: MarkName, periods: Sequence[Period], scale: TimeScale, now: Micros) -> TimelineRow:
    drawn = [p for p in periods if (p.end is None or p.end >= scale.start) and p.start <= scale.end][-MAX_BARS:]
    started = next((period.start for period in periods if period.kind == "running"), node.started_at)
    ended = periods[-1].end if periods else None
    is_open = bool(periods) and periods[-1].end is None
    until = now if is_open else ended
    return TimelineRow(
        node.name,
        state,
        tuple(
            [_lost_bar(period, scale, now) if _is_lost(period, state) else _bar(period, scale, now) for period in drawn]
        ),
        started,
        None if started is None or until is None else max(0, until - started) / 1e6,
        is_open,
    )


def _is_lost(period: Period, state: MarkName) -> bool:
    return state == "orphaned" and period.kind == "running" and period.end is None


def _lost_bar(period: Period, scale: TimeScale, now: Micros) -> TimelineBar:
    """Draw an attempt whose process is gone, and that no runner has taken over yet."""
    return _bar(period, scale, now, kind="lost", said="its process died after at most")


def _bar(period: Period, scale: TimeScale, now: Micros, kind: str = "", said: str = "") -> TimelineBar:
    until = now if period.end is None else period.end
    left, right = scale.percent(period.start), scale.percent(Micros(max(until, period.start)))
    words = said or (_OUTCOMES if period.outcome else _LABELS)[period.outcome or period.kind]
    took = format_duration(max(0, until - period.start) / 1e6)
    attempt = f"Attempt {period.attempt}: " if period.attempt and period.kind == "running" else ""
    text = f"{attempt}{words} {took}"
    shown_kind = kind or (period.outcome or "running" if period.kind == "running" else period.kind)
    return TimelineBar(
        left,
        max(MIN_WIDTH_PERCENT, right - left),
        f"{shown_kind} inherited" if period.inherited else shown_kind,
        f"{text[:1].upper()}{text[1:]}{', in the run it was forked from' if period.inherited else ''}",
        period.end is None,
    )
