"""The runs of a process that has no database: one store in memory, shared by all who ask, for the most recent runs."""

from __future__ import annotations

import os
from typing import Final

from holdwater.model.records import FIRST, Change, RunRow
from holdwater.storage.memory.store import MemoryStore

RUNS_KEPT: Final = 1000

_stores: Final[dict[int, RecentRuns]] = {}
"""by process: a forked child begins with an empty one"""


def recent_runs() -> RecentRuns:
    """The store of this process."""
    process = os.getpid()
    return _stores.get(process) or _stores.setdefault(process, RecentRuns())


class RecentRuns(MemoryStore):
    """Forgets the run that ended first when more than `kept` have; children go with their parents.  Never closed."""

    def __init__(self, kept: int = RUNS_KEPT) -> None:
        super().__init__()
        self._kept = kept

    def close(self) -> None:
        """Others use it too."""

    def _write(self, change: Change, known: RunRow | None) -> None:
        super()._write(change, known)
        while self._index.ended_count > self._kept:
            ((_, oldest),) = self._index.ended(FIRST, 1)
            self._delete(self._index.family(oldest))
