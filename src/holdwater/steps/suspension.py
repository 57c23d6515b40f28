"""Steps that need the engine: they ask, the engine works, and they go on with the answer.

A step is performed again when what it asked for is done, with the answer in its view; nothing has to be kept in
between.  Only where somebody's own code is around the step (`Conduct`), which waits for the result of the step, that
code stays in a thread of its own meanwhile; after a crash it begins again and has its answer at once.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from holdwater.errors import TaskCancelled
from holdwater.model.fanout import Spread
from holdwater.steps.result import StepResult
from holdwater.steps.run_data import StepView


@dataclass(frozen=True, slots=True)
class Request:
    """What a step wants of the engine: child runs, or to sleep until an instant (microseconds since the epoch)."""

    spread: Spread | None = None
    wait_until: int | None = None


Ask = Callable[[Callable[[], Request]], StepView]
"""Gives the view that holds the answer to the request, which is made only if there is no answer yet."""


class Asked(Exception):
    """A signal from a step to its program: it has a request, and is to be performed again."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


def has_answer(view: StepView) -> bool:
    """Whether the engine has done what the step asked for."""
    return view.outcomes is not None or view.woken is not None


def asking(view: StepView) -> Ask:
    """For a step that is performed again."""

    def ask(request: Callable[[], Request]) -> StepView:
        if has_answer(view):
            return view
        raise Asked(request())

    return ask


class Conversation:
    """A step in a thread of its own, which may ask once."""

    def __init__(self, perform: Callable[[Ask], StepResult]) -> None:
        self._perform = perform
        self._said: SimpleQueue[Request | StepResult | BaseException] = SimpleQueue()
        self._answers: SimpleQueue[StepView | None] = SimpleQueue()

    def begin(self) -> Request | StepResult:
        """What it asks for, or what it gives.  What it raises comes out."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._talk,), name="holdwater-step", daemon=True).start()
        return self._listen()

    def answer(self, view: StepView) -> Request | StepResult:
        """Go on with the answer."""
        self._answers.put(view)
        return self._listen()

    def end(self) -> None:
        """There will be no answer."""
        self._answers.put(None)

    def _listen(self) -> Request | StepResult:
        said = self._said.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def _talk(self) -> None:
        try:
            self._said.put(self._perform(self._ask))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody listens
            self._said.put(error)

    def _ask(self, request: Callable[[], Request]) -> StepView:
        self._said.put(request())
        view = self._answers.get()
        if view is None:
            raise TaskCancelled("the run has ended")
        return view


class Conversations:
    """Those that wait for an answer, by run and step; shared by the programs of a run and of its children."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], Conversation] = {}

    def put(self, run_id: str, node: int, conversation: Conversation) -> None:
        """It has asked."""
        self._waiting[run_id, node] = conversation

    def take(self, run_id: str, node: int) -> Conversation | None:
        """The one that waits, if this process has it."""
        return self._waiting.pop((run_id, node), None)

    def end(self, run_id: str) -> None:
        """The run has ended: nothing of it, and of its children, will be answered."""
        for key in list(self._waiting):
            if key[0] == run_id or key[0].startswith(f"{run_id}/"):
                conversation = self._waiting.pop(key, None)
                if conversation is not None:
                    conversation.end()
