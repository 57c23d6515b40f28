"""A run in progress: its events one by one, answers to its questions, and its result."""

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
"""events a run may be ahead of whoever iterates over them; then its nodes wait"""


class RunHandle:
    """What `async with runner.iter(...) as run` gives: iterate over it for the events.

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
            self._task.exception()  # whoever wants it asks for the result

    # -- events

    async def __aiter__(self) -> AsyncIterator[BaseEvent]:
        """The events as they occur, until the run ends: completed, failed, or with questions nobody has answered."""
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
        """Called by the run."""
        self._events.append(event)
        self._wake()

    async def drain(self) -> None:
        """Awaited by the run."""
        while len(self._events) >= MAX_BUFFERED_EVENTS and not self._exited:
            self._buffer_drained.clear()
            await self._buffer_drained.wait()

    def _wake(self) -> None:
        self._wakeup.set()

    # -- answers and the result

    def respond(self, param: str, value: Any) -> None:
        """Answer an open question by its response parameter or pause id, before going on to iterate.

        Raises PauseNotFound (a ValueError) if no question is open under it, or more than one, and AnswerError for a
        value of a wrong type.
        """
        self._require_task()
        self.pending_inputs.submit_answer(param, value)

    @property
    def result(self) -> RunResult:
        """What the run came to.  Raises RuntimeError before its end, and what its node raised if it failed."""
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
