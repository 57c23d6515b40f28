"""The runs of a process that has no database: one store in memory, shared by all who ask, for the most recent runs."""

from __future__ import annotations

import os
from typing import Final

from holdwater.model.records import FIRST, RunRow, RunUpdate
from holdwater.storage.memory.store import MemoryStore

MAX_FINISHED_RUNS: Final = 1000

_stores: Final[dict[int, BoundedMemoryStore]] = {}
"""by process: a forked child begins with an empty one"""


def shared_memory_store() -> BoundedMemoryStore:
    """The store of this process."""
    process = os.getpid()
    return _stores.get(process) or _stores.setdefault(process, BoundedMemoryStore())


class BoundedMemoryStore(MemoryStore):
    """Forgets the run that ended first when more than `kept` have; children go with their parents.  Never closed."""

    def __init__(self, max_finished_runs: int = MAX_FINISHED_RUNS) -> None:
        super().__init__()
        self._max_finished_runs = max_finished_runs

    def close(self) -> None:
        """Others use it too."""

    def _apply_update(self, change: RunUpdate, previous: RunRow | None) -> None:
        super()._apply_update(change, previous)
        while self._index.finished_count > self._max_finished_runs:
            ((_, oldest),) = self._index.finished_after(FIRST, 1)
            self._delete_runs(self._index.with_descendants(oldest))
