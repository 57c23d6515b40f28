"""Tenants that are asleep: one entry of a heap each, the instant at which to look whether it has work."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from typing import Final

from holdwater.errors import HoldwaterError, StoreUnavailable, StoreUnusable
from holdwater.model.next_work import NextWork
from holdwater.model.time import Micros, add_seconds
from holdwater.service.tenants.engines import WakeCause

AHEAD_SECONDS: Final = 0.3
"""an engine is made so long before an instant"""
RECHECK_SECONDS: Final = 300.0
"""between two looks at a tenant of which nothing is heard"""
STEP_BACK_SECONDS: Final = 2.0
"""time that the preferred replica of a tenant has before the others"""
UNREACHABLE_SECONDS: Final = 5.0
BROKEN_SECONDS: Final = 60.0
"""before the next look at a tenant whose schema cannot be read"""
UNUSED_SECONDS: Final = 60.0
"""before the next look at a tenant that was never used, and has no tables yet"""
MIN_LOOK_SECONDS: Final = 0.25
"""between two looks at a tenant of which a lot is heard"""
MAX_SLEEP_SECONDS: Final = 86_400.0
"""after so long a tenant is awake for a while, for what is done once a day: old runs are deleted"""

MAX_LOOKS: Final = 50
"""one after the other, before other things are done"""

logger = logging.getLogger("holdwater.tenants")


class Sleepers:
    """Decides who wakes up when.  For one thread.

    `read_next`: reads the work of a tenant; None: it has no tables yet.  `is_preferred`: this replica wakes it at once.
    `wake`: has an engine made; does not block.  Instants are the clock's.
    """

    def __init__(
        self,
        read_next: Callable[[str], NextWork | None],
        is_preferred: Callable[[str], bool],
        is_awake: Callable[[str], bool],
        wake: Callable[[str, WakeCause], None],
    ) -> None:
        self._read_next, self._is_preferred = read_next, is_preferred
        self._is_awake, self._wake = is_awake, wake
        self._look_at: dict[str, Micros] = {}
        """the valid entry of each tenant in the heap"""
        self._heap: list[tuple[Micros, str]] = []
        self._looked_at: dict[str, Micros] = {}
        self._stepped_back: dict[str, Micros] = {}
        """since when work waits for the preferred replica"""
        self._told: set[str] = set()
        """tenants of which something was heard since the latest look"""
        self._left: dict[str, NextWork] = {}
        """work that an engine has left alone: it is not for this replica"""
        self._asleep_since: dict[str, Micros] = {}

    def names(self) -> set[str]:
        """Return the tenants it knows."""
        return set(self._look_at)

    def add(self, name: str, now: Micros) -> None:
        """Look at a tenant from now on."""
        if name not in self._look_at:
            self._asleep_since[name] = now
            self._plan(name, now)

    def remove(self, name: str) -> None:
        """Look at a tenant no more."""
        for known in (self._look_at, self._looked_at, self._stepped_back, self._left, self._asleep_since):
            known.pop(name, None)
        self._told.discard(name)

    def note_news(self, name: str, now: Micros) -> None:
        """Something has changed in a tenant."""
        if name in self._look_at and not self._is_awake(name):
            pause = MIN_LOOK_SECONDS if self._is_preferred(name) else STEP_BACK_SECONDS
            at = max(now, add_seconds(self._looked_at.get(name, Micros(0)), pause))
            self._told.add(name)
            self._plan(name, min(at, self._look_at[name]))

    def note_asleep(self, name: str, left: NextWork | None, now: Micros) -> None:
        """Note that the engine of a tenant has ended.  `left`: work that was there, and that it did not take."""
        if name in self._look_at:
            self._asleep_since[name] = now
            if left is not None and left.due_at is not None and left.due_at <= now:
                self._left[name] = left
            self._plan(name, now)

    def retry(self, name: str, now: Micros, seconds: float) -> None:
        """Look at a tenant again after a while: it could not be woken."""
        if name in self._look_at:
            self._plan(name, add_seconds(now, seconds))

    def run_due(self, now: Micros, max_looks: int = MAX_LOOKS) -> Micros | None:
        """Look at tenants whose instants have come, so many at most; returns the next instant."""
        looks = 0
        while self._heap and self._heap[0][0] <= now and looks < max_looks:
            at, name = heapq.heappop(self._heap)
            if self._look_at.get(name) == at:
                looks += 1
                self._look(name, now)
        while self._heap and self._look_at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _look(self, name: str, now: Micros) -> None:
        if self._is_awake(name):
            self._plan(name, add_seconds(now, RECHECK_SECONDS))
            return
        self._looked_at[name] = now
        try:
            found = self._read_next(name)
        except StoreUnusable as error:  # a table or a right is missing; requests to it get the error
            logger.info("the work of tenant %s cannot be read: %s", name, error)
            self._plan(name, add_seconds(now, BROKEN_SECONDS))
            return
        except StoreUnavailable:
            self._plan(name, add_seconds(now, UNREACHABLE_SECONDS))
            return
        except HoldwaterError as error:  # of this tenant alone; requests to it get an error, too
            logger.warning("the work of tenant %s cannot be read: %s", name, error)
            self._plan(name, add_seconds(now, BROKEN_SECONDS))
            return
        if found is None:  # the replica of the first request has an engine; this one sees its tables with the next look
            self._plan(name, add_seconds(now, UNUSED_SECONDS))
            return
        daily_at = add_seconds(self._asleep_since[name], MAX_SLEEP_SECONDS)
        if found.due_at is not None and found.due_at <= now and self._left.get(name) == found:
            self._plan(name, min(add_seconds(now, RECHECK_SECONDS), max(daily_at, now)))
            if daily_at <= now:
                self._wake_now(name, now, "daily")
            return
        self._left.pop(name, None)
        due_at = daily_at if found.due_at is None else min(found.due_at, daily_at)
        if due_at > add_seconds(now, AHEAD_SECONDS):
            self._stepped_back.pop(name, None)
            self._told.discard(name)
            at = max(now + 1, add_seconds(due_at, -AHEAD_SECONDS))
            self._plan(name, Micros(min(at, add_seconds(now, RECHECK_SECONDS))))
        elif self._is_preferred(name) or now >= self._step_back_until(name, now):
            cause: WakeCause = "daily" if due_at == daily_at else "news" if name in self._told else "due"
            self._wake_now(name, now, cause)
        else:
            self._plan(name, self._step_back_until(name, now))

    def _step_back_until(self, name: str, now: Micros) -> Micros:
        return add_seconds(self._stepped_back.setdefault(name, now), STEP_BACK_SECONDS)

    def _wake_now(self, name: str, now: Micros, cause: WakeCause) -> None:
        self._stepped_back.pop(name, None)
        self._told.discard(name)
        self._asleep_since[name] = now
        self._plan(name, add_seconds(now, RECHECK_SECONDS))
        self._wake(name, cause)

    def _plan(self, name: str, at: Micros) -> None:
        if self._look_at.get(name) != at:
            self._look_at[name] = at
            heapq.heappush(self._heap, (at, name))
