"""Following a run: its events as they are committed, in this process or another, until it has ended."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

from holdwater.errors import (
    InvalidArgument,
    RunnerClosed,
    ServerUnreachable,
    StoreUnavailable,
    StoreUnusable,
    TenantWaking,
)
from holdwater.events.run_events import EventPosition, RunEvent
from holdwater.model import validation
from holdwater.model.ports.store import Store
from holdwater.runs.event_reader import RunEventReader
from holdwater.runtime.future import Future, wrap_future
from holdwater.runtime.journal_watchers import JournalWatchers

FIRST_WAITS_SECONDS: Final = (0.1, 0.5)
"""of one that has just asked to be told: an entry may have come before the question did"""
LONGEST_WAIT_SECONDS: Final = 10.0
"""the question is put again after so long; it is remembered three times as long"""
UNREACHABLE_ERRORS: Final = (StoreUnavailable, ServerUnreachable, RunnerClosed, TenantWaking)
"""for the moment a run cannot be reached; RunnerClosed: a server drains, or the reader's own client or runner was
closed, which is for good"""
UNTOLD_WAIT_SECONDS: Final = 1.0
"""between looks at the journal where the store has no channel"""


@dataclass(frozen=True, slots=True)
class FollowStep:
    """The events of one look at a run.  `change`: set when there may be more, None if the run has ended.

    `wait_seconds`: the time after which to look again all the same.
    """

    events: list[RunEvent]
    change: Future[None] | None
    wait_seconds: float


class RunFollower(ABC):
    """The events of one run behind `after`: a journal number, or the position of an event.

    Iterate over it, with `for` or `async for`, once: each event comes exactly once, in order, and the iteration ends
    when the run has ended (a pause is no end).  An iteration over the same run with `after` the position of the last
    event goes on behind it, in any process.

    Iterating raises RunNotFound if the run is deleted meanwhile, StoreError, StoreUnusable, RunnerClosed.  A store, or
    a server, that cannot be reached for a while is waited for.
    """

    run_id: str

    @abstractmethod
    def steps(self) -> Iterator[FollowStep]:
        """Every look at the run: the waiting in between is the caller's."""

    def __iter__(self) -> Iterator[RunEvent]:
        for step in self.steps():
            yield from step.events
            if step.change is not None:
                step.change.wait(step.wait_seconds)

    async def __aiter__(self) -> AsyncIterator[RunEvent]:
        import asyncio

        steps = self.steps()
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            for event in step.events:
                yield event
            if step.change is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(step.wait_seconds):
                        await wrap_future(step.change)


class StoreRunFollower(RunFollower):
    """Follows a run by the journal in its store."""

    def __init__(
        self,
        store: Store,
        watchers: JournalWatchers,
        run_id: str,
        after: int | EventPosition = 0,
        *,
        has_notifications: bool,
    ) -> None:
        """Prepare to follow a run.  Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable."""
        self._store, self._watchers, self.run_id = store, watchers, run_id
        self._waits = FIRST_WAITS_SECONDS if has_notifications else ()
        self._longest_wait = LONGEST_WAIT_SECONDS if has_notifications else UNTOLD_WAIT_SECONDS
        self._reader = RunEventReader(
            store, validation.check_search_text("the id of a run", run_id), check_position(after)
        )

    def steps(self) -> Iterator[FollowStep]:
        """Every look at the run: the waiting in between is the caller's."""
        waits = iter(self._waits)
        told_at = -self._longest_wait
        while True:
            change = self._watchers.next_change(self.run_id)  # before the look: what is committed after it sets this
            events: list[RunEvent] = []
            try:
                if time.monotonic() - told_at >= self._longest_wait:
                    told_at = time.monotonic()
                    self._store.follow_runs([self.run_id])
                events = self._reader.read()
                ended = self._reader.has_ended
            except StoreUnusable:  # it may not come back
                raise
            except StoreUnavailable:
                ended = False
            try:
                if ended:
                    yield FollowStep(events, None, 0.0)
                    return
                yield FollowStep(events, change, next(waits, self._longest_wait))
            finally:
                self._watchers.discard(self.run_id, change)
            if change.done:
                change.result()  # RunnerClosed


def check_position(after: int | EventPosition) -> int | EventPosition:
    """Check a journal number or the position of an event.  Raises InvalidArgument."""
    parts = (after,) if isinstance(after, int) else after
    whole = isinstance(parts, tuple) and all([isinstance(part, int) and not isinstance(part, bool) for part in parts])
    if not whole or len(parts) > 2 or min(parts, default=-1) < 0:
        raise InvalidArgument(
            f"after must be a journal number or the position of an event, it is {after!r}",
            hint="0 is the beginning; event.position goes on behind an event",
        )
    return after
