"""The memory store: the work that is ready."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from holdwater.model.inspection import StoreInspection
from holdwater.model.records import WorkRow
from holdwater.storage.sql.inspection import MAX_LISTED_WORK
from holdwater.storage.sql.rows import claim_sort_key


class MemoryInspection:
    """The part of a memory store that tells how it is."""

    def inspect(self) -> StoreInspection:
        """There is nothing to look at."""
        return StoreInspection("memory of this process", is_writable=True)

    def list_ready_work(self, limit: int) -> list[WorkRow]:
        """List task attempts that no runner has taken, the oldest first, 1,000 at most."""
        with self._locked():
            ready = [row for row in self._work_rows() if row.owner is None and not row.parked and row.kind == "execute"]
            ready.sort(key=claim_sort_key)
            return [replace(row) for row in ready[: max(0, min(limit, MAX_LISTED_WORK))]]

    @abstractmethod
    def _locked(self) -> AbstractContextManager[None]: ...

    @abstractmethod
    def _work_rows(self) -> Iterator[WorkRow]: ...
