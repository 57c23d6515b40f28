"""Deletions on every SQL database: a top-level run is deleted with all its descendants, or not at all."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from holdwater.model.records import FIRST_CURSOR, Cursor, EndedRun, PruneResult
from holdwater.model.time import Micros
from holdwater.storage.sql import queries


class PruneStatements(queries.RunQueryStatements, Protocol):
    """The statements of deletions in a dialect's module of statements."""

    LIST_DESCENDANTS: str
    LIST_ENDED_RUNS: str
    MEASURE_RUNS: str


class PruneQueries(queries.RunQueries):
    """The part of a store that deletes runs."""

    _sql: PruneStatements

    def prune(
        self,
        before: Micros,
        keep: Collection[str],
        limit: int,
        cursor: Cursor = FIRST_CURSOR,
        spares: Callable[[EndedRun], bool] | None = None,
    ) -> PruneResult:
        """Delete top-level runs that ended before an instant, with their descendants, the first to end first."""
        self._require_writable()
        found = self._ended_runs(before, limit, cursor)
        chosen = [run.id for run in found if spares is None or not spares(run)]
        gone = self._delete_families(chosen, frozenset(keep)) if chosen else []
        return PruneResult(len(gone), next_cursor(found, limit))

    def prune_logs(self, before: Micros, limit: int, cursor: Cursor = FIRST_CURSOR) -> PruneResult:
        """Delete the logs of top-level runs that ended before an instant, and of their descendants."""
        self._require_writable()
        found = self._ended_runs(before, limit, cursor)
        if found:
            self._delete_logs(self._with_descendants([run.id for run in found]))
        return PruneResult(len(found), next_cursor(found, limit))

    def delete_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Delete runs with all their descendants, as far as all of them have ended; returns the ids that are gone."""
        self._require_writable()
        return self._delete_families(run_ids, frozenset())

    def measure_runs(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of journals and logs of runs with all their descendants."""
        ids = self._array_parameter(self._with_descendants(run_ids))
        ((size_bytes,),) = self._select(self._sql.MEASURE_RUNS, (ids,))
        return int(size_bytes)

    def _ended_runs(self, before: Micros, limit: int, cursor: Cursor) -> list[EndedRun]:
        found = self._select(self._sql.LIST_ENDED_RUNS, (before, *cursor, max(0, limit)))
        return [EndedRun(*row) for row in found]

    def _with_descendants(self, run_ids: Sequence[str]) -> list[str]:
        found: list[Any] = self._select(self._sql.LIST_DESCENDANTS, (self._array_parameter(run_ids),))
        return [row[1] for row in found]

    @abstractmethod
    def _require_writable(self) -> object:
        """Check that the store is open for writing.  Raises StoreReadOnly, RunnerClosed."""

    @abstractmethod
    def _delete_families(self, root_ids: Sequence[str], keep: frozenset[str]) -> list[str]:
        """Delete those families that are prunable, in one transaction; returns the ids of the deleted runs."""

    @abstractmethod
    def _delete_logs(self, run_ids: Sequence[str]) -> None:
        """Delete the logs of runs, in one transaction."""


def next_cursor(found: Sequence[EndedRun], limit: int) -> Cursor | None:
    """Return the place behind a full page of runs, None if there are no more."""
    return (found[-1].finished_at, found[-1].id) if found and len(found) >= limit else None


def prunable(descendants: Sequence[tuple[str, str]], deletable: Collection[str]) -> list[str]:
    """List the run ids of the families all of whose members are in `deletable`.

    `descendants`: (root id, run id) of every member, the root included.
    """
    stay = {root for root, run_id in descendants if run_id not in deletable}
    return [run_id for root, run_id in descendants if root not in stay]
