"""Starts a task that is suspected of killing its process as soon as it is alone."""

from __future__ import annotations

from holdwater.model.time import Micros
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.service_protocols import WorkStarter


class SuspectStarter:
    """A service of the loop.  Every event that changes something for it wakes the loop anyway."""

    def __init__(self, crash_suspects: CrashSuspects, work: WorkStarter) -> None:
        self._crash_suspects, self._work = crash_suspects, work

    def due_at(self, now: Micros) -> Micros | None:
        return None

    def run(self, now: Micros) -> None:
        """Start the suspect if nothing else runs; let the others go on when it is over."""
        startable = self._crash_suspects.take_startable()
        if startable is not None:
            self._work.start(*startable)
