"""WorkflowHandle: one run of a DefaultRunner."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from typing import Any, Literal

from holdwater.events.run_events import EventPosition
from holdwater.model.statuses import STATUS_LABELS
from holdwater.runners.tasks.results import PipelineResult
from holdwater.runners.tasks.run_access import AcceptedRun, PendingRun, RunAccess
from holdwater.runs.follow import RunFollower
from holdwater.runs.open_pauses import Pause
from holdwater.tasks import Context

ContextInput = Context | Mapping[str, Any] | None


class WorkflowHandle:
    """A run that was started.  Awaitable: `await handle` gives its result.

    `is_new`: the run was started by the call that made this handle; False if it was there before (an idempotency key).
    Raised errors are documented at the methods of the same names of `DefaultRunner`.
    """

    def __init__(
        self, runner: object, runs: RunAccess, workflow_name: str, future: PendingRun, *, is_new: bool
    ) -> None:
        """Create a handle.  `runner`: kept alive by this handle.  `runs`: those of the runner."""
        self._runner, self._runs, self._future = runner, runs, future
        self.run_id = future.run_id
        self.workflow_name = workflow_name
        self.is_new = is_new

    @classmethod
    def of(cls, runner: object, runs: RunAccess, started: AcceptedRun) -> WorkflowHandle:
        """Create the handle of a committed run."""
        return cls(runner, runs, started.info.workflow, started.future, is_new=started.is_new)

    @property
    def status(self) -> str:
        """Running, Paused, Completed, Failed or Cancelled, as recorded now."""
        return STATUS_LABELS[self._runs.status(self.run_id)]

    def done(self) -> bool:
        """Return True if the run has ended."""
        return self.status in ("Completed", "Failed", "Cancelled")

    def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait (at most `timeout` seconds) until the run has ended or waits for a person.

        A handle keeps the result of a run that has ended, unless it was retried through this runner.
        Raises RunNotFinished (a TimeoutError); the run goes on.  RunnerClosed if the runner is shut down meanwhile.
        """
        return PipelineResult(self._future.result(timeout))

    def events(self, *, after: int | EventPosition = 0) -> RunFollower:
        """Iterate over the events of the run as they are recorded; see `DefaultRunner.events`."""
        return self._runs.follow(self.run_id, after)

    def info(self) -> PipelineResult:
        """Read the run as recorded so far."""
        return PipelineResult(self._runs.view(self.run_id))

    def is_executing_here(self) -> bool:
        """Return True if this runner executes a function of the run now; False with unfinished child runs."""
        return self._runs.is_executing_here(self.run_id)

    def cancel(self, reason: str = "") -> None:
        self._runs.cancel(self.run_id, reason)

    def pause(self, reason: str = "") -> None:
        self._runs.pause(self.run_id, reason)

    def resume(self) -> None:
        self._runs.resume(self.run_id)

    def pauses(self) -> list[Pause]:
        return list(self._runs.pauses(self.run_id))

    def answer(self, pause_id: str | None, value: Any) -> None:
        self._runs.answer(self.run_id, pause_id, value)

    def retry(self, reason: str = "", *, release: Literal["active"] | None = None) -> None:
        self._runs.retry(self.run_id, reason, release=release)

    def fork(
        self,
        from_task: str,
        *,
        context: ContextInput = None,
        remove: Collection[str] = (),
        idempotency_key: str | None = None,
    ) -> WorkflowHandle:
        removed = (remove,) if isinstance(remove, str) else tuple(remove)
        fork = self._runs.fork(self.run_id, from_task, Context(context), removed, idempotency_key=idempotency_key)
        return WorkflowHandle.of(self._runner, self._runs, fork)

    def __await__(self) -> Generator[Any, None, PipelineResult]:
        return self._result_async().__await__()

    async def _result_async(self) -> PipelineResult:
        return PipelineResult(await self._future.result_async())

    def __repr__(self) -> str:
        return f"WorkflowHandle({self.workflow_name!r}, {self.run_id!r})"
