"""The memory store: the port in plain Python, under one lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any, Final

from holdwater.errors import RunnerClosed, StoreError
from holdwater.model.claim_keys import claim_key
from holdwater.model.ports.store import LeaseRenewal
from holdwater.model.records import (
    CommitResult,
    Committed,
    Conflict,
    Duplicate,
    JournalRow,
    Notification,
    RunRow,
    RunUpdate,
    StoredRun,
    WorkRow,
)
from holdwater.model.time import MONOTONIC_UNSET, UNSET, ClockSample, Micros, MonotonicMicros
from holdwater.storage import process_forks
from holdwater.storage.memory.bulk_jobs import MemoryBulkJobs
from holdwater.storage.memory.catalog import MemoryCatalog
from holdwater.storage.memory.drawings import MemoryDrawings
from holdwater.storage.memory.inspection import MemoryInspection
from holdwater.storage.memory.limits import MemoryLimits
from holdwater.storage.memory.logs import MemoryLogs
from holdwater.storage.memory.map_items import MemoryMapItems
from holdwater.storage.memory.pruning import MemoryPruning
from holdwater.storage.memory.questions import MemoryQuestions
from holdwater.storage.memory.releases import MemoryReleases
from holdwater.storage.memory.run_index import RunIndex
from holdwater.storage.memory.run_lists import MemoryRunLists
from holdwater.storage.memory.schedules import MemorySchedules
from holdwater.storage.memory.secrets import MemorySecrets
from holdwater.storage.sql.journal_tail import slice_after
from holdwater.storage.sql.rows import claim_sort_key
from holdwater.storage.sqlite.liveness import InProcessOwners

# set when the run is created, and never updated
_IMMUTABLE_FIELDS: Final = (
    "id",
    "workflow",
    "style",
    "created_at",
    "idempotency_key",
    "inputs_digest",
    "parent_id",
    "forked_from",
    "origin",
    "started_by",
    "labels_json",
    "traceparent",
)


class MemoryStore(
    MemoryRunLists,
    MemoryPruning,
    MemorySchedules,
    MemoryCatalog,
    MemoryLogs,
    MemoryDrawings,
    MemoryQuestions,
    MemoryBulkJobs,
    MemoryMapItems,
    MemoryInspection,
    MemoryReleases,
    MemoryLimits,
    MemorySecrets,
):
    """Runs in plain Python objects.  Thread-safe; everything is gone when it is closed or its process ends."""

    tracks_liveness = True

    def __init__(self, url: str = "memory://") -> None:
        self.url = url
        self._lock = Lock()
        self._closed_reason = ""
        self._owners: Final = InProcessOwners()
        self._plans: Final[dict[str, str]] = {}
        self._index: Final = RunIndex()
        self._runs: Final = self._index.by_id
        self._journal: Final[dict[str, list[JournalRow]]] = {}
        self._work: Final[dict[str, dict[tuple[int, int], WorkRow]]] = {}
        """outstanding rows of the runs that have any"""
        MemorySchedules.__init__(self, self._locked, lambda change: self._apply_update(change, None), self._runs)
        MemoryCatalog.__init__(self, self._locked, self._plans)
        MemoryLogs.__init__(self, self._locked, self._runs)
        MemoryDrawings.__init__(self, self._locked)
        MemoryBulkJobs.__init__(self, self._locked)
        MemoryRunLists.__init__(self, self._locked, self._index)
        MemoryPruning.__init__(
            self,
            self._locked,
            self._index,
            self._journal,
            self._log_sizes,
            self._delete_runs,
            self._delete_logs,
            self._measure_map_items,
        )
        MemoryQuestions.__init__(self, self._locked, self._runs, self._journal)
        MemoryMapItems.__init__(self, self._locked, self._runs)
        MemoryReleases.__init__(self, self._locked, self._runs)
        MemoryLimits.__init__(self, self._locked, self._runs, self._work_rows)
        MemorySecrets.__init__(self, self._locked)
        process_forks.register_fork_aware(self)

    @property
    def connections_in_use(self) -> int:
        """Return 0: it has none."""
        return 0

    def close(self) -> None:
        """Delete everything.  Calling it again does nothing."""
        if self._closed_reason:
            return
        with self._lock:
            self._closed_reason = "this store was closed"
            self._plans.clear()
            self._index.clear()
            self._journal.clear()
            self._work.clear()
            self._logs.clear()
            self._log_sizes.clear()
            self._layouts.clear()
            self._questions.clear()
            self._map_items.clear()
            self._secrets.clear()
            self._owners.close()

    def before_fork(self) -> None:
        """Do nothing: there is no file or connection to close before a fork."""

    def after_fork_in_parent(self) -> None:
        """Do nothing: nothing was closed before the fork."""

    def after_fork_in_child(self) -> None:
        """Refuse every call in a forked child, whose copy would silently diverge from the parent's."""
        self._closed_reason = self._closed_reason or "this store was opened before the process forked"

    def listen(self, callback: Callable[[Notification], None]) -> bool:
        """Return False: no other process has this store, so no notification ever comes."""
        return False

    def follow_runs(self, run_ids: Collection[str]) -> None:
        """Nothing to do: all commits are this process's own."""

    def sample_clock(self) -> ClockSample | None:
        return None

    # -- owners

    def register_owner(self, owner: str) -> None:
        """Register an owner; it is alive until it unregisters or this store is closed."""
        with self._locked():
            self._owners.register(owner)

    def unregister_owner(self, owner: str) -> None:
        with self._locked():
            self._owners.unregister(owner)

    def is_alive(self, owner: str) -> bool | None:
        """Return True if the owner is registered."""
        return self._owners.liveness(owner) != "dead"

    def reclaim_expired(self, now: Micros, monotonic_now: MonotonicMicros = MONOTONIC_UNSET, lease_us: int = 0) -> int:
        """Take the work of owners that are not registered, which no other process can have.  Returns the row count."""
        with self._locked():
            taken = [
                row for row in self._work_rows() if row.owner is not None and self._owners.liveness(row.owner) == "dead"
            ]
            for row in taken:
                row.reclaimed = True
                self._release_row(row)
            return len(taken)

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        """Extend the leases of all work of the owner."""
        with self._locked():
            for row in self._work_rows():
                if row.owner == owner:
                    row.lease_until = lease_until

    def next_lease_expiry(self, owner: str) -> Micros | None:
        """Return the instant (µs) at which the first lease of another owner expires, None if there is none."""
        with self._locked():
            return min((r.lease_until for r in self._work_rows() if r.owner not in (None, owner)), default=None)

    def lease_renewal(self, owner: str, lease_us: int) -> LeaseRenewal | None:
        """Return None: leases need no renewal while their owner is alive."""
        return None

    # -- runs

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        """Commit all changes atomically, each with its own verdict; at most one change per run."""
        with self._locked():
            for change in updates:
                if change.run.seq != change.expected_seq + len(change.entries):
                    raise StoreError(f"run {change.run.id}: its head does not fit the entries that come with it")
            return [self._commit_one(change) for change in updates]

    def claim_work(
        self,
        owner: str,
        lease_until: Micros,
        due_before: Micros,
        limit: int,
        workflows: Collection[str],
        within_run_id: str | None = None,
        *,
        excluded_nodes: Collection[tuple[str, int]] = (),
        include_tasks: bool = True,
    ) -> list[WorkRow]:
        """Take unowned, unparked work of these workflows: task functions, and other work due before `due_before`.

        Returns the rows as they were before the claim.
        """
        with self._locked():
            free = [
                row
                for row in self._work_rows()
                if row.owner is None
                and not row.parked
                and row.workflow in workflows
                and (within_run_id is None or row.run_id == within_run_id or row.run_id.startswith(f"{within_run_id}/"))
            ]
            free.sort(key=claim_sort_key)
            wanted = [row for row in free if row.kind == "execute" and (row.workflow, row.node) not in excluded_nodes]
            others = [row for row in free if row.kind != "execute" and row.due_at <= due_before]
            at_most = max(0, limit)
            tasks = self._choose_within_limits(wanted, at_most) if include_tasks else ()
            taken = sorted([*tasks, *others[:at_most]], key=claim_sort_key)
            before = [replace(row) for row in taken]
            for row in taken:
                row.owner, row.lease_until = owner, lease_until
            return before

    def release_work(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not started; rows the owner no longer holds are left alone."""
        with self._locked():
            for row in rows:
                held = self._work.get(row.run_id, {}).get((row.node, row.fence))
                if held is not None and held.owner == owner:
                    held.started, held.limit_keys = held.started and held.reclaimed, row.limit_keys
                    self._release_row(held)

    def get_run(self, run_id: str) -> RunRow | None:
        with self._locked():
            run = self._runs.get(run_id)
            return None if run is None else run.copy()

    def journal_lengths(self, run_ids: Collection[str]) -> dict[str, int]:
        with self._locked():
            return {run_id: self._runs[run_id].seq for run_id in run_ids if run_id in self._runs}

    def read_runs(self, run_ids: Collection[str]) -> dict[str, StoredRun]:
        """Read run row, journal and work of several runs, by run id."""
        heads = [head for run_id in run_ids if (head := self.get_run(run_id)) is not None]
        return {head.id: StoredRun(head, self.read_journal(head.id), self.work_of_run(head.id)) for head in heads}

    def get_plan(self, structure: str) -> dict[str, Any] | None:
        with self._locked():
            text = self._plans.get(structure)
        return None if text is None else json.loads(text)

    def read_journal(self, run_id: str, after_seq: int = 0, limit: int | None = None) -> list[JournalRow]:
        """Read the journal from entry `after` + 1 on; up to `limit` rows."""
        return self._journal_behind(run_id, after_seq)[:limit]

    def _journal_behind(self, run_id: str, after_seq: int) -> list[JournalRow]:
        with self._locked():
            rows = [replace(row) for row in self._journal.get(run_id, [])]
        for i, row in reversed(list(enumerate(rows))):
            if row.seq <= after_seq:
                rest = slice_after(row, after_seq)
                return ([rest] if rest else []) + rows[i + 1 :]
        return rows

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        """List the outstanding work of a run."""
        with self._locked():
            rows = self._work.get(run_id, {})
            return [replace(rows[place]) for place in sorted(rows)]

    def work_of_runs(self, run_ids: Collection[str]) -> dict[str, list[WorkRow]]:
        """List the outstanding work of several runs, by run id; runs without any are left out."""
        return {run_id: rows for run_id in run_ids if (rows := self.work_of_run(run_id))}

    def work_of_owner(self, owner: str) -> list[WorkRow]:
        """List all work the owner holds."""
        with self._locked():
            mine = [row for rows in self._work.values() for row in rows.values() if row.owner == owner]
            return [replace(row) for row in sorted(mine, key=lambda r: (r.run_id, r.node, r.fence))]

    def overdue_runs(self, before: Micros) -> list[tuple[str, str, Micros]]:
        """List (run, claim key, deadline) of unfinished, unowned runs with a deadline up to `before`, oldest first."""
        with self._locked():
            late = [
                (run.id, claim_key(run.workflow, run.release), run.deadline_at)
                for run in self._runs.values()
                if run.finished_at is None
                and run.deadline_at is not None
                and run.deadline_at <= before
                and not any(row.owner is not None for row in self._work.get(run.id, {}).values())
            ]
        return sorted(late, key=lambda r: (r[2], r[0]))

    def orphaned_children(self) -> list[tuple[str, str]]:
        """List (run, claim key) of unfinished children of runs that have ended."""
        with self._locked():
            ended = {run.id for run in self._runs.values() if run.finished_at is not None}
            open_ = [run for run in self._runs.values() if run.finished_at is None]
        return [(run.id, claim_key(run.workflow, run.release)) for run in open_ if run.parent_id in ended]

    # -- within, under the lock

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._closed_reason:  # before taking the lock: one inherited by a fork may be held for ever
            raise RunnerClosed(self._closed_reason, hint="open a new one")
        with self._lock:
            if self._closed_reason:
                raise RunnerClosed(self._closed_reason, hint="open a new one")
            yield

    def _work_rows(self) -> Iterator[WorkRow]:
        return (row for rows in self._work.values() for row in rows.values())

    def _release_row(self, row: WorkRow) -> None:
        row.owner, row.lease_until = None, UNSET
        # all unowned work of a paused run is parked, so also work that returns to the queue after the pause
        row.parked = row.run_id in self._runs and self._runs[row.run_id].status == "paused"

    def _delete_runs(self, run_ids: Sequence[str]) -> None:
        """Delete runs with their journals and work, but not their children."""
        for run_id in run_ids:
            self._index.remove(run_id)
            self._journal.pop(run_id, None)
            self._work.pop(run_id, None)
            self._delete_logs(run_id)
            self._questions.pop(run_id, None)
            self._map_items.pop(run_id, None)

    def _commit_one(self, change: RunUpdate) -> CommitResult:
        run = change.run
        known = self._runs.get(run.id)
        if change.is_new:
            if run.idempotency_key is not None:
                holder = self._index.find_by_key(run.workflow, run.idempotency_key)
                if holder is not None:
                    return Duplicate(holder.copy())
            if known is not None:
                return Conflict()
        elif known is None or known.seq != change.expected_seq:
            return Conflict()
        self._apply_update(change, known)
        return Committed()

    def _apply_update(self, change: RunUpdate, previous: RunRow | None) -> None:
        run = change.run.copy()
        if previous is not None:
            for name in _IMMUTABLE_FIELDS:
                setattr(run, name, getattr(previous, name))
        self._index.put(run)
        if change.plan is not None:
            self._plans.setdefault(run.structure, json.dumps(change.plan))
        if change.entries:
            row = JournalRow(change.expected_seq + 1, change.at, f"[{','.join(change.entries)}]")
            self._journal.setdefault(run.id, []).append(row)
        self._update_work(change)
        self._update_questions(change)

    def _update_work(self, change: RunUpdate) -> None:
        rows = self._work.setdefault(change.run.id, {})
        for place in change.work_removed:
            rows.pop(place, None)
        for row in change.work_added:
            rows[row.node, row.fence] = replace(row)
        for place in change.started:
            if place in rows:
                rows[place].started = True
        if change.parked is not None:  # last: it also applies to the work added above
            for row in rows.values():
                if row.owner is None:
                    row.parked = change.parked
        if not rows:
            del self._work[change.run.id]
