"""Which families of runs may be forgotten, on every SQL database: a run with its children and theirs, whole or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Protocol

from holdwater.model.records import FIRST, Forgotten, Position
from holdwater.storage.sql import queries


class Statements(queries.Statements, Protocol):
    """A dialect's module of statements, as far as this goes."""

    LIST_ENDED_RUNS: str


class Forgetting(queries.Reading):
    """The part of a store that forgets."""

    _sql: Statements

    def forget(self, before: int, keep: Collection[str], limit: int, after: Position = FIRST) -> Forgotten:
        """Delete runs that ended before an instant with their families, the first to end first."""
        self._writable()
        found: list[Position] = self._select(self._sql.LIST_ENDED_RUNS, (before, *after, max(0, limit)))
        if not found:
            return Forgotten(0, None)
        gone = self._forget_families([run_id for _, run_id in found], frozenset(keep))
        return Forgotten(gone, None if len(found) < limit else found[-1])

    @abstractmethod
    def _writable(self) -> object:
        """Raises StoreReadOnly, RunnerClosed."""

    @abstractmethod
    def _forget_families(self, roots: Sequence[str], keep: frozenset[str]) -> int:
        """Delete what is doomed of these, in one transaction; returns how many runs that were."""


def doomed(families: Sequence[tuple[str, str]], free: Collection[str]) -> list[str]:
    """The runs of those families, (root, member) pairs, all of whose members are free to go."""
    stay = {root for root, run_id in families if run_id not in free}
    return [run_id for root, run_id in families if root not in stay]
