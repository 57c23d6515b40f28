"""Suspension of steps that wait for the engine: for child runs or an instant.

A suspended step is executed again when its request is done, with the response in its view; no state is kept meanwhile.
Only user code around the step (`StepWrapper`), which waits for its result, is kept in a thread of its own; after a
crash it starts again and gets the response at once.
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
    """A request of a step to the engine: child runs, or a wait until an instant (microseconds since the epoch)."""

    child_runs: ChildRunsRequest | None = None
    wait_until: Micros | None = None


RequestFn = Callable[[Callable[[], EngineRequest]], StepView]
"""returns the view with the response to a request, which is created only if there is no response yet"""


class StepSuspended(Exception):
    """Raised by a step that submitted a request, to be executed again when it is done."""

    def __init__(self, request: EngineRequest) -> None:
        super().__init__()
        self.request = request


def has_response(view: StepView) -> bool:
    """Return True if the view contains the response to the step's request."""
    return view.child_results is not None or view.woken_at is not None


def make_request_fn(view: StepView) -> RequestFn:
    """Create the request function of a step that is executed again: it returns the response, or suspends the step."""

    def ask(request: Callable[[], EngineRequest]) -> StepView:
        if has_response(view):
            return view
        raise StepSuspended(request())

    return ask


class SuspendedStep:
    """A step in a thread of its own, which may submit one request."""

    def __init__(self, execute_step: Callable[[RequestFn], StepResult]) -> None:
        self._execute_step = execute_step
        self._messages: SimpleQueue[EngineRequest | StepResult | BaseException] = SimpleQueue()
        self._responses: SimpleQueue[StepView | None] = SimpleQueue()

    def start(self) -> EngineRequest | StepResult:
        """Start the step; returns its request or its result.  Its exceptions propagate."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run_step,), name="holdwater-step", daemon=True).start()
        return self._next_message()

    def resume_with(self, view: StepView) -> EngineRequest | StepResult:
        """Continue with the response; returns its next request or its result."""
        self._responses.put(view)
        return self._next_message()

    def abort(self) -> None:
        """End the thread without a response."""
        self._responses.put(None)

    def _next_message(self) -> EngineRequest | StepResult:
        said = self._messages.get()
        if isinstance(said, BaseException):
            raise said
        return said

    def _run_step(self) -> None:
        try:
            self._messages.put(self._execute_step(self._request))
        except BaseException as error:  # noqa: BLE001 - it is raised by _next_message
            self._messages.put(error)

    def _request(self, request: Callable[[], EngineRequest]) -> StepView:
        self._messages.put(request())
        view = self._responses.get()
        if view is None:
            raise TaskCancelled("the run has ended")
        return view


class SuspendedSteps:
    """Suspended steps by run and step; shared by the definitions of a run and its children."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], SuspendedStep] = {}

    def add(self, run_id: str, node: int, suspended: SuspendedStep) -> None:
        """Add a step that submitted a request."""
        self._waiting[run_id, node] = suspended

    def pop(self, run_id: str, node: int) -> SuspendedStep | None:
        """Remove and return a suspended step; None if this process does not have it."""
        return self._waiting.pop((run_id, node), None)

    def abort_run(self, run_id: str) -> None:
        """Abort the suspended steps of a run that ended, and of its children."""
        for key in list(self._waiting):
            if key[0] == run_id or key[0].startswith(f"{run_id}/"):
                conversation = self._waiting.pop(key, None)
                if conversation is not None:
                    conversation.abort()
