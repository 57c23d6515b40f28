"""The memory store: lists of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from holdwater.model.records import CappedCount, RunFilter, RunHistogram, RunRow, RunRows
from holdwater.model.time import Micros
from holdwater.storage.memory.run_index import RunIndex


class MemoryRunLists:
    """The part of a memory store that lists runs, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]], index: RunIndex) -> None:
        self._locked_for_lists, self._listed_runs = locked, index

    def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        """List run rows, newest first, 1,000 at most.  Raises RunNotFound for an unknown `before_id`."""
        return self.page_runs(run_filter).rows

    def page_runs(self, run_filter: RunFilter) -> RunRows:
        """Read a page of a list.  Raises RunNotFound for an unknown `before_id`."""
        with self._locked_for_lists():
            return self._listed_runs.page(run_filter)

    def count_runs(self, run_filter: RunFilter) -> dict[str, CappedCount]:
        """Count the matching runs by status, up to 10,000 each, regardless of the page."""
        with self._locked_for_lists():
            return self._listed_runs.count_by_status(run_filter)

    def run_histogram(self, run_filter: RunFilter, since: Micros, until: Micros, bucket_us: int) -> RunHistogram:
        """Count the matching runs of a span of time by bucket and status."""
        with self._locked_for_lists():
            return self._listed_runs.histogram(run_filter, since, until, bucket_us)

    def find_by_prefix(self, prefix: str, limit: int) -> list[str]:
        """List ids that begin with the prefix, sorted, without children of runs that match too."""
        with self._locked_for_lists():
            return self._listed_runs.find_by_prefix(prefix)[: max(0, limit)]

    def find_by_suffix(self, suffix: str, limit: int) -> list[str]:
        """List ids that end with the suffix, sorted; those of fanned-out children are left out."""
        with self._locked_for_lists():
            found = sorted(
                r.id
                for r in self._listed_runs.by_id.values()
                if (r.parent_id is None or "/" not in r.id) and r.id.endswith(suffix)
            )
            return found[: max(0, limit)]

    def iter_runs(self) -> Iterator[RunRow]:
        """Iterate over all runs, oldest first."""
        with self._locked_for_lists():
            ids = self._listed_runs.ids_by_created_at()
        return (run for run_id in ids if (run := self._copy_of(run_id)) is not None)

    def _copy_of(self, run_id: str) -> RunRow | None:
        with self._locked_for_lists():
            run = self._listed_runs.by_id.get(run_id)
            return None if run is None else run.copy()
