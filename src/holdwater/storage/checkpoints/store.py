"""A memory store that appends every commit to a checkpoint backend before it takes effect.

Memory holds the runs this process has locked and executes.  All others are replayed from their records on each read.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from holdwater.errors import RunInProgress, StoreUnavailable
from holdwater.model.records import CommitResult, Conflict, JournalRow, RunRow, RunUpdate, WorkRow
from holdwater.model.time import UNSET, Micros
from holdwater.storage.checkpoints import records
from holdwater.storage.checkpoints.port import CheckpointBackend, RunLock
from holdwater.storage.memory.store import MemoryStore


class CheckpointedStore(MemoryStore):
    """Runs in memory, recorded by a backend.  Schedules and registered workflows are not: they end with the process."""

    def __init__(self, backend: CheckpointBackend) -> None:
        super().__init__(backend.location)
        self._backend = backend
        self._locks: dict[str, RunLock] = {}

    def acquire_run(self, run_id: str) -> bool:
        """Lock a run and its unfinished children and load them into memory; False if there is no such run.

        Each lock is held until its run ends or this store is closed.

        Raises RunInProgress, StoreUnavailable, StoreError.
        """
        with self._locked():
            if not self._acquire_one(run_id):
                return False
            for child in self._backend.find_descendants(run_id):
                head = self._replay_records(child)._runs.get(child)
                if head is not None and head.finished_at is None:
                    self._acquire_one(child)
            return True

    def close(self) -> None:
        if not self._closed_reason:
            for lock in self._locks.values():
                lock.release()
            self._locks.clear()
        super().close()
        self._backend.close()

    def after_fork_in_child(self) -> None:
        for lock in self._locks.values():
            lock.after_fork_in_child()
        super().after_fork_in_child()

    def renew_leases(self, owner: str, lease_until: Micros) -> None:
        """Extend the leases of all work of the owner, and the locks of its runs."""
        super().renew_leases(owner, lease_until)
        with self._locked():
            for run_id, lock in list(self._locks.items()):
                try:
                    lock.renew()
                except RunInProgress:  # another process has the run: the next commit here meets a conflict
                    self._evict_run(run_id)

    # -- reading

    def get_run(self, run_id: str) -> RunRow | None:
        return MemoryStore.get_run(self._store_with_run(run_id), run_id)

    def journal_lengths(self, run_ids: Collection[str]) -> dict[str, int]:
        return {run_id: head.seq for run_id in run_ids if (head := self.get_run(run_id)) is not None}

    def read_journal(self, run_id: str, after_seq: int = 0, limit: int | None = None) -> list[JournalRow]:
        """Read the journal from entry `after` + 1 on."""
        return MemoryStore.read_journal(self._store_with_run(run_id), run_id, after_seq, limit)

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        """Outstanding work of a run."""
        return MemoryStore.work_of_run(self._store_with_run(run_id), run_id)

    def _store_with_run(self, run_id: str) -> MemoryStore:
        with self._locked():
            return self if run_id in self._runs else self._replay_records(run_id)

    # -- within, under the lock

    def _replay_records(self, run_id: str) -> MemoryStore:
        """Replay the records of a run into a store of its own, in which its work has no owner."""
        found = MemoryStore(self.url)
        for change in records.decode_records(self._backend.load(run_id), self.url):
            found._apply_update(change, found._runs.get(run_id))
        found.reclaim_expired(UNSET)
        self._plans.update(found._plans)
        return found

    def _acquire_one(self, run_id: str) -> bool:
        if run_id in self._runs:
            return True
        lock = self._backend.lock(run_id)
        try:
            found = self._replay_records(run_id)
        except BaseException:
            lock.release()
            raise
        if run_id not in found._runs:
            lock.release()
            return False
        self._locks[run_id] = lock
        self._index.put(found._runs[run_id])
        self._journal.update(found._journal)
        self._work.update(found._work)
        return True

    def _evict_run(self, run_id: str) -> None:
        """Drop a run from memory and release its lock."""
        if run_id in self._runs:
            self._delete_runs([run_id])
        lock = self._locks.pop(run_id, None)
        if lock is not None:
            lock.release()

    def _commit_one(self, change: RunUpdate) -> CommitResult:
        run_id = change.run.id
        try:
            if not change.is_new:
                self._acquire_one(run_id)
            elif run_id not in self._locks:
                self._locks[run_id] = self._backend.lock(run_id)
                if self._backend.load(run_id):
                    self._evict_run(run_id)
                    return Conflict()
            return super()._commit_one(change)
        except RunInProgress:
            self._evict_run(run_id)
            return Conflict()
        except StoreUnavailable:
            if change.is_new:
                self._evict_run(run_id)
            raise

    def _apply_update(self, change: RunUpdate, previous: RunRow | None) -> None:
        run_id = change.run.id
        if change.is_new and change.plan is None and change.run.structure in self._plans:
            # the plan was stored with another run; the records of this one must have it too
            change = replace(change, plan=json.loads(self._plans[change.run.structure]))
        self._locks[run_id].append(records.encode_record(change))
        super()._apply_update(change, previous)
        if change.run.finished_at is not None:
            self._evict_run(run_id)
