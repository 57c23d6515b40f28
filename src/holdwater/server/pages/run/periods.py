"""Periods of the nodes of a run: queued, executed, waiting; folded from its events in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from holdwater.events import run_events as ev
from holdwater.model.time import Micros

PeriodKind = Literal["queued", "running", "retry_delay", "timer", "question", "children"]
Outcome = Literal["", "completed", "failed", "lost", "cancelled", "awaiting_input", "waiting", "skipped", "children"]


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a node.  Instants are microseconds since the epoch; `end` None: it goes on.

    `outcome`: of a period of kind "running", what the attempt came to; "" while it goes on, and for other kinds.
    `attempt`: number of the attempt.  `inherited`: a fork took it over from the run it began with.
    """

    kind: PeriodKind
    start: Micros
    end: Micros | None = None
    outcome: Outcome = ""
    attempt: int | None = None
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class RunPeriods:
    """Periods of nodes by name, and those in which the run was paused by request.

    `first_at`, `last_at`: instants of the first and last event of the run itself, without what it inherited.
    """

    nodes: dict[str, tuple[Period, ...]]
    paused: tuple[tuple[Micros, Micros | None], ...]
    first_at: Micros | None = None
    last_at: Micros | None = None


def fold_periods(events: Iterable[ev.RunEvent]) -> RunPeriods:
    """Fold the events of a run, in order."""
    nodes: dict[str, _NodePeriods] = {}
    paused: list[tuple[Micros, Micros | None]] = []
    first_at: Micros | None = None
    last_at: Micros | None = None
    for event in events:
        if isinstance(event, ev.NodeEvent):
            nodes.setdefault(event.node, _NodePeriods()).record(event)
            if getattr(event, "inherited", False):
                continue
        elif isinstance(event, ev.RunPaused) and event.requested:
            paused.append((event.at, None))
        elif isinstance(event, (ev.RunResumed, ev.RunEnded)) and paused and paused[-1][1] is None:
            paused[-1] = (paused[-1][0], event.at)
        if isinstance(event, ev.RunEnded):
            for one in nodes.values():
                one.close(event.at)
        first_at = event.at if first_at is None else min(first_at, event.at)
        last_at = event.at if last_at is None else max(last_at, event.at)
    return RunPeriods(
        {name: tuple(one.closed_and_open()) for name, one in nodes.items()}, tuple(paused), first_at, last_at
    )


class _NodePeriods:
    """The periods of one node as far as its events have been read: at most one of them is open."""

    __slots__ = ("_closed", "_open")

    def __init__(self) -> None:
        self._closed: list[Period] = []
        self._open: Period | None = None

    def closed_and_open(self) -> list[Period]:
        return self._closed if self._open is None else [*self._closed, self._open]

    def record(self, event: ev.NodeEvent) -> None:
        """Take in the next event of the node."""
        match event:
            case ev.NodeScheduled():
                self._begin(Period("queued", event.at, attempt=event.attempt))
            case ev.NodeStarted():
                if event.inherited:  # it was queued when the fork was born, long after
                    self._open = None
                self._begin(Period("running", event.at, attempt=event.attempt, inherited=event.inherited))
            case ev.NodeSucceeded():
                self._end(event.at, "completed")
            case ev.NodeFailed(retry_at=retry_at):
                self._end(event.at, "failed")
                if retry_at:
                    self._open = Period("retry_delay", event.at, attempt=event.attempt)
            case ev.NodeAttemptLost():
                if self._open is not None and self._open.kind == "queued":  # its start was never journalled
                    self._open = replace(self._open, kind="running")
                self._end(event.at, "lost")
            case ev.NodeCancelled():
                self._end(event.at, "cancelled")
            case ev.NodeSkipped():
                self._end(event.at, "skipped")
            case ev.NodeWaiting():
                self._end(event.at, "waiting")
                self._open = Period("timer", event.at)
            case ev.NodeInputRequested():
                self._end(event.at, "awaiting_input")
                self._open = Period("question", event.at)
            case ev.NodeChildrenRequested():
                self._end(event.at, "children")
                self._open = Period("children", event.at)
            case ev.NodeInputProvided(early=False) | ev.NodeReset():
                self.close(event.at)

    def close(self, at: Micros) -> None:
        """End the open period, if there is one."""
        self._end(at, "")

    def _begin(self, period: Period) -> None:
        self.close(period.start)
        self._open = period

    def _end(self, at: Micros, outcome: Outcome) -> None:
        if self._open is not None:
            ended = replace(self._open, end=max(at, self._open.start))
            self._closed.append(replace(ended, outcome=outcome) if ended.kind == "running" else ended)
            self._open = None
