"""Queries common to all SQL databases: run rows, journals, plans and work."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import Any, Final, Protocol

from holdwater.model.claim_keys import claim_key
from holdwater.model.records import (
    FIRST_CURSOR,
    JournalRow,
    RunRow,
    StoredRun,
    WorkRow,
)
from holdwater.model.time import Micros
from holdwater.storage.sql import rows
from holdwater.storage.sql.journal_tail import slice_after

_PAGE_ROWS: Final = 500
_MAX_CHARACTER: Final = "\U0010ffff"
"""the last code point; sorts after all others"""


class RunQueryStatements(Protocol):
    """The queries in a dialect's module of statements."""

    GET_NEXT_LEASE_EXPIRY: str
    GET_PLAN: str
    GET_RUN: str
    GET_RUNS: str
    LIST_WORK_OF_OWNER: str
    FIND_RUN_IDS_BY_PREFIX: str
    FIND_RUN_IDS_BY_SUFFIX: str
    LIST_OVERDUE_RUNS: str
    LIST_RUNS_AFTER: str
    LIST_JOURNAL_LENGTHS: str
    LIST_ORPHANED_CHILDREN: str
    LIST_WORK: str
    LIST_WORK_OF_RUNS: str
    READ_JOURNAL: str
    READ_JOURNAL_PAGE: str
    READ_JOURNALS: str
    READ_JOURNAL_ROW_CONTAINING: str


class RunQueries(ABC):
    """The part of a store that only reads.  Its methods raise StoreUnavailable, StoreError, RunnerClosed."""

    _sql: RunQueryStatements

    @abstractmethod
    def _select(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]: ...

    @abstractmethod
    def _array_parameter(self, ids: Collection[str]) -> Any:
        """Pass ids as one parameter."""

    @abstractmethod
    def _check_open(self) -> None:
        """Check that the store is open.  Raises RunnerClosed."""

    def next_lease_expiry(self, owner: str) -> Micros | None:
        """Return the instant (µs) at which the first lease of another owner expires, None if there is none."""
        ((expiry,),) = self._select(self._sql.GET_NEXT_LEASE_EXPIRY, (owner,))
        return expiry  # type: ignore[no-any-return]

    def get_run(self, run_id: str) -> RunRow | None:
        for row in self._select(self._sql.GET_RUN, (run_id,)):
            return RunRow(*row)
        return None

    def journal_lengths(self, run_ids: Collection[str]) -> dict[str, int]:
        return dict(self._select(self._sql.LIST_JOURNAL_LENGTHS, (self._array_parameter(run_ids),)))

    def read_runs(self, run_ids: Collection[str]) -> dict[str, StoredRun]:
        """Read run row, journal and work of several runs, by run id."""
        ids = (self._array_parameter(run_ids),)
        heads = [RunRow(*row) for row in self._select(self._sql.GET_RUNS, ids)]
        entries = [(row[0], JournalRow(*row[1:])) for row in self._select(self._sql.READ_JOURNALS, ids)]
        return StoredRun.group_by_run(
            heads, entries, [rows.parse_work_row(row) for row in self._select(self._sql.LIST_WORK_OF_RUNS, ids)]
        )

    def find_by_prefix(self, prefix: str, limit: int) -> list[str]:
        """List ids that begin with the prefix, sorted, without children of runs that match too."""
        found = self._select(self._sql.FIND_RUN_IDS_BY_PREFIX, (prefix, prefix + _MAX_CHARACTER, max(0, limit)))
        return [run_id for (run_id,) in found]

    def find_by_suffix(self, suffix: str, limit: int) -> list[str]:
        """List ids that end with the suffix, sorted; those of fanned-out children are left out.  O(number of runs)."""
        return [run_id for (run_id,) in self._select(self._sql.FIND_RUN_IDS_BY_SUFFIX, (suffix, max(0, limit)))]

    def get_plan(self, structure: str) -> dict[str, Any] | None:
        for (text,) in self._select(self._sql.GET_PLAN, (structure,)):
            plan: dict[str, Any] = json.loads(text)
            return plan
        return None

    def read_journal(self, run_id: str, after_seq: int = 0, limit: int | None = None) -> list[JournalRow]:
        """Read the journal from entry `after` + 1 on; up to `limit` rows."""
        if limit is None:
            rows_found = self._select(self._sql.READ_JOURNAL, (run_id, after_seq))
        else:
            rows_found = self._select(self._sql.READ_JOURNAL_PAGE, (run_id, after_seq, max(0, limit)))
        found = [JournalRow(*row) for row in rows_found]
        if after_seq > 0 and (not found or found[0].seq != after_seq + 1):
            found = self._row_tail(run_id, after_seq) + found
        return found

    def _row_tail(self, run_id: str, after_seq: int) -> list[JournalRow]:
        """Slice the journal row that contains both entry `after_seq` and later ones; an empty list if there is none."""
        head = self.get_run(run_id)
        if head is None or head.seq <= after_seq:
            return []
        for row in self._select(self._sql.READ_JOURNAL_ROW_CONTAINING, (run_id, after_seq)):
            rest = slice_after(JournalRow(*row), after_seq)
            return [rest] if rest else []
        return []

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        """List the outstanding work of a run."""
        return [rows.parse_work_row(row) for row in self._select(self._sql.LIST_WORK, (run_id,))]

    def work_of_runs(self, run_ids: Collection[str]) -> dict[str, list[WorkRow]]:
        """List the outstanding work of several runs, by run id; runs without any are left out."""
        found: dict[str, list[WorkRow]] = {}
        for row in self._select(self._sql.LIST_WORK_OF_RUNS, (self._array_parameter(run_ids),)):
            work = rows.parse_work_row(row)
            found.setdefault(work.run_id, []).append(work)
        return found

    def work_of_owner(self, owner: str) -> list[WorkRow]:
        """List all work the owner holds."""
        return [rows.parse_work_row(row) for row in self._select(self._sql.LIST_WORK_OF_OWNER, (owner,))]

    def overdue_runs(self, before: Micros) -> list[tuple[str, str, Micros]]:
        """List (run, claim key, deadline) of unfinished, unowned runs with a deadline up to `before`, oldest first."""
        found = self._select(self._sql.LIST_OVERDUE_RUNS, (before,))
        return [(run_id, claim_key(workflow, release), at) for run_id, workflow, release, at in found]

    def orphaned_children(self) -> list[tuple[str, str]]:
        """List (run, claim key) of unfinished children of runs that have ended."""
        found = self._select(self._sql.LIST_ORPHANED_CHILDREN)
        return [(run_id, claim_key(workflow, release)) for run_id, workflow, release in found]

    def iter_runs(self) -> Iterator[RunRow]:
        """Iterate over all runs, oldest first, read in pages."""
        self._check_open()
        return self._iter_pages()

    def _iter_pages(self) -> Iterator[RunRow]:
        after = FIRST_CURSOR
        while page := self._select(self._sql.LIST_RUNS_AFTER, (*after, _PAGE_ROWS)):
            for row in page:
                yield (run := RunRow(*row))
            after = (run.created_at, run.id)
