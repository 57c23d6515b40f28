"""A store whose runs are executed in memory, each of their commits being recorded behind a port first.

In memory are the runs this process has the lock of, which are those it executes.  All others are read from their
records whenever somebody asks.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from holdwater.errors import RunInProgress, StoreUnavailable
from holdwater.model.records import Change, Conflict, JournalRow, RunRow, Verdict, WorkRow
from holdwater.storage.checkpoints import records
from holdwater.storage.checkpoints.port import CheckpointPort, RunLock
from holdwater.storage.memory.store import MemoryStore


class CheckpointedStore(MemoryStore):
    """Runs behind a port.  Schedules and announcements are not recorded: they are gone with the process."""

    def __init__(self, port: CheckpointPort) -> None:
        super().__init__(port.place)
        self._port = port
        self._locks: dict[str, RunLock] = {}

    def take(self, run_id: str) -> bool:
        """Have a run, and what of its children has not ended, in memory to go on with it; False if there is none.

        Their locks are ours until they end or this store is closed.

        Raises RunInProgress, StoreUnavailable, StoreError.
        """
        with self._open():
            if not self._take(run_id):
                return False
            for child in self._port.below(run_id):
                head = self._recorded(child)._runs.get(child)
                if head is not None and head.finished_at is None:
                    self._take(child)
            return True

    def close(self) -> None:
        if not self._refusal:
            for lock in self._locks.values():
                lock.release()
            self._locks.clear()
        super().close()
        self._port.close()

    def abandon(self) -> None:
        for lock in self._locks.values():
            lock.forget()
        super().abandon()

    def renew(self, owner: str, lease_until: int) -> None:
        """Extend the lease of everything the owner holds, and the locks."""
        super().renew(owner, lease_until)
        with self._open():
            for run_id, lock in list(self._locks.items()):
                try:
                    lock.renew()
                except RunInProgress:  # whoever writes next sees what has become of it
                    self._let_go(run_id)

    # -- reading

    def run(self, run_id: str) -> RunRow | None:
        return MemoryStore.run(self._holder(run_id), run_id)

    def seqs(self, run_ids: Collection[str]) -> dict[str, int]:
        return {run_id: head.seq for run_id in run_ids if (head := self.run(run_id)) is not None}

    def journal(self, run_id: str, after: int = 0) -> list[JournalRow]:
        """The journal from entry `after` + 1 on."""
        return MemoryStore.journal(self._holder(run_id), run_id, after)

    def work(self, run_id: str) -> list[WorkRow]:
        """Outstanding work of a run."""
        return MemoryStore.work(self._holder(run_id), run_id)

    def _holder(self, run_id: str) -> MemoryStore:
        with self._open():
            return self if run_id in self._runs else self._recorded(run_id)

    # -- within, under the lock

    def _recorded(self, run_id: str) -> MemoryStore:
        """What the records of a run say, by themselves.  Nobody has its work."""
        found = MemoryStore(self.url)
        for change in records.decode(self._port.load(run_id), self.url):
            found._write(change, found._runs.get(run_id))
        found.orphan_dead(0)
        self._plans.update(found._plans)
        return found

    def _take(self, run_id: str) -> bool:
        if run_id in self._runs:
            return True
        lock = self._port.lock(run_id)
        try:
            found = self._recorded(run_id)
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

    def _let_go(self, run_id: str) -> None:
        """The run is no longer executed here."""
        if run_id in self._runs:
            self._delete([run_id])
        lock = self._locks.pop(run_id, None)
        if lock is not None:
            lock.release()

    def _commit(self, change: Change) -> Verdict:
        run_id = change.run.id
        try:
            if not change.born:
                self._take(run_id)
            elif run_id not in self._locks:
                self._locks[run_id] = self._port.lock(run_id)
                if self._port.load(run_id):
                    self._let_go(run_id)
                    return Conflict()
            return super()._commit(change)
        except RunInProgress:
            self._let_go(run_id)
            return Conflict()
        except StoreUnavailable:
            if change.born:
                self._let_go(run_id)
            raise

    def _write(self, change: Change, known: RunRow | None) -> None:
        run_id = change.run.id
        if change.born and change.plan is None and change.run.structure in self._plans:
            # it came with another run, which has records of its own
            change = replace(change, plan=json.loads(self._plans[change.run.structure]))
        self._locks[run_id].append(records.encode(change))
        super()._write(change, known)
        if change.run.finished_at is not None:
            self._let_go(run_id)
