"""The memory store: deletions of ended runs and of their logs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from holdwater.model.logs import LogSize
from holdwater.model.records import FIRST_CURSOR, Cursor, EndedRun, JournalRow, PruneResult
from holdwater.model.time import Micros
from holdwater.storage.memory.run_index import RunIndex
from holdwater.storage.sql.pruning import next_cursor, prunable


class MemoryPruning:
    """The part of a memory store that deletes runs, under its lock."""

    def __init__(
        self,
        locked: Callable[[], AbstractContextManager[None]],
        index: RunIndex,
        journal: Mapping[str, list[JournalRow]],
        log_sizes: Mapping[str, LogSize],
        delete_runs: Callable[[Sequence[str]], None],
        delete_logs: Callable[[str], None],
        measure_items: Callable[[str], int],
    ) -> None:
        """`delete_runs`: deletes runs, but not their children; `delete_logs`: deletes the log of a run.

        `measure_items`: counts the bytes of the items of a map.
        """
        self._locked_for_pruning, self._index_for_pruning = locked, index
        self._measured_journal, self._measured_logs = journal, log_sizes
        self._delete_each, self._delete_log, self._measure_items = delete_runs, delete_logs, measure_items

    def prune(
        self,
        before: Micros,
        keep: Collection[str],
        limit: int,
        cursor: Cursor = FIRST_CURSOR,
        spares: Callable[[EndedRun], bool] | None = None,
    ) -> PruneResult:
        """Delete top-level runs that ended before an instant, with their descendants, the first to end first."""
        with self._locked_for_pruning():
            found = self._ended_runs(before, limit, cursor)
            gone = self._delete_families([run.id for run in found if spares is None or not spares(run)], keep)
        return PruneResult(len(gone), next_cursor(found, limit))

    def prune_logs(self, before: Micros, limit: int, cursor: Cursor = FIRST_CURSOR) -> PruneResult:
        """Delete the logs of top-level runs that ended before an instant, and of their descendants."""
        with self._locked_for_pruning():
            found = self._ended_runs(before, limit, cursor)
            for run in found:
                for run_id in self._index_for_pruning.with_descendants(run.id):
                    self._delete_log(run_id)
        return PruneResult(len(found), next_cursor(found, limit))

    def delete_runs(self, run_ids: Sequence[str]) -> list[str]:
        """Delete runs with all their descendants, as far as all of them have ended; returns the ids that are gone."""
        with self._locked_for_pruning():
            return self._delete_families(run_ids, ())

    def measure_runs(self, run_ids: Sequence[str]) -> int:
        """Return the bytes of journals and logs of runs with all their descendants."""
        with self._locked_for_pruning():
            known = [run_id for run_id in run_ids if run_id in self._index_for_pruning.by_id]
            members = {member for run_id in known for member in self._index_for_pruning.with_descendants(run_id)}
            journals = sum(
                [len(row.entries.encode()) for one in members for row in self._measured_journal.get(one, ())]
            )
            logs = sum([self._measured_logs[one].size_bytes for one in members if one in self._measured_logs])
            return journals + logs + sum([self._measure_items(one) for one in members])

    # -- within, under the lock

    def _ended_runs(self, before: Micros, limit: int, cursor: Cursor) -> list[EndedRun]:
        found = [
            self._index_for_pruning.by_id[run_id]
            for _, run_id in self._index_for_pruning.finished_after(cursor, max(0, limit))
        ]
        return [
            EndedRun(run.finished_at, run.id, run.status, run.labels_json)
            for run in found
            if run.finished_at is not None and run.finished_at < before
        ]

    def _delete_families(self, root_ids: Sequence[str], keep: Collection[str]) -> list[str]:
        known = [root for root in root_ids if root in self._index_for_pruning.by_id]
        families = [(root, run_id) for root in known for run_id in self._index_for_pruning.with_descendants(root)]
        ended = {run_id for _, run_id in families if self._index_for_pruning.by_id[run_id].finished_at is not None}
        gone = prunable(families, ended.difference(keep))
        self._delete_each(gone)
        return gone
