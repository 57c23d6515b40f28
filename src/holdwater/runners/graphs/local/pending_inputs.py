"""What a run waits for: questions that are open, and who takes the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdwater.errors import NotAsked


class PauseReason(StrEnum):
    """Why a run is paused; each equals its value as a string."""

    HUMAN_INPUT = "human_input"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseInfo:
    """One question.  `node`: the interrupt, with the nested graphs it is in: `outer/inner/ask`; `pause_id` is the same
    in every run.  `response_param`: the key of the answer among the inputs when the run is started again.  `value`:
    what to show.
    """

    reason: PauseReason = PauseReason.HUMAN_INPUT
    node: str
    response_param: str
    value: Any
    pause_id: str

    node_name = property(lambda self: self.node)
    response_key = property(lambda self: self.response_param)


@dataclass(frozen=True, slots=True)
class _Open:
    order: tuple[int, ...]
    pause: PauseInfo
    answer: Callable[[Any], None]
    close: Callable[[], None]


class Desk:
    """The open questions of one outermost run.

    `live`: somebody may answer while the run goes on.  Until `conclude`, a graph that has nothing left but questions
    waits; afterwards, and always where nobody is there to answer, it ends as paused.
    """

    def __init__(self, *, live: bool, idle: Callable[[], None] = lambda: None) -> None:
        self.live = live
        self.rests_now = False
        self._idle = idle
        self._open: dict[str, _Open] = {}

    def ask(
        self, order: tuple[int, ...], pause: PauseInfo, answer: Callable[[Any], None], close: Callable[[], None]
    ) -> None:
        """`order` is where the interrupt stands in the graphs; `answer` raises AnswerError for a wrong one."""
        self._open[pause.pause_id] = _Open(order, pause, answer, close)

    def forget(self, pause_id: str) -> None:
        """The run the question belongs to has ended another way."""
        self._open.pop(pause_id, None)

    def rests(self) -> None:
        """The outermost graph has nothing left to do but to wait for answers."""
        self.rests_now = True
        self._idle()

    def wakes(self) -> None:
        """It goes on."""
        self.rests_now = False

    def pauses(self, stem: str = "") -> tuple[PauseInfo, ...]:
        """The open questions whose ids begin so, in the order of the graph."""
        ordered = sorted(self._open.values(), key=lambda one: one.order)
        return tuple(one.pause for one in ordered if one.pause.pause_id.startswith(stem))

    def answer(self, key: str, value: Any) -> None:
        """Answer by response parameter or pause id.  Raises NotAsked, and AnswerError for a value of a wrong type."""
        fitting = [one for one in self._open.values() if key in (one.pause.response_param, one.pause.pause_id)]
        if len(fitting) != 1:
            ids = ", ".join(repr(pause.pause_id) for pause in self.pauses()) or "none"
            if fitting:
                raise NotAsked(f"{key!r} answers several open questions", hint=f"use one of the pause ids: {ids}")
            raise NotAsked(f"no open question is answered by {key!r}", hint=f"open are: {ids}")
        fitting[0].answer(value)
        self._open.pop(fitting[0].pause.pause_id, None)

    def conclude(self) -> None:
        """Nobody will answer any more: the run ends as paused."""
        self.live = False
        for one in list(self._open.values()):
            one.close()
