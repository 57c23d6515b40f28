"""Open questions of a run, and delivery of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdwater.errors import PauseNotFound


class PauseReason(StrEnum):
    """Reason of a pause; each member equals its value."""

    HUMAN_INPUT = "human_input"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseInfo:
    """An open question.

    `node`: path of the interrupt, `outer/inner/ask`.  `pause_id`: the same in every run.  `response_param`: name of the
    answer among the inputs of the next call.  `value`: the value to show.
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
    """The open questions of an outermost run.

    `accepts_answers`: True if answers may arrive while the run is active.  Then a run that only has open questions
    waits until `close`; otherwise it ends as paused.
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
        """Add a question.

        `position`: indexes of the interrupt and the graph nodes around it, for sorting.  `on_answer`: raises
        AnswerError for an invalid answer.  `on_close`: called if no answer will come.
        """
        self._pending[pause.pause_id] = _PendingInput(position, pause, on_answer, on_close)

    def discard(self, pause_id: str) -> None:
        """Remove a question whose run has ended otherwise."""
        self._pending.pop(pause_id, None)

    def on_child_idle(self) -> None:
        """Note that the outermost graph only waits for answers."""
        self.is_idle = True
        self._on_idle()

    def on_child_active(self) -> None:
        """Note that the outermost graph continues."""
        self.is_idle = False

    def pauses(self, id_prefix: str = "") -> tuple[PauseInfo, ...]:
        """Return the open questions whose ids begin with the prefix, in the order of the graph."""
        ordered = sorted(self._pending.values(), key=lambda one: one.position)
        return tuple(one.pause for one in ordered if one.pause.pause_id.startswith(id_prefix))

    def submit_answer(self, key: str, value: Any) -> None:
        """Answer a question by response parameter or pause id.

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
        """Accept no further answers: the run ends as paused."""
        self.accepts_answers = False
        for one in list(self._pending.values()):
            one.on_close()
