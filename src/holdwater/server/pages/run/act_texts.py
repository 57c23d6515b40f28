"""Sentences of the acts on a run: what will happen, and what came of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from holdwater.drawing.marks import MarkName
from holdwater.model.statuses import RunStatus
from holdwater.operations.control import RunSituation
from holdwater.server.pages.run.shown_run import ShownRun
from holdwater.server.presentation import pluralize, short_id

Verb = Literal["cancel", "pause", "resume", "retry"]
MAX_NAMES: Final = 3
TITLES: Final[dict[Verb, str]] = {
    "cancel": "Cancel this run?",
    "pause": "Pause this run?",
    "resume": "Resume this run?",
    "retry": "Retry this run?",
}
SUBMITS: Final[dict[Verb, str]] = {
    "cancel": "Cancel run",
    "pause": "Pause run",
    "resume": "Resume run",
    "retry": "Retry run",
}


@dataclass(frozen=True, slots=True)
class ForkEffect:
    """The effect of a fork: tasks whose recorded results it keeps, and tasks that it runs (again)."""

    kept: tuple[str, ...]
    executed: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say it."""
        kept = f"keeps {pluralize(len(self.kept), 'recorded result')}" if self.kept else "keeps no recorded result"
        return f"A new run {kept} and runs {name_some(self.executed)}. This run stays as it is."


def name_some(names: Collection[str]) -> str:
    """`charge`, `charge and notify`, `charge, notify and 3 more tasks`."""
    shown = [name if len(name) <= 60 else f"{name[:59]}…" for name in list(names)[:MAX_NAMES]]
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {pluralize(more, 'more task')}"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown) or "nothing"


def describe_act(run: ShownRun, verb: Verb, active_children: int) -> list[str]:
    """Say what an act will do.  `active_children`: child runs that have not ended."""
    match verb:
        case "cancel":
            return _describe_cancel(run, active_children)
        case "pause":
            running = _named(run, "running", "orphaned")
            ends = f"{name_some(running)} will end as usual." if running else "None of its tasks runs now."
            return ["Nothing more of it starts.", ends, "It goes on when it is resumed; its deadline stands still."]
        case "resume":
            left = len(run.marks) - run.count_settled()
            asks = _named(run, "awaiting_input")
            waits = [f"{name_some(asks)} will still wait for an answer."] if asks else []
            return [f"It goes on where it is: {pluralize(left, 'task')} to come.", *waits]
        case _:
            return _describe_retry(run)


def _describe_cancel(run: ShownRun, active_children: int) -> list[str]:
    running = _named(run, "running", "orphaned")
    open_tasks = len(run.marks) - run.count_settled() - len(running)
    said = [
        f"{name_some(running)} will be told to stop." if running else "None of its tasks runs now: it ends at once."
    ]
    if open_tasks:
        said.append(f"{pluralize(open_tasks, 'task')} will not run.")
    if active_children:
        said.append(f"{pluralize(active_children, 'child run')} under way will be cancelled with it.")
    said.append("What is recorded is kept, and a retry can go on from there.")
    return said


def _describe_retry(run: ShownRun) -> list[str]:
    again = _named(run, "failed", "cancelled", "orphaned")
    behind = _named(run, "skipped", "pending", "queued")
    done = len(_named(run, "completed"))
    said = [f"{name_some(again)} will run again." if again else "It goes on where it ended."]
    if behind:
        said.append(f"{pluralize(len(behind), 'task')} behind will follow.")
    said.append(f"The {pluralize(done, 'result')} it has will be kept." if done else "It has no results to keep.")
    return said


def describe_fork(run: ShownRun, from_task: str) -> ForkEffect:
    """Say what a fork from a task keeps and runs."""
    again = run.view.from_node(from_task)
    kept = tuple([name for name, mark in run.marks.items() if mark == "completed" and name not in again])
    return ForkEffect(kept, tuple([name for name in run.marks if name not in kept]))


def _named(run: ShownRun, *marks: MarkName) -> list[str]:
    return [name for name, mark in run.marks.items() if mark in marks]


# -- what came of it


def result_text(verb: Verb, situation: RunSituation) -> str:
    """Say what came of an act."""
    run, tasks = f"Run {short_id(situation.run.id)}", situation.executing_tasks
    match verb:
        case "cancel" if situation.run.status != RunStatus.RUNNING:
            return f"{run} is cancelled."
        case "cancel":
            who = f"{name_some(tasks)} at work" if tasks else "work of it"
            return f"{run} is being cancelled: a runner has {who} and was told."
        case "pause":
            return f"{run} is paused{f'; {name_some(tasks)} will end as usual' if tasks else ''}."
        case "resume":
            return f"{run} goes on."
        case _:
            return f"{run} is tried again."


def pickup_hint(situation: RunSituation) -> str:
    """Say whether a runner continues the run."""
    if situation.run.status != RunStatus.RUNNING:
        return "" if situation.run.status != RunStatus.PAUSED else "It is still paused."
    if situation.is_claimed:
        return "A runner has taken it up."
    return f"No runner has taken it up yet: one that has {situation.run.workflow} will."
