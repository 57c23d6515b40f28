"""Waiting for a run of a server, by the stream of its events."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

from holdwater.client.server.event_stream import FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS
from holdwater.client.server.runs import ReadableServerRuns
from holdwater.errors import HoldwaterError, RunnerClosed, RunNotFinished
from holdwater.events.run_events import RunEnded, RunPaused
from holdwater.model import validation
from holdwater.model.statuses import RunStatus
from holdwater.runs.follow import UNREACHABLE_ERRORS
from holdwater.runs.info import RunInfo
from holdwater.runs.view import RunView

CHECK_SECONDS: Final = 10.0
"""a runner that cannot go on with a run pauses it without an event: its status is looked at again after so long"""


class ServerRunResult:
    """A run that will end: `result` waits for it, and keeps what it has come to."""

    def __init__(self, runs: ReadableServerRuns, run_id: str) -> None:
        self._runs, self.run_id = runs, run_id
        self._ended: RunView | None = None

    def result(self, timeout_seconds: float | None = None) -> RunView:
        """Wait until the run has ended or is paused.

        A server that cannot be reached, that drains or that wakes the tenant is asked again until the time is over.
        Raises RunNotFinished, RunNotFound; RunnerClosed if the client is closed.
        """
        timeout_seconds = validation.check_timeout("timeout", timeout_seconds)
        deadline = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            unreachable: HoldwaterError | None = None
            try:
                info, view = self._look()
                if view is not None:
                    return view
                wait_seconds = FIRST_WAIT_SECONDS
                if time.monotonic() < deadline:
                    self._wait(info.journal_length, min(deadline, time.monotonic() + CHECK_SECONDS))
                    continue
            except UNREACHABLE_ERRORS as error:
                unreachable = error
            if self._runs.is_closed:
                raise RunnerClosed("the client was closed while a run was waited for", hint="make a new one")
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                raise self._not_finished(timeout_seconds, unreachable) from unreachable
            time.sleep(min(wait_seconds, left_seconds))
            wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)

    async def result_async(self) -> RunView:
        """Await the result, as `result` does in a thread."""
        return await asyncio.to_thread(self.result)

    def _look(self) -> tuple[RunInfo, RunView | None]:
        """Read the run; the view: if it has ended or is paused."""
        info = self._runs.info(self.run_id)
        if self._ended is not None and info.status == self._ended.status:
            return info, self._ended
        if info.status == RunStatus.RUNNING:
            return info, None
        view = self._runs.view(self.run_id)
        self._ended = view if view.ended else None
        return info, view

    def _not_finished(self, timeout_seconds: float | None, unreachable: HoldwaterError | None) -> RunNotFinished:
        if unreachable is None:
            return RunNotFinished(f"run {self.run_id} did not finish within {timeout_seconds:g} s; it goes on")
        return RunNotFinished(
            f"run {self.run_id} was not seen to finish within {timeout_seconds:g} s, and cannot be looked at now: "
            f"{unreachable.message}",
            hint="wait again when the server is back: the run does not depend on this client",
        )

    def _wait(self, position: int, until: float) -> None:
        """Wait until an event behind a position may have ended or paused the run.  `until`: monotonic seconds."""
        for step in self._runs.follow(self.run_id, position).steps():
            if step.change is None or any(isinstance(event, (RunEnded, RunPaused)) for event in step.events):
                return
            if not step.change.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                return
