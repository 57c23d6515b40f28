"""Pruning on every SQL database: a top-level run is deleted with all its descendants, or not at all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Protocol

from holdwater.model.records import FIRST_CURSOR, Cursor, PruneResult
from holdwater.model.time import Micros
from holdwater.storage.sql import queries


class PruneStatements(queries.RunQueryStatements, Protocol):
    """The statements of pruning in a dialect's module of statements."""

    LIST_ENDED_RUNS: str


class PruneQueries(queries.RunQueries):
    """The part of a store that prunes."""

    _sql: PruneStatements

    def prune(self, before: Micros, keep: Collection[str], limit: int, cursor: Cursor = FIRST_CURSOR) -> PruneResult:
        """Delete top-level runs that ended before an instant, with their descendants, the first to end first."""
        self._require_writable()
        found: list[Cursor] = self._select(self._sql.LIST_ENDED_RUNS, (before, *cursor, max(0, limit)))
        if not found:
            return PruneResult(0, None)
        gone = self._prune_with_descendants([run_id for _, run_id in found], frozenset(keep))
        return PruneResult(gone, None if len(found) < limit else found[-1])

    @abstractmethod
    def _require_writable(self) -> object:
        """Check that the store is open for writing.  Raises StoreReadOnly, RunnerClosed."""

    @abstractmethod
    def _prune_with_descendants(self, root_ids: Sequence[str], keep: frozenset[str]) -> int:
        """Delete those families that are prunable, in one transaction; returns the number of deleted runs."""


def prunable(descendants: Sequence[tuple[str, str]], deletable: Collection[str]) -> list[str]:
    """List the run ids of the families all of whose members are in `deletable`.

    `descendants`: (root id, run id) of every member, the root included.
    """
    stay = {root for root, run_id in descendants if run_id not in deletable}
    return [run_id for root, run_id in descendants if root not in stay]
