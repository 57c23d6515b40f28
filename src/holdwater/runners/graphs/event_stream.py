"""RunHandle: an active run with its events, answers to its questions, and its result."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import InvalidRunState
from holdwater.model.coroutines import wait_all_shielded
from holdwater.runners.graphs.local.pending_inputs import PendingInputs

if TYPE_CHECKING:
    from holdwater.events.types import BaseEvent
    from holdwater.runners.graphs.results import RunResult

MAX_BUFFERED_EVENTS: Final = 128
"""maximum of events that were not iterated over yet; beyond it nodes wait (back-pressure)"""


class RunHandle:
    """The run in `async with runner.iter(...) as run`; iterating over it yields its events.

    Leaving the block before the end cancels the run.
    """

    def __init__(self, start: Callable[[RunHandle], Awaitable[RunResult]]) -> None:
        self._start = start
        self.pending_inputs: Final = PendingInputs(accepts_answers=True, on_idle=self._wake)
        self._events: deque[BaseEvent] = deque()
        self._wakeup = asyncio.Event()
        self._buffer_drained = asyncio.Event()
        self._task: asyncio.Task[RunResult] | None = None
        self._exited = False

    # -- the block

    async def __aenter__(self) -> RunHandle:
        if self._task is not None:
            raise InvalidRunState("this run was begun before: iter() is called once per run")
        self._task = asyncio.ensure_future(self._start(self))
        self._task.add_done_callback(lambda _: self._wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._exited = True
        self._buffer_drained.set()
        if not self._task.done():
            self._task.cancel()
        await wait_all_shielded([self._task])
        if not self._task.cancelled():
            self._task.exception()  # marks it as retrieved: `result` raises it

    # -- events

    async def __aiter__(self) -> AsyncIterator[BaseEvent]:
        """Iterate over the events as they occur, until the run has completed, failed or paused."""
        task = self._require_task()
        while True:
            while self._events:
                event = self._events.popleft()
                self._buffer_drained.set()
                yield event
            if task.done():
                return
            if self.pending_inputs.is_idle:
                self.pending_inputs.close()
            self._wakeup.clear()
            if not self._events and not task.done():
                await self._wakeup.wait()

    def put(self, event: BaseEvent) -> None:
        """Buffer an event; called by the run."""
        self._events.append(event)
        self._wake()

    async def drain(self) -> None:
        """Wait until the buffer has room; awaited by the run."""
        while len(self._events) >= MAX_BUFFERED_EVENTS and not self._exited:
            self._buffer_drained.clear()
            await self._buffer_drained.wait()

    def _wake(self) -> None:
        self._wakeup.set()

    # -- answers and the result

    def respond(self, param: str, value: Any) -> None:
        """Answer an open question by response parameter or pause id, before the iteration continues.

        Raises PauseNotFound (a ValueError) if none or several questions match, AnswerError for a value of a wrong
        type.
        """
        self._require_task()
        self.pending_inputs.submit_answer(param, value)

    @property
    def result(self) -> RunResult:
        """The result of the run.  Raises RuntimeError before its end, and the exception of a failed run."""
        task = self._require_task()
        if not task.done():
            raise InvalidRunState(
                "the run has not ended yet, so it has no result", hint="iterate over its events to the end first"
            )
        if task.cancelled():
            raise InvalidRunState("the run was cancelled when its block was left, so it has no result")
        return task.result()

    def _require_task(self) -> asyncio.Task[RunResult]:
        if self._task is None:
            raise InvalidRunState("the run has not begun", hint="async with runner.iter(...) as run:")
        return self._task
