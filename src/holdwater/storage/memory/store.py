"""Runs in this process: the port in plain Python, under one lock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Any, Final

from holdwater.errors import RunnerClosed, StoreError
from holdwater.model.ports import Renewal
from holdwater.model.records import (
    FIRST,
    Change,
    Committed,
    Conflict,
    Duplicate,
    Forgotten,
    JournalRow,
    News,
    Position,
    Record,
    RunFilter,
    RunRow,
    Verdict,
    WorkRow,
)
from holdwater.model.time import ClockSample
from holdwater.storage import process_forks
from holdwater.storage.memory.run_index import Heads
from holdwater.storage.memory.schedules import MemorySchedules
from holdwater.storage.sql.journal_tail import tail
from holdwater.storage.sql.pruning import doomed
from holdwater.storage.sql.rows import claim_order
from holdwater.storage.sqlite.liveness import LocalOwners

_LIST_AT_MOST: Final = 1000

# what is decided at birth
_FIXED: Final = (
    "id",
    "workflow",
    "style",
    "created_at",
    "idempotency_key",
    "inputs_digest",
    "parent_id",
    "forked_from",
)


class MemoryStore(MemorySchedules):
    """Runs in plain Python objects.  Thread-safe; everything is gone when it is closed or its process ends."""

    proves_life = True

    def __init__(self, url: str = "memory://") -> None:
        self.url = url
        self._lock = Lock()
        self._refusal = ""
        self._owners: Final = LocalOwners()
        self._plans: Final[dict[str, str]] = {}
        self._index: Final = Heads()
        self._runs: Final = self._index.by_id
        self._journal: Final[dict[str, list[JournalRow]]] = {}
        self._work: Final[dict[str, dict[tuple[int, int], WorkRow]]] = {}
        """outstanding rows of the runs that have any"""
        super().__init__(self._open, lambda change: self._write(change, None), self._runs)
        process_forks.watch(self)

    def close(self) -> None:
        """Forget everything.  Calling it again does nothing."""
        if self._refusal:
            return
        with self._lock:
            self._refusal = "this store was closed"
            self._plans.clear()
            self._index.clear()
            self._journal.clear()
            self._work.clear()
            self._owners.close()

    def suspend(self) -> None:
        """Before a fork; there is nothing to prepare."""

    def resume(self) -> None:
        """After a fork, in the parent."""

    def abandon(self) -> None:
        """In a forked child, where a copy would silently go its own way: refuse every call."""
        self._refusal = self._refusal or "this store was opened before the process forked"

    def listen(self, tell: Callable[[News], None]) -> bool:
        """Nobody else is here."""
        return False

    def clock_sample(self) -> ClockSample | None:
        return None

    # -- owners

    def register(self, owner: str) -> None:
        """The owner lives until it unregisters or this store is closed."""
        with self._open():
            self._owners.register(owner)

    def unregister(self, owner: str) -> None:
        with self._open():
            self._owners.unregister(owner)

    def alive(self, owner: str) -> bool | None:
        """Whether the owner lives."""
        return self._owners.life(owner) != "dead"

    def orphan_dead(self, now: int, steady_us: int = 0, lease_us: int = 0) -> int:
        """Take the work of owners that are not registered; no other process can have one.  Returns how many rows."""
        with self._open():
            taken = [row for row in self._rows() if row.owner is not None and self._owners.life(row.owner) == "dead"]
            for row in taken:
                row.orphaned = True
                self._give_back(row)
            return len(taken)

    def renew(self, owner: str, lease_until: int) -> None:
        """Extend the lease of everything the owner holds."""
        with self._open():
            for row in self._rows():
                if row.owner == owner:
                    row.lease_until = lease_until

    def next_expiry(self, owner: str) -> int | None:
        """When the first lease that is not this owner's runs out."""
        with self._open():
            return min((r.lease_until for r in self._rows() if r.owner not in (None, owner)), default=None)

    def renewal(self, owner: str, lease_us: int) -> Renewal | None:
        """None: leases need no renewal while their owner lives."""
        return None

    # -- runs

    def commit(self, changes: Sequence[Change]) -> list[Verdict]:
        """All changes at once, each with its own verdict; at most one change per run."""
        with self._open():
            for change in changes:
                if change.run.seq != change.expected + len(change.entries):
                    raise StoreError(f"run {change.run.id}: its head does not fit the entries that come with it")
            return [self._commit(change) for change in changes]

    def claim(
        self,
        owner: str,
        lease_until: int,
        due_before: int,
        limit: int,
        workflows: Collection[str],
        under: str | None = None,
        *,
        passed_over: Collection[tuple[str, int]] = (),
        bodies: bool = True,
    ) -> list[WorkRow]:
        """Take unowned, unparked work of these workflows: bodies, and what else is due by then.

        Returns the rows as they were before the claim.
        """
        with self._open():
            free = [
                row
                for row in self._rows()
                if row.owner is None
                and not row.parked
                and row.workflow in workflows
                and (under is None or row.run_id == under or row.run_id.startswith(f"{under}/"))
            ]
            free.sort(key=claim_order)
            wanted = [row for row in free if row.kind == "execute" and (row.workflow, row.node) not in passed_over]
            others = [row for row in free if row.kind != "execute" and row.due_at <= due_before]
            at_most = max(0, limit)
            taken = sorted([*(wanted[:at_most] if bodies else ()), *others[:at_most]], key=claim_order)
            before = [replace(row) for row in taken]
            for row in taken:
                row.owner, row.lease_until = owner, lease_until
            return before

    def release(self, owner: str, rows: Sequence[WorkRow]) -> None:
        """Give back work that was claimed and not begun; what the owner does not hold any more is left alone."""
        with self._open():
            for row in rows:
                held = self._work.get(row.run_id, {}).get((row.node, row.fence))
                if held is not None and held.owner == owner:
                    held.began = held.began and held.orphaned
                    self._give_back(held)

    def run(self, run_id: str) -> RunRow | None:
        with self._open():
            run = self._runs.get(run_id)
            return None if run is None else run.copy()

    def seqs(self, run_ids: Collection[str]) -> dict[str, int]:
        with self._open():
            return {run_id: self._runs[run_id].seq for run_id in run_ids if run_id in self._runs}

    def read(self, run_ids: Collection[str]) -> dict[str, Record]:
        """Everything of several runs."""
        heads = [head for run_id in run_ids if (head := self.run(run_id)) is not None]
        return {head.id: Record(head, self.journal(head.id), self.work(head.id)) for head in heads}

    def runs(self, which: RunFilter) -> list[RunRow]:
        """Heads of runs, newest first, 1,000 at most."""
        limit = max(0, min(which.limit, _LIST_AT_MOST))
        with self._open():
            start = max(0, which.offset)
            return [run.copy() for run in islice(self._index.asked(which), start, start + limit)]

    def count_runs(self, which: RunFilter) -> dict[str, int]:
        """How many runs there are of each status, whatever page is asked for."""
        with self._open():
            return dict(Counter(run.status for run in self._index.asked(replace(which, before=None))))

    def beginning_with(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so, in their order; not those of children whose parents' ids do, too."""
        with self._open():
            return self._index.beginning_with(prefix)[: max(0, limit)]

    def ending_with(self, suffix: str, limit: int) -> list[str]:
        """Ids of top-level runs that end so, in their order."""
        with self._open():
            found = sorted(r.id for r in self._runs.values() if r.parent_id is None and r.id.endswith(suffix))
            return found[: max(0, limit)]

    def plan(self, structure: str) -> dict[str, Any] | None:
        with self._open():
            text = self._plans.get(structure)
        return None if text is None else json.loads(text)

    def journal(self, run_id: str, after: int = 0) -> list[JournalRow]:
        """The journal from entry `after` + 1 on."""
        with self._open():
            rows = [replace(row) for row in self._journal.get(run_id, [])]
        for i, row in reversed(list(enumerate(rows))):
            if row.seq <= after:
                rest = tail(row, after)
                return ([rest] if rest else []) + rows[i + 1 :]
        return rows

    def work(self, run_id: str) -> list[WorkRow]:
        """Outstanding work of a run."""
        with self._open():
            rows = self._work.get(run_id, {})
            return [replace(rows[place]) for place in sorted(rows)]

    def works(self, run_ids: Collection[str]) -> dict[str, list[WorkRow]]:
        """Outstanding work of several runs; runs without any are left out."""
        return {run_id: rows for run_id in run_ids if (rows := self.work(run_id))}

    def held(self, owner: str) -> list[WorkRow]:
        """Everything the owner holds."""
        with self._open():
            mine = [row for rows in self._work.values() for row in rows.values() if row.owner == owner]
            return [replace(row) for row in sorted(mine, key=lambda r: (r.run_id, r.node, r.fence))]

    def overdue(self, before: int) -> list[tuple[str, str, int]]:
        """(run, workflow, deadline) of unfinished, unowned runs with a deadline up to this instant, oldest first."""
        with self._open():
            late = [
                (run.id, run.workflow, run.deadline_at)
                for run in self._runs.values()
                if run.finished_at is None
                and run.deadline_at is not None
                and run.deadline_at <= before
                and not any(row.owner is not None for row in self._work.get(run.id, {}).values())
            ]
        return sorted(late, key=lambda r: (r[2], r[0]))

    def strays(self) -> list[tuple[str, str]]:
        """(run, workflow) of unfinished children of runs that have ended."""
        with self._open():
            ended = {run.id for run in self._runs.values() if run.finished_at is not None}
            open_ = [run for run in self._runs.values() if run.finished_at is None]
        return [(run.id, run.workflow) for run in open_ if run.parent_id in ended]

    def every_run(self) -> Iterator[RunRow]:
        """All runs, oldest first."""
        with self._open():
            ids = self._index.in_order()
        return (run for run_id in ids if (run := self.run(run_id)) is not None)

    def forget(self, before: int, keep: Collection[str], limit: int, after: Position = FIRST) -> Forgotten:
        """Delete runs that ended before an instant with their families, the first to end first."""
        with self._open():
            found = [position for position in self._index.ended(after, max(0, limit)) if position[0] < before]
            families = [(root, run_id) for _, root in found for run_id in self._index.family(root)]
            ended = {run_id for _, run_id in families if self._runs[run_id].finished_at is not None}
            gone = doomed(families, ended.difference(keep))
            self._delete(gone)
        return Forgotten(len(gone), found[-1] if found and len(found) == limit else None)

    # -- within, under the lock

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self._refusal:  # looked at first: a lock that came through a fork may be held for ever
            raise RunnerClosed(self._refusal, hint="open a new one")
        with self._lock:
            if self._refusal:
                raise RunnerClosed(self._refusal, hint="open a new one")
            yield

    def _rows(self) -> Iterator[WorkRow]:
        return (row for rows in self._work.values() for row in rows.values())

    def _give_back(self, row: WorkRow) -> None:
        row.owner, row.lease_until = None, 0
        # what goes back to the queue of a run paused meanwhile is parked, as everything unowned of it is
        row.parked = row.run_id in self._runs and self._runs[row.run_id].status == "paused"

    def _delete(self, run_ids: Sequence[str]) -> None:
        """Runs with all that is theirs, without their children."""
        for run_id in run_ids:
            self._index.remove(run_id)
            self._journal.pop(run_id, None)
            self._work.pop(run_id, None)

    def _commit(self, change: Change) -> Verdict:
        run = change.run
        known = self._runs.get(run.id)
        if change.born:
            if run.idempotency_key is not None:
                holder = self._index.holder(run.workflow, run.idempotency_key)
                if holder is not None:
                    return Duplicate(holder.copy())
            if known is not None:
                return Conflict()
        elif known is None or known.seq != change.expected:
            return Conflict()
        self._write(change, known)
        return Committed()

    def _write(self, change: Change, known: RunRow | None) -> None:
        run = change.run.copy()
        if known is not None:
            for name in _FIXED:
                setattr(run, name, getattr(known, name))
        self._index.put(run)
        if change.plan is not None:
            self._plans.setdefault(run.structure, json.dumps(change.plan))
        if change.entries:
            row = JournalRow(change.expected + 1, change.at, f"[{','.join(change.entries)}]")
            self._journal.setdefault(run.id, []).append(row)
        self._write_work(change)

    def _write_work(self, change: Change) -> None:
        rows = self._work.setdefault(change.run.id, {})
        for place in change.work_out:
            rows.pop(place, None)
        for row in change.work_in:
            rows[row.node, row.fence] = replace(row)
        for place in change.began:
            if place in rows:
                rows[place].began = True
        if change.park is not None:  # last: what came in is parked or freed as well
            for row in rows.values():
                if row.owner is None:
                    row.parked = change.park
        if not rows:
            del self._work[change.run.id]
