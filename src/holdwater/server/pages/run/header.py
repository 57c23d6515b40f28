"""The header of a run's page: the run, its state, and why it is in it, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.drawing.marks import MarkName, mark_of_run
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros
from holdwater.runs.info import RunInfo
from holdwater.runs.nodes import NodeView
from holdwater.runs.view import RunView
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.presentation import pluralize, run_word

ACTS: Final[dict[RunStatus, tuple[str, ...]]] = {
    RunStatus.RUNNING: ("pause", "cancel", "fork"),
    RunStatus.PAUSED: ("resume", "cancel", "fork"),
    RunStatus.FAILED: ("retry", "fork"),
    RunStatus.CANCELLED: ("retry", "fork"),
    RunStatus.COMPLETED: ("fork",),
}
"""status -> what may be done, the most useful first"""
_PROGRESS_ORDER: Final[tuple[MarkName, ...]] = (
    "completed", "failed", "skipped", "cancelled", "orphaned", "awaiting_input", "paused", "waiting", "running",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Why:
    """The reason for the state of a run.  `text`: its first line says it.

    `node`: the task it is about, None for the run.
    """

    text: str
    kind: str
    node: str | None = None
    at: Micros | None = None


@dataclass(frozen=True, slots=True)
class ProgressPart:
    """A part of the bar of progress: nodes in one state.  `left`, `width`: percentages."""

    state: MarkName
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Header:
    """A run at a glance.  `word`: of its state; `since`: when it came into it.

    `elapsed_from`, `elapsed_to`: between which instants it was under way; the latter None while it goes on.
    `is_live`: it may change by itself.  `done`, `total`: nodes of which nothing more is to come, and all.
    `counts`: nodes by state.  `acts`: what may be done with it.  `next_failed`: the failed node after the selected one.
    `question`: pause id of the first open question, if an answer is all that the run waits for; `asking_node`: the node
    that asks it, None if that is in a child run.
    """

    run: RunInfo
    state: MarkName
    word: str
    since: Micros | None
    since_word: str
    elapsed_to: Micros | None
    is_live: bool
    why: Why | None
    done: int
    total: int
    counts: dict[MarkName, int]
    acts: tuple[str, ...]
    next_failed: str | None
    question: str | None
    asking_node: str | None

    @property
    def progress_parts(self) -> tuple[ProgressPart, ...]:
        """Return the bar of progress: what has completed, what failed, what is under way; what is left stays empty."""
        parts: list[ProgressPart] = []
        left = 0.0
        for state in _PROGRESS_ORDER:
            width = 100 * self.counts.get(state, 0) / max(1, self.total)
            if width:
                parts.append(ProgressPart(state, left, width))
                left += width
        return tuple(parts)

    @property
    def elapsed_from(self) -> Micros:
        return self.run.created_at


def build_header(shown: ShownRun, selected: str | None = None) -> Header:
    """Build the header of a run.  `selected`: name of the node that is selected."""
    view = shown.view
    run, activity = view.info, view.activity
    is_asked = run.status == RunStatus.PAUSED and not view.is_suspended and bool(view.pauses)
    state: MarkName = "awaiting_input" if is_asked else mark_of_run(activity.state).name
    return Header(
        run,
        state,
        _word(view, is_asked),
        _since(view),
        "for" if not view.ended else "after",
        run.finished_at,
        not view.ended,
        _why(shown, is_asked),
        shown.count_settled(),
        len(view.nodes),
        shown.counts(),
        _acts(view),
        shown.next_failed(selected),
        view.pauses[0].pause_id if is_asked else None,
        view.pauses[0].name if is_asked and view.pauses[0].asking_run_id == view.id else None,
    )


def _word(view: RunView, is_asked: bool) -> str:
    activity = view.activity
    if is_asked:
        return run_word("waiting for an answer")
    if activity.state == "running" and activity.host is not None:
        return f"Running on {activity.host}"
    return run_word(activity.state)


def _since(view: RunView) -> Micros | None:
    run = view.info
    if run.finished_at is not None:
        return run.finished_at
    return run.paused_at or run.created_at


def _acts(view: RunView) -> tuple[str, ...]:
    acts = ACTS[view.status]
    return acts if view.status != RunStatus.PAUSED or view.is_suspended else tuple([a for a in acts if a != "resume"])


def _why(shown: ShownRun, is_asked: bool) -> Why | None:
    view = shown.view
    run, activity = view.info, view.activity
    if run.status == RunStatus.FAILED:
        node = _failed_node(shown)
        if view.failure is not None or node is None or node.failure is None:
            return Why(run.error or "", "failed", None if node is None else node.name)
        return Why(node.failure.message, "failed", node.name)
    if is_asked:
        pause = view.pauses[0]
        own = pause.name if pause.asking_run_id == view.id else pause.pause_id.partition("/")[0]
        more = f", and {pluralize(len(view.pauses) - 1, 'more question')}" if len(view.pauses) > 1 else ""
        known = any(node.name == own for node in view.nodes)
        who = "" if known and pause.pause_id == own else f"{pause.pause_id} "
        return Why(f"{who}waits for {pause.answer_name}{more}", "awaiting_input", own if known else None)
    if run.status in (RunStatus.PAUSED, RunStatus.CANCELLED):
        return Why(run.reason, str(run.status)) if run.reason else None
    if activity.state == "orphaned":
        where = "" if activity.host is None else f" ({activity.host}:{activity.pid})"
        return Why(f"its process{where} is gone; the next runner that has {run.workflow} takes it over", "orphaned")
    if activity.state == "waiting":
        waiting = next((node for node in view.nodes if shown.marks[node.name] == "waiting"), None)
        return Why(_waiting_text(waiting), "waiting", None if waiting is None else waiting.name, activity.waiting_until)
    if activity.state == "queued":
        return Why("no runner has taken its work up yet", "queued")
    return None


def _waiting_text(node: NodeView | None) -> str:
    if node is None:
        return "waits"
    if node.error is not None:
        return f"{node.name} is tried again after {node.error}"
    return f"{node.name} waits"


def _failed_node(shown: ShownRun) -> NodeView | None:
    """Return the failed node that the run's error is about: the first one that failed."""
    error = shown.view.info.error or ""
    failed = [node for node in shown.view.nodes if shown.marks[node.name] == "failed"]
    named = [node for node in failed if error.startswith(node.name)]
    return min(named or failed, key=lambda node: node.ended_at or 0, default=None)
