"""Run rows in memory, indexed by id, parent, idempotency key, and the instants of creation and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from holdwater.errors import RunNotFound
from holdwater.model.records import (
    FIRST_CURSOR,
    LAST_CURSOR,
    MAX_LISTED_RUNS,
    CappedCount,
    Cursor,
    RunFilter,
    RunHistogram,
    RunRow,
    RunRows,
)
from holdwater.model.run_matching import matches
from holdwater.model.time import Micros
from holdwater.storage.memory.sorted_index import SortedIndex


class RunIndex:
    """An index of run rows; it returns the rows themselves, not copies.  `by_id`: the rows by run id."""

    def __init__(self) -> None:
        self.by_id: Final[dict[str, RunRow]] = {}
        self._by_created_at: Final = SortedIndex()
        self._by_parent: Final[dict[str, SortedIndex]] = {}
        """parent id -> (created_at, id) of its children"""
        self._by_finished_at: Final = SortedIndex()
        """(finished_at, id) of top-level runs"""
        self._ids_by_key: Final[dict[tuple[str, str], str]] = {}

    def put(self, run: RunRow) -> None:
        """Insert the row of a new run, or replace the row of a known one."""
        known = self.by_id.get(run.id)
        self.by_id[run.id] = run
        if known is None:
            born = (run.created_at, run.id)
            self._by_created_at.add(born)
            if run.parent_id is not None:
                self._by_parent.setdefault(run.parent_id, SortedIndex()).add(born)
            if run.idempotency_key is not None:
                self._ids_by_key[run.workflow, run.idempotency_key] = run.id
        before = None if known is None else known.finished_at
        if run.parent_id is None and run.finished_at != before:
            if before is not None:
                self._by_finished_at.remove((before, run.id))
            if run.finished_at is not None:
                self._by_finished_at.add((run.finished_at, run.id))

    def remove(self, run_id: str) -> None:
        """Remove a run, but not its children."""
        run = self.by_id.pop(run_id)
        born = (run.created_at, run_id)
        self._by_created_at.remove(born)
        if run.parent_id is not None:
            siblings = self._by_parent[run.parent_id]
            siblings.remove(born)
            if not len(siblings):
                del self._by_parent[run.parent_id]
        elif run.finished_at is not None:
            self._by_finished_at.remove((run.finished_at, run_id))
        if run.idempotency_key is not None:
            del self._ids_by_key[run.workflow, run.idempotency_key]

    def find_by_key(self, workflow: str, key: str) -> RunRow | None:
        """Find the run that has an idempotency key."""
        run_id = self._ids_by_key.get((workflow, key))
        return None if run_id is None else self.by_id[run_id]

    def select(self, run_filter: RunFilter) -> Iterator[RunRow]:
        """Iterate over the runs that match, newest first, or oldest first for `newer`.

        `limit` and `offset` are ignored.  Raises RunNotFound if there is no run `before_id`.
        """
        if run_filter.before_id is not None:
            if run_filter.before_id not in self.by_id:
                raise RunNotFound(f"there is no run {run_filter.before_id!r} to list the runs before")
            run_filter = replace(run_filter, cursor=run_filter.position_of(self.by_id[run_filter.before_id]))
        if run_filter.is_listed_by_end:
            index = self._by_finished_at
        elif run_filter.parent_id is not None:
            index = self._by_parent.get(run_filter.parent_id, SortedIndex())
        else:
            index = self._by_created_at
        if run_filter.newer:
            positions = index.after(FIRST_CURSOR if run_filter.cursor is None else run_filter.cursor)
        else:
            positions = index.before(LAST_CURSOR if run_filter.cursor is None else run_filter.cursor)
        return (run for _, run_id in positions if matches(run_filter, run := self.by_id[run_id]))

    def page(self, run_filter: RunFilter) -> RunRows:
        """Copy a page of a list.  Raises RunNotFound for an unknown `before_id`."""
        limit, start = max(0, min(run_filter.limit, MAX_LISTED_RUNS)), max(0, run_filter.offset)
        found = [run.copy() for run in islice(self.select(run_filter), start, start + limit + 1)]
        rows = found[:limit]
        return RunRows(rows[::-1] if run_filter.newer else rows, has_more=len(found) > limit > 0)

    def count_by_status(self, run_filter: RunFilter) -> dict[str, CappedCount]:
        """Count the matching runs by status."""
        counts = Counter(run.status for run in self.select(run_filter.without_page()))
        return {status: CappedCount.of(count) for status, count in counts.items()}

    def histogram(self, run_filter: RunFilter, since: Micros, until: Micros, bucket_us: int) -> RunHistogram:
        """Count the matching runs of a span of time by bucket and status."""
        which = run_filter.of_span(since, until)
        starts = [(which.position_of(run)[0], run.status) for run in self.select(which)]
        counts = Counter((Micros(since + (at - since) // bucket_us * bucket_us), status) for at, status in starts)
        return RunHistogram(since, until, bucket_us, dict(counts), since)

    def find_by_prefix(self, prefix: str) -> list[str]:
        """Sort the ids that begin with the prefix, without children of runs that match too."""
        return sorted(
            run.id
            for run in self.by_id.values()
            if run.id.startswith(prefix) and not (run.parent_id is not None and run.parent_id.startswith(prefix))
        )

    def ids_by_created_at(self) -> list[str]:
        """Ids of all runs, oldest first."""
        return [run_id for _, run_id in self._by_created_at.after(FIRST_CURSOR)]

    @property
    def finished_count(self) -> int:
        """Number of top-level runs that have ended."""
        return len(self._by_finished_at)

    def finished_after(self, after: Cursor, limit: int) -> list[Cursor]:
        """List (finished_at, id) of top-level runs that ended after a position, the first to end first."""
        return list(islice(self._by_finished_at.after(after), limit))

    def with_descendants(self, root_id: str) -> list[str]:
        """List a run, its children, and their descendants, parents first."""
        family = [root_id]
        for run_id in family:
            if run_id in self._by_parent:
                family += [child for _, child in self._by_parent[run_id].after(FIRST_CURSOR)]
        return family

    def clear(self) -> None:
        for run_id in list(self.by_id):
            self.remove(run_id)
