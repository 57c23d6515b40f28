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
from holdwater.model.fanout import ChildRunsRequest
from holdwater.model.time import Micros
from holdwater.steps.result import StepResult
from holdwater.steps.run_data import StepView


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What a step wants of the engine: child runs, or to sleep until an instant (microseconds since the epoch)."""

    child_runs: ChildRunsRequest | None = None
    wait_until: Micros | None = None


RequestFn = Callable[[Callable[[], EngineRequest]], StepView]
"""Gives the view that holds the answer to the request, which is made only if there is no answer yet."""


class StepSuspended(Exception):
    """A signal from a step to its program: it has a request, and is to be performed again."""

    def __init__(self, request: EngineRequest) -> None:
        super().__init__()
        self.request = request


def has_response(view: StepView) -> bool:
    """Whether the engine has done what the step asked for."""
    return view.child_results is not None or view.woken_at is not None


def make_request_fn(view: StepView) -> RequestFn:
    """For a step that is performed again."""

    def ask(request: Callable[[], EngineRequest]) -> StepView:
        if has_response(view):
            return view
        raise StepSuspended(request())

    return ask


class SuspendedStep:
    """A step in a thread of its own, which may ask once."""

    def __init__(self, execute_step: Callable[[RequestFn], StepResult]) -> None:
        self._execute_step = execute_step
        self._messages: SimpleQueue[EngineRequest | StepResult | BaseException] = SimpleQueue()
        self._responses: SimpleQueue[StepView | None] = SimpleQueue()

    def start(self) -> EngineRequest | StepResult:
        """What it asks for, or what it gives.  What it raises comes out."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run_step,), name="holdwater-step", daemon=True).start()
        return self._next_message()

    def resume_with(self, view: StepView) -> EngineRequest | StepResult:
        """Go on with the answer."""
        self._responses.put(view)
        return self._next_message()

    def abort(self) -> None:
        """There will be no answer."""
        self._responses.put(None)

    def _next_message(self) -> EngineRequest | StepResult:
        said = self._messages.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def _run_step(self) -> None:
        try:
            self._messages.put(self._execute_step(self._request))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody listens
            self._messages.put(error)

    def _request(self, request: Callable[[], EngineRequest]) -> StepView:
        self._messages.put(request())
        view = self._responses.get()
        if view is None:
            raise TaskCancelled("the run has ended")
        return view


class SuspendedSteps:
    """Those that wait for an answer, by run and step; shared by the programs of a run and of its children."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], SuspendedStep] = {}

    def add(self, run_id: str, node: int, suspended: SuspendedStep) -> None:
        """It has asked."""
        self._waiting[run_id, node] = suspended

    def pop(self, run_id: str, node: int) -> SuspendedStep | None:
        """The one that waits, if this process has it."""
        return self._waiting.pop((run_id, node), None)

    def abort_run(self, run_id: str) -> None:
        """The run has ended: nothing of it, and of its children, will be answered."""
        for key in list(self._waiting):
            if key[0] == run_id or key[0].startswith(f"{run_id}/"):
                conversation = self._waiting.pop(key, None)
                if conversation is not None:
                    conversation.abort()
