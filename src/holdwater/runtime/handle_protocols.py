"""The engine as a task's handle knows it: its attempt, the giver of its slot, and the starter of its child runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from holdwater.model.log_context import AttemptOrigin
from holdwater.model.time import Micros
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.tasks.context import Context

T = TypeVar("T")


class RunningAttempt(AttemptOrigin, Protocol):
    """The attempt a task function belongs to, with its times in microseconds since the epoch."""

    @property
    def started_at(self) -> Micros: ...
    @property
    def run_started_at(self) -> Micros: ...
    @property
    def is_async(self) -> bool:
        """True if the function is awaited."""
        ...


class SlotOwner(Protocol):
    """The giver of slots: an executor, or a worker's channel to it."""

    def release_slot(self, attempt: Any) -> None: ...

    def reacquire_slot(self, attempt: Any, on_slot: Callable[[], None] | None) -> None: ...

    def take_slot_now(self, attempt: Any) -> None: ...

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


class ChildRunResult(Protocol):
    """The result of a child run; a `PipelineResult`, which documents these members."""

    @property
    def run_id(self) -> str: ...
    @property
    def workflow_name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def start_time(self) -> str: ...
    @property
    def end_time(self) -> str | None: ...
    @property
    def duration(self) -> timedelta | None: ...
    @property
    def error_message(self) -> str | None: ...
    @property
    def traceback(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def final_context(self) -> Context: ...
    @property
    def notes(self) -> list[str]: ...
    def to_dict(self) -> dict[str, Any]: ...


class ChildStarter(Protocol):
    """Starts runs for task functions."""

    def start_child_run(self, parent: Any, workflow: str, inputs: Any, key: str | None) -> Future[Any]:
        """Start a child run, or find it; the future is set to its result when it has ended.  Does not block.

        Raises WorkflowNotFound, EncodingError, InvalidArgument, RunnerClosed; the future IdempotencyConflict too.
        """
        ...
