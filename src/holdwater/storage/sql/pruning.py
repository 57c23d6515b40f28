"""Which families of runs may be forgotten, on every SQL database: a run with its children and theirs, whole or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Protocol

from holdwater.model.records import FIRST, Position, PruneResult
from holdwater.storage.sql import queries


class PruneStatements(queries.RunQueryStatements, Protocol):
    """A dialect's module of statements, as far as this goes."""

    LIST_ENDED_RUNS: str


class PruneQueries(queries.RunQueries):
    """The part of a store that forgets."""

    _sql: PruneStatements

    def prune(self, before: int, keep: Collection[str], limit: int, after: Position = FIRST) -> PruneResult:
        """Delete runs that ended before an instant with their families, the first to end first."""
        self._require_writable()
        found: list[Position] = self._select(self._sql.LIST_ENDED_RUNS, (before, *after, max(0, limit)))
        if not found:
            return PruneResult(0, None)
        gone = self._prune_with_descendants([run_id for _, run_id in found], frozenset(keep))
        return PruneResult(gone, None if len(found) < limit else found[-1])

    @abstractmethod
    def _require_writable(self) -> object:
        """Raises StoreReadOnly, RunnerClosed."""

    @abstractmethod
    def _prune_with_descendants(self, root_ids: Sequence[str], keep: frozenset[str]) -> int:
        """Delete what is doomed of these, in one transaction; returns how many runs that were."""


def prunable(descendants: Sequence[tuple[str, str]], deletable: Collection[str]) -> list[str]:
    """The runs of those families, (root, member) pairs, all of whose members are free to go."""
    stay = {root for root, run_id in descendants if run_id not in deletable}
    return [run_id for root, run_id in descendants if root not in stay]
