"""Following the log of a run: its lines as they are written, in this process or another, until the run has ended."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from holdwater.errors import StoreUnavailable, StoreUnusable
from holdwater.model.time import Micros
from holdwater.runs.follow import LONGEST_WAIT_SECONDS, UNTOLD_WAIT_SECONDS
from holdwater.runs.logs import LogLine, LogReader, parse_cursor
from holdwater.runs.reader import RunReader
from holdwater.runtime.future import Future, wrap_future
from holdwater.runtime.journal_watchers import JournalWatchers

LATE_SECONDS: Final = 1.0
"""time after the end of a run in which its last lines are written"""
LATE_WAIT_SECONDS: Final = 0.2
"""between looks in that time"""
BEHIND_SECONDS: Final = 0.2
"""time by which lines are written behind what is journalled: a failure is not shown before the lines of its attempt"""


@dataclass(frozen=True, slots=True)
class LogStep:
    """The lines of one look at a log.  `change`: set when there may be more, None at the end.

    `wait_seconds`: the time after which to look again all the same.
    """

    lines: tuple[LogLine, ...]
    change: Future[None] | None
    wait_seconds: float


class LogFollower(ABC):
    """The lines of the log of one run behind a cursor, with `for` or `async for`, once, until the run has ended.

    Iterating raises RunNotFound if the run is deleted meanwhile, StoreError, StoreUnusable, RunnerClosed.  A store, or
    a server, that cannot be reached for a while is waited for.
    """

    run_id: str

    @abstractmethod
    def steps(self) -> Iterator[LogStep]:
        """Every look at the log: the waiting in between is the caller's."""

    def __iter__(self) -> Iterator[LogLine]:
        for step in self.steps():
            yield from step.lines
            if step.change is not None:
                step.change.wait(step.wait_seconds)

    async def __aiter__(self) -> AsyncIterator[LogLine]:
        import asyncio

        steps = self.steps()
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            for line in step.lines:
                yield line
            if step.change is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(step.wait_seconds):
                        await wrap_future(step.change)


class StoreLogFollower(LogFollower):
    """Follows a log by the lines in its store."""

    def __init__(
        self,
        runs: RunReader,
        watchers: JournalWatchers,
        run_id: str,
        node: str | None = None,
        attempt: int | None = None,
        after: str | None = None,
        *,
        has_notifications: bool,
    ) -> None:
        """Prepare to follow a log.  Raises RunNotFound, TaskNotFound, InvalidArgument, StoreError."""
        self._runs, self._clock, self._watchers, self.run_id = runs, runs.clock, watchers, run_id
        self._reader = LogReader(runs, run_id, node, attempt)
        parse_cursor(after)
        self._cursor = after
        self._longest_wait = LONGEST_WAIT_SECONDS if has_notifications else UNTOLD_WAIT_SECONDS

    def steps(self) -> Iterator[LogStep]:
        """Every look at the log: the waiting in between is the caller's."""
        told_at = -LONGEST_WAIT_SECONDS
        while True:
            change = self._watchers.next_change(self.run_id)  # before the look: what is written after it sets this
            lines: tuple[LogLine, ...] = ()
            has_more, ended, wait = False, False, self._longest_wait
            try:
                if time.monotonic() - told_at >= LONGEST_WAIT_SECONDS:
                    told_at = time.monotonic()
                    self._runs.store.follow_runs([self.run_id])
                    wait = min(wait, LATE_WAIT_SECONDS)  # a line may have come before the question did
                horizon = Micros(self._clock.now() - int(BEHIND_SECONDS * 1e6))
                page = self._reader.read(self._cursor, failures_until=horizon)
                if self._reader.has_failure_after(horizon):
                    wait = min(wait, BEHIND_SECONDS)
                lines, has_more, self._cursor = page.lines, page.has_more, page.cursor
                finished_at = self._reader.run.info.finished_at
                if finished_at is not None:
                    wait = LATE_WAIT_SECONDS
                    ended = not has_more and self._clock.now() - finished_at > LATE_SECONDS * 1e6
            except StoreUnusable:  # it may not come back
                raise
            except StoreUnavailable:
                pass
            try:
                if ended:
                    yield LogStep(lines, None, 0.0)
                    return
                yield LogStep(lines, change, 0.0 if has_more else wait)
            finally:
                self._watchers.discard(self.run_id, change)
            if change.done:
                change.result()  # RunnerClosed
