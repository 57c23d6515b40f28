"""Waiting for runs, whichever process executes them."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from holdwater.engine.event_publisher import EventPublisher
from holdwater.errors import RunNotFinished, StoreUnavailable, StoreUnusable
from holdwater.model import validation
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.driver import Driver
from holdwater.runtime.future import Future, wrap_future

RECHECK_SECONDS: Final = 5.0
"""interval at which a wait for a run executed here checks that it still is"""


class RunWaiter:
    """Waits until runs end or are paused, by notifications, and every `poll_seconds` where the store has none."""

    def __init__(
        self, driver: Driver, reader: RunReader, poll_seconds: float, publisher: EventPublisher | None = None
    ) -> None:
        """Create a waiter.  `publisher`: a wait ends after event processors got all events of the run."""
        self._driver, self._reader, self._poll_seconds = driver, reader, poll_seconds
        self._publisher = publisher

    def wait(self, run_id: str, timeout_seconds: float | None = None, *, started: ActiveRun | None = None) -> RunView:
        """Wait until the run ends or is paused.  `started`: the run, if it was started here.

        Raises RunNotFinished, RunNotFound, RunnerClosed, StoreUnusable.
        """
        timeout_seconds = validation.check_timeout("timeout", timeout_seconds)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        settled: Future[Any] = (
            self._driver.done_future(run_id) if started is None or started.done.done else started.done
        )
        while True:
            left = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
            if settled.wait(min(left, RECHECK_SECONDS)):
                found = settled.result()
                if found is not None and found.ended:
                    return self.delivered(found, left)
            view, answers = self._look(run_id)
            if view is not None:
                self._wait_for_delivery(left)
                return view
            if deadline is not None and time.monotonic() >= deadline:
                raise RunNotFinished(f"run {run_id} did not finish within {timeout_seconds:g} s; it goes on")
            if settled.done:
                if not (answers and self._driver.has_notifications):  # no notifications: this wait looks again
                    Future[None]().wait(min(left, self._poll_seconds))
                settled = self._driver.done_future(run_id)

    async def wait_async(self, run_id: str) -> RunView:
        """`wait` in the running event loop; a cancelled wait leaves nothing behind.

        Raises RunNotFound, RunnerClosed, StoreUnusable.
        """
        import asyncio

        while True:
            settled = self._driver.done_future(run_id)
            await wrap_future(settled)
            found = settled.result()
            if found is not None and found.ended:
                await self._wait_for_delivery_async()
                return self._reader.view_of(found)
            view, answers = await asyncio.to_thread(self._look, run_id)
            if view is not None:
                await self._wait_for_delivery_async()
                return view
            if not (answers and self._driver.has_notifications):
                await asyncio.sleep(self._poll_seconds)

    def delivered(self, run: ActiveRun, at_most_seconds: float = math.inf) -> RunView:
        """Return the view of a run that ended in memory, after event processors got all its events."""
        self._wait_for_delivery(at_most_seconds)
        return self._reader.view_of(run)

    def _wait_for_delivery(self, at_most_seconds: float) -> None:
        if self._publisher is not None:
            self._publisher.delivered().wait(at_most_seconds)

    async def _wait_for_delivery_async(self) -> None:
        if self._publisher is not None:
            await wrap_future(self._publisher.delivered())

    def view_of(self, run: ActiveRun) -> RunView:
        """Return the view of a run in memory."""
        return self._reader.view_of(run)

    def _look(self, run_id: str) -> tuple[RunView | None, bool]:
        """Return the run if it has ended or paused, and True if the store answers.

        A store that is unavailable comes back, and the run goes on then; one that is unusable may not: that is raised.
        """
        try:
            return (None if self._reader.row(run_id).status == "running" else self._reader.view(run_id)), True
        except StoreUnusable:
            raise
        except StoreUnavailable:
            return None, False


class RunFuture:
    """A run that will end: `result` waits for it, and keeps what it has come to unless the run is retried here."""

    def __init__(self, driver: Driver, waiter: RunWaiter, run_id: str, started: ActiveRun | None = None) -> None:
        """Create a future.  `started`: the run, if it was started here."""
        self.run_id = run_id
        self._driver, self._waiter, self._started = driver, waiter, started
        self._retries_seen = driver.retry_count(run_id)
        self._ended: RunView | None = None

    def result(self, timeout_seconds: float | None = None) -> RunView:
        """Wait until the run has ended or is paused.  Raises RunNotFinished, RunNotFound, RunnerClosed."""
        started = self._started
        if started is None or started.row.finished_at is None or not started.done.done:  # settled after its events
            return self._waiter.wait(self.run_id, timeout_seconds, started=started)
        retries = self._driver.retry_count(self.run_id)
        if retries != self._retries_seen:
            self._ended, self._retries_seen = self._waiter.wait(self.run_id, timeout_seconds), retries
            if not self._ended.ended:
                self._started = None
        elif self._ended is None:
            self._ended = self._waiter.delivered(started, math.inf if timeout_seconds is None else timeout_seconds)
        return self._ended

    def in_memory(self) -> RunView | None:
        """Return the run as this process executed it, while its runner closes; None if it never had the run."""
        run = self._driver.active_runs.get(self.run_id, self._started)
        return None if run is None else self._waiter.view_of(run)

    async def result_async(self) -> RunView:
        """Await the result, as `result` does in a thread."""
        return await self._waiter.wait_async(self.run_id)
