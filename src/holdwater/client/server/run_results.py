"""Waiting for a run of a server, by the stream of its events."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

from holdwater.client.interface.runs import ReadableRuns
from holdwater.errors import RunNotFinished
from holdwater.events.run_events import RunEnded, RunPaused
from holdwater.model import validation
from holdwater.model.statuses import RunStatus
from holdwater.runs.view import RunView

CHECK_SECONDS: Final = 10.0
"""a runner that cannot go on with a run pauses it without an event: its status is looked at again after so long"""


class ServerRunResult:
    """A run that will end: `result` waits for it, and keeps what it has come to."""

    def __init__(self, runs: ReadableRuns, run_id: str) -> None:
        self._runs, self.run_id = runs, run_id
        self._ended: RunView | None = None

    def result(self, timeout_seconds: float | None = None) -> RunView:
        """Wait until the run has ended or is paused.  Raises RunNotFinished, RunNotFound, RunnerClosed."""
        timeout_seconds = validation.check_timeout("timeout", timeout_seconds)
        deadline = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        if self._ended is not None and self._runs.status(self.run_id) == self._ended.status:
            return self._ended
        while (info := self._runs.info(self.run_id)).status == RunStatus.RUNNING:
            if time.monotonic() >= deadline:
                raise RunNotFinished(f"run {self.run_id} did not finish within {timeout_seconds:g} s; it goes on")
            self._wait(info.journal_length, min(deadline, time.monotonic() + CHECK_SECONDS))
        view = self._runs.view(self.run_id)
        self._ended = view if view.ended else None
        return view

    async def result_async(self) -> RunView:
        """Await the result, as `result` does in a thread."""
        return await asyncio.to_thread(self.result)

    def _wait(self, position: int, until: float) -> None:
        """Wait until an event behind a position may have ended or paused the run.  `until`: monotonic seconds."""
        for step in self._runs.follow(self.run_id, position).steps():
            if step.change is None or any(isinstance(event, (RunEnded, RunPaused)) for event in step.events):
                return
            if not step.change.wait(max(0.0, until - time.monotonic())) and time.monotonic() >= until:
                return
