"""WorkflowHandle: one run of a DefaultRunner."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from typing import Any, Literal

from holdwater.engine import Engine
from holdwater.engine.run_batches import StartedRun
from holdwater.engine.waiting import RunFuture
from holdwater.events.run_events import EventPosition
from holdwater.model.statuses import STATUS_LABELS
from holdwater.operations.control import is_executing
from holdwater.runners.tasks.results import PipelineResult
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
        self,
        runner: object,
        engine: Engine,
        workflow_name: str,
        future: RunFuture,
        *,
        is_new: bool = False,
        author: str = "",
    ) -> None:
        """Create a handle.  `runner`: kept alive by this handle.  `engine`: of the runner.  `author`: of requests."""
        self._runner, self._engine, self._future, self._author = runner, engine, future, author
        self.run_id = future.run_id
        self.workflow_name = workflow_name
        self.is_new = is_new

    @classmethod
    def of(cls, runner: object, engine: Engine, started: StartedRun, *, author: str = "") -> WorkflowHandle:
        """Create the handle of a committed run."""
        return cls(runner, engine, started.info.workflow, started.future, is_new=started.is_new, author=author)

    @property
    def status(self) -> str:
        """Running, Paused, Completed, Failed or Cancelled, as recorded now."""
        return STATUS_LABELS[self._engine.reader.row(self.run_id).status]

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
        return self._engine.follow(self.run_id, after)

    def info(self) -> PipelineResult:
        """Read the run as recorded so far."""
        return PipelineResult(self._engine.reader.view(self.run_id))

    def is_executing_here(self) -> bool:
        """Return True if this runner executes a function of the run now; False with unfinished child runs."""
        return is_executing(self._engine, self.run_id)

    def cancel(self, reason: str = "") -> None:
        self._engine.control.cancel(self.run_id, reason, by=self._author)

    def pause(self, reason: str = "") -> None:
        self._engine.control.pause(self.run_id, reason, by=self._author)

    def resume(self) -> None:
        self._engine.control.resume(self.run_id, by=self._author)

    def pauses(self) -> list[Pause]:
        return list(self._engine.reader.pauses(self.run_id))

    def answer(self, pause_id: str | None, value: Any) -> None:
        self._engine.control.answer(self.run_id, pause_id, value, by=self._author)

    def retry(self, reason: str = "", *, release: Literal["active"] | None = None) -> None:
        self._engine.control.retry(self.run_id, reason, by=self._author, release=release)

    def fork(
        self,
        from_task: str,
        *,
        context: ContextInput = None,
        remove: Collection[str] = (),
        idempotency_key: str | None = None,
    ) -> WorkflowHandle:
        removed = (remove,) if isinstance(remove, str) else tuple(remove)
        fork = self._engine.fork(
            self.run_id, from_task, Context(context), removed, idempotency_key=idempotency_key, by=self._author
        )
        return WorkflowHandle.of(self._runner, self._engine, fork, author=self._author)

    def __await__(self) -> Generator[Any, None, PipelineResult]:
        return self._result_async().__await__()

    async def _result_async(self) -> PipelineResult:
        return PipelineResult(await self._future.result_async())

    def __repr__(self) -> str:
        return f"WorkflowHandle({self.workflow_name!r}, {self.run_id!r})"
