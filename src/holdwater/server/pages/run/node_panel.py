"""The panel of the selected node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.marks import MarkName
from holdwater.model.time import Micros
from holdwater.model.values import StoredValue
from holdwater.runs.nodes import AttemptOutcome, AttemptView, NodeView
from holdwater.runs.open_pauses import Pause
from holdwater.server.pages.run.children import ChildProgress, ShownChild, child_progress, child_runs_of, urgency
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.value_tree import ShownValue, show_value

MAX_VALUES: Final = 30
MAX_CHILDREN: Final = 50
MAX_ATTEMPTS: Final = 20
_OUTCOMES: Final[dict[AttemptOutcome, tuple[MarkName, str]]] = {
    "running": ("running", "Running"),
    "completed": ("completed", "Completed"),
    "failed": ("failed", "Failed"),
    "lost": ("orphaned", "Its process died"),
    "cancelled": ("cancelled", "Cancelled"),
    "awaiting_input": ("awaiting_input", "Asked"),
}


@dataclass(frozen=True, slots=True)
class ShownValues:
    """Values by name, at most `MAX_VALUES` of `total`.  `removed`: names that were removed."""

    values: tuple[ShownValue, ...]
    total: int
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodePanel:
    """A node in full.

    `attempts`: the newest first, at most `MAX_ATTEMPTS`.  `children`: the most urgent first, at most `MAX_CHILDREN`.
    `waits_until`: the instant of its timer or its next attempt.  `question`: its own open one, if it has one.
    `child_questions`: open ones of runs it has started.
    """

    node: NodeView
    state: MarkName
    after: tuple[str, ...]
    attempts: tuple[AttemptView, ...]
    error: str | None
    traceback: str | None
    reason: str | None
    waits_until: Micros | None
    inputs: ShownValues
    outputs: ShownValues
    question: Pause | None
    shown_question: ShownValue | None
    child_questions: tuple[Pause, ...]
    progress: ChildProgress | None
    children: tuple[ShownChild, ...]
    is_forkable: bool

    @staticmethod
    def outcome_mark(attempt: AttemptView) -> MarkName:
        """Return the mark of what an attempt came to."""
        return _OUTCOMES[attempt.outcome][0]

    @staticmethod
    def outcome_word(attempt: AttemptView) -> str:
        """Return the word for what an attempt came to."""
        return _OUTCOMES[attempt.outcome][1]


def build_node_panel(run: ShownRun, name: str) -> NodePanel:
    """Build the panel of a node.  Raises TaskNotFound."""
    view = run.view
    node = view.node(name)
    children = child_runs_of(view, name)
    plan_node = next(one for one in view.plan.nodes if one.name == node.name)
    own = [p for p in view.pauses if p.asking_run_id == view.id and p.name == name]
    question = own[0] if own else None
    failed = next((attempt for attempt in reversed(node.attempts) if attempt.error is not None), None)
    error = node.failure.message if node.failure is not None else node.error
    return NodePanel(
        node,
        run.marks[node.name],
        plan_node.after,
        node.attempts[: -MAX_ATTEMPTS - 1 : -1],
        error,
        node.traceback or (failed.traceback if failed is not None and error else None),
        node.reason,
        _waits_until(node),
        _show_values(view.input_values(name)),
        _show_values(view.output_values(name)),
        question,
        None if question is None or question.question is None else show_value(question.answer_name, question.question),
        tuple([p for p in view.pauses if p.pause_id.startswith(f"{name}/")]),
        child_progress(children),
        tuple(sorted(children, key=urgency)[:MAX_CHILDREN]),
        not node.loop,
    )


def _waits_until(node: NodeView) -> Micros | None:
    if node.state != "waiting":
        return None
    last = node.attempts[-1] if node.attempts else None
    return node.deferred_until or (last.retry_at if last is not None and last.retry_at else None)


def _show_values(values: Mapping[str, StoredValue | None]) -> ShownValues:
    present = {name: value for name, value in values.items() if value is not None}
    shown = [show_value(name, value) for name, value in list(present.items())[:MAX_VALUES]]
    return ShownValues(tuple(shown), len(present), tuple([name for name in values if name not in present]))
