"""The one memory store that all runners of a process without a database share; it keeps the most recent runs."""

from __future__ import annotations

import os
from typing import Final

from holdwater.model.records import FIRST_CURSOR, RunRow, RunUpdate
from holdwater.storage.memory.store import MemoryStore

MAX_FINISHED_RUNS: Final = 1000

_stores: Final[dict[int, BoundedMemoryStore]] = {}
"""by process id: a forked child begins with an empty store"""


def shared_memory_store() -> BoundedMemoryStore:
    """Return the store of this process, created by the first call."""
    process = os.getpid()
    return _stores.get(process) or _stores.setdefault(process, BoundedMemoryStore())


class BoundedMemoryStore(MemoryStore):
    """A store of at most `max_finished_runs` ended runs: the first to end is deleted, with its children.

    It is never closed.
    """

    def __init__(self, max_finished_runs: int = MAX_FINISHED_RUNS) -> None:
        super().__init__()
        self._max_finished_runs = max_finished_runs

    def close(self) -> None:
        """Do nothing: other runners use the store too."""

    def _apply_update(self, change: RunUpdate, previous: RunRow | None) -> None:
        super()._apply_update(change, previous)
        while self._index.finished_count > self._max_finished_runs:
            ((_, oldest),) = self._index.finished_after(FIRST_CURSOR, 1)
            self._delete_runs(self._index.with_descendants(oldest))
