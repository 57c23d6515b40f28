"""What a run waits for: open questions of its own, and of the runs its nodes have fanned out to."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.kernel.machine import ASKED
from penstock.model.errors import NotAsked
from penstock.model.values import Stored
from penstock.runtime.live_run import LiveRun
from penstock.runtime.tending import child_id


@dataclass(frozen=True, slots=True)
class Pause:
    """One open question.

    `pause_id`: the same in every run: the node that asks, with the nodes it is nested in before it (`outer/ask`), and
    the number of the item in a map (`outer/3/ask`).  `asked_by`: the run the node is in.  `fence`: which of its
    questions this is.  `answer_name`: what the answer is called.
    """

    pause_id: str
    asked_by: str
    node: int
    fence: int
    name: str
    answer_name: str
    question: Stored | None

    @property
    def value(self) -> Any:
        """What to show.  Raises DecodingError."""
        return None if self.question is None else self.question.copy()


def open_pauses(run: LiveRun, read: Callable[[str], LiveRun]) -> list[Pause]:
    """The open questions, in the order of the plan.  `read`: a run by its id."""
    found: list[Pause] = []
    stack = [("", run)]
    while stack:
        stem, one = stack.pop()
        machine, nodes = one.machine, one.layout.plan.nodes
        inner = []
        for i, node in enumerate(nodes):
            if i in machine.asked and machine.state[i] == ASKED:
                answer = node.writes[0].rpartition("/")[2] if node.writes else node.name
                found.append(
                    Pause(stem + node.name, one.row.id, i, machine.issues[i], node.name, answer, machine.asked[i])
                )
            fan = machine.fans.get(i)
            if fan is not None:
                for k in sorted(fan.paused):
                    place = f"{stem}{node.name}/" if fan.width is None else f"{stem}{node.name}/{k}/"
                    inner.append((place, read(child_id(one.row.id, node.name, fan.turn, k))))
        stack += reversed(inner)
    return found


def find(pauses: list[Pause], key: str | None, run_id: str) -> Pause:
    """The question of this pause id, or answer name if only one goes by it; None: the only one.  Raises NotAsked."""
    exact = [pause for pause in pauses if pause.pause_id == key]
    fitting = exact or [pause for pause in pauses if key is None or pause.answer_name == key]
    if len(fitting) == 1:
        return fitting[0]
    ids = [pause.pause_id for pause in pauses]
    listed = ", ".join(map(repr, ids)) or "none"
    if not fitting:
        close = difflib.get_close_matches(key or "", ids, n=1)
        what = "waits for no answer" if key is None else f"has no open question {key!r}"
        raise NotAsked(f"run {run_id} {what}", hint=f"did you mean {close[0]!r}?" if close else f"open are: {listed}")
    raise NotAsked(f"run {run_id} has several open questions", hint=f"say which one: {listed}")
