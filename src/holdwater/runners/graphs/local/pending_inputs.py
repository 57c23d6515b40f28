"""What a run waits for: questions that are open, and who takes the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdwater.errors import PauseNotFound


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
class _PendingInput:
    position: tuple[int, ...]
    pause: PauseInfo
    on_answer: Callable[[Any], None]
    on_close: Callable[[], None]


class PendingInputs:
    """The open questions of one outermost run.

    `live`: somebody may answer while the run goes on.  Until `conclude`, a graph that has nothing left but questions
    waits; afterwards, and always where nobody is there to answer, it ends as paused.
    """

    def __init__(self, *, accepts_answers: bool, on_idle: Callable[[], None] = lambda: None) -> None:
        self.accepts_answers = accepts_answers
        self.is_idle = False
        self._on_idle = on_idle
        self._pending: dict[str, _PendingInput] = {}

    def add(
        self,
        position: tuple[int, ...],
        pause: PauseInfo,
        on_answer: Callable[[Any], None],
        on_close: Callable[[], None],
    ) -> None:
        """`order` is where the interrupt stands in the graphs; `answer` raises AnswerError for a wrong one."""
        self._pending[pause.pause_id] = _PendingInput(position, pause, on_answer, on_close)

    def discard(self, pause_id: str) -> None:
        """The run the question belongs to has ended another way."""
        self._pending.pop(pause_id, None)

    def on_child_idle(self) -> None:
        """The outermost graph has nothing left to do but to wait for answers."""
        self.is_idle = True
        self._on_idle()

    def on_child_active(self) -> None:
        """It goes on."""
        self.is_idle = False

    def pauses(self, id_prefix: str = "") -> tuple[PauseInfo, ...]:
        """The open questions whose ids begin so, in the order of the graph."""
        ordered = sorted(self._pending.values(), key=lambda one: one.position)
        return tuple(one.pause for one in ordered if one.pause.pause_id.startswith(id_prefix))

    def submit_answer(self, key: str, value: Any) -> None:
        """Answer by response parameter or pause id.

        Raises PauseNotFound, and AnswerError for a value of a wrong type.
        """
        fitting = [one for one in self._pending.values() if key in (one.pause.response_param, one.pause.pause_id)]
        if len(fitting) != 1:
            ids = ", ".join(repr(pause.pause_id) for pause in self.pauses()) or "none"
            if fitting:
                raise PauseNotFound(f"{key!r} answers several open questions", hint=f"use one of the pause ids: {ids}")
            raise PauseNotFound(f"no open question is answered by {key!r}", hint=f"open are: {ids}")
        fitting[0].on_answer(value)
        self._pending.pop(fitting[0].pause.pause_id, None)

    def close(self) -> None:
        """Nobody will answer any more: the run ends as paused."""
        self.accepts_answers = False
        for one in list(self._pending.values()):
            one.on_close()
