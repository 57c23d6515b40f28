"""Draw the state diagrams of docs/_static from the transition tables of `holdwater.kernel.states`.

Usage: python docs/make_state_diagrams.py; the documentation build does the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from holdwater.drawing.picture import Arrow, Box, Picture
from holdwater.drawing.svg import render_svg
from holdwater.kernel import states
from holdwater.kernel.states import DERIVED_TRANSITIONS, HALTING, NODE_TRANSITIONS, RUN_TRANSITIONS
from holdwater.model import events as ev
from holdwater.model.rules import CANCELLED, FAILED, SKIPPED, SUCCEEDED, UPSTREAM_FAILED

FOLDER = Path(__file__).parent / "_static"

RUN_BOXES = {
    states.NEW: Box("New", "end"),
    states.RUNNING: Box("Running", "function", ("queued, executed, or waiting", "for a timer or a child run")),
    states.PAUSED: Box("Paused", "question", ("by request, or for input",)),
    states.HALTING: Box("Running, halting", "function", ("nothing is started any more;", "what runs is waited for")),
    states.COMPLETED: Box("Completed", "input"),
    states.RUN_FAILED: Box("Failed", "route"),
    states.RUN_CANCELLED: Box("Cancelled", "route"),
}
RUN_LABELS: Mapping[object, str] = {
    ev.Started: "start",
    ev.Paused: "pause",
    ev.CancelRequested: "cancel",
    ev.TimedOut: "time-out",
}
RESUME_LABELS = {states.PAUSED: "resume", states.COMPLETED: "new inputs"}
"""phase -> request that leads back to running; of the others `retry`"""

PROGRESS_LABELS = {
    (states.RUNNING, states.PAUSED): "question",
    (states.PAUSED, states.RUNNING): "answer",
    (states.RUNNING, states.COMPLETED): "all tasks ended",
    (states.RUNNING, states.RUN_FAILED): "task failed",
    (states.RUNNING, HALTING): "task failed",
    (HALTING, states.RUN_FAILED): "",
    (HALTING, states.RUN_CANCELLED): "",
}
"""phases -> what happened to its nodes; other ways, of a paused run whose last task ends, are left out"""

NODE_BOXES = {
    states.WAITING: Box("waiting", "function", ("for the nodes before it",)),
    states.EVALUATING: Box("evaluating", "function", ("predicates of its rule",)),
    states.ISSUED: Box("issued", "graph", ("queued or running",)),
    states.DELAYED: Box("delayed", "question", ("a timer is set",)),
    states.AWAITING_INPUT: Box("awaiting_input", "question", ("a question is open",)),
    states.AWAITING_CHILDREN: Box("awaiting_children", "question", ("child runs are active",)),
    SUCCEEDED: Box("succeeded", "input"),
    FAILED: Box("failed", "route"),
    SKIPPED: Box("skipped", "end"),
    UPSTREAM_FAILED: Box("upstream_failed", "end"),
    CANCELLED: Box("cancelled", "route"),
}
NODE_EVENTS_SHOWN = (
    (ev.RuleEvaluated, states.ISSUED, "RuleEvaluated"),
    (ev.RuleEvaluated, SKIPPED, ""),
    (ev.Failed, states.DELAYED, "Failed, Deferred"),
    (ev.Failed, FAILED, "Failed"),
    (ev.Succeeded, SUCCEEDED, "Succeeded"),
    (ev.Cancelled, CANCELLED, "Cancelled"),
    (ev.InputRequested, states.AWAITING_INPUT, "InputRequested"),
    (ev.ChildRunsRequested, states.AWAITING_CHILDREN, "ChildRunsRequested"),
    (ev.ChildStatusChanged, states.ISSUED, "ChildStatusChanged"),
    (ev.TimerFired, states.ISSUED, "TimerFired"),
    (ev.InputProvided, SUCCEEDED, "InputProvided"),
)
"""event, the state it leads to, label of the arrow: the usual ways; the tables have the others"""
RELEASED_STATES = (states.EVALUATING, states.ISSUED, SKIPPED, UPSTREAM_FAILED)


def draw_run_states(*, halting: bool) -> str:
    """Draw the states of a run.  `halting`: as one of their own, else as part of the status it has."""
    picture = Picture(
        "States of a run", {phase: box for phase, box in RUN_BOXES.items() if halting or phase != HALTING}
    )
    labels: dict[tuple[str, str], list[str]] = {}
    for event, row in RUN_TRANSITIONS.items():
        for source, targets in row.items():
            for target in targets:
                if source == target or not {source, target} <= picture.boxes.keys():
                    continue
                if event in NODE_TRANSITIONS:
                    label = PROGRESS_LABELS.get((source, target))
                elif event is ev.Resumed:
                    label = RESUME_LABELS.get(source, "retry")
                else:
                    label = RUN_LABELS[event]
                enters = event in (ev.Started, ev.Resumed) and target != states.RUNNING  # it runs first
                skips = halting and event in (ev.CancelRequested, ev.TimedOut) and target != HALTING  # it halts first
                if label is not None and not enters and not skips:
                    labels.setdefault((source, target), []).append(label)
    for (source, target), words in labels.items():
        label = ", ".join(dict.fromkeys(word for word in words if word))
        picture.arrows.append(Arrow(source, target, "data", label))
    return render_svg(picture)


def draw_node_states() -> str:
    picture = Picture("States of a node", dict(NODE_BOXES))
    for state in RELEASED_STATES:
        assert state in DERIVED_TRANSITIONS["the units before it have settled"][states.WAITING]
        picture.arrows.append(Arrow(states.WAITING, state, "data"))
    for event, target, label in NODE_EVENTS_SHOWN:
        picture.arrows += [Arrow(source, target, "data", label) for source in sources(event, target)]
    return render_svg(picture)


def sources(event: type[ev.Event], target: str) -> Iterable[str]:
    """States from which the event leads to another one, `target`."""
    found = [source for source, targets in NODE_TRANSITIONS[event].items() if target in targets and source != target]
    assert found, f"{event.__name__} does not lead to {target}"
    return found


DIAGRAMS = {
    "run_statuses.svg": lambda: draw_run_states(halting=False),
    "run_states.svg": lambda: draw_run_states(halting=True),
    "node_states.svg": draw_node_states,
}


def write_all() -> None:
    for name, draw in DIAGRAMS.items():
        (FOLDER / name).write_text(draw() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_all()
