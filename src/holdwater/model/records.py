"""What a store holds, as rows.  Instants are integer microseconds since the epoch; statuses are the machine's words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from holdwater.model.time import UNSET, Micros

Position = tuple[Micros, str]
"""an instant and the id of a run: a place in a list that is ordered by both"""
FIRST: Final[Position] = (Micros(-(1 << 63)), "")
LAST: Final[Position] = (Micros((1 << 63) - 1), "")
NOT_BEFORE: Final = Micros(-(1 << 63))
"""an instant before every other"""


@dataclass(slots=True)
class RunRow:
    """The head of a run: everything about it but its journal.

    `seq`: number of journal entries.  `structure`: fingerprint of the definition it was started under.  `code`: that of
    the bodies it was last executed with.
    `reason`: why it is paused, or why it ended.  `error`: set when it failed.
    `parent_id`: the run this one is a child of.  `forked_from`: the run whose beginning it shares.
    """

    id: str
    workflow: str
    style: str
    structure: str
    code: str
    created_at: Micros
    status: str = "running"
    seq: int = 0
    error: str | None = None
    reason: str | None = None
    finished_at: Micros | None = None
    paused_at: Micros | None = None
    deadline_at: Micros | None = None
    idempotency_key: str | None = None
    inputs_digest: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None

    def copy(self) -> RunRow:
        """Several times faster than the copy module: every commit makes one."""
        return RunRow(
            self.id, self.workflow, self.style, self.structure, self.code, self.created_at, self.status, self.seq,
            self.error, self.reason, self.finished_at, self.paused_at, self.deadline_at, self.idempotency_key,
            self.inputs_digest, self.parent_id, self.forked_from,
        )  # fmt: skip


@dataclass(slots=True)
class WorkRow:
    """One outstanding command of a run, in the queue.

    `kind`: execute, wake (a timer), or children (to start and watch child runs).
    `due_at`: what needs no slot is not claimed long before.  Bodies are only ordered by it: it may be of a clock that
    was set back since.
    `started`: its function was seen to start.
    `reclaimed`: its owner died or lost its lease.  `parked`: its run is paused; nobody may claim it.
    `expired`: it was taken from an owner that may well live, and did not renew its lease.
    `suspect`: an earlier process died with the same command; its body begins when that is on disk, and not before.
    """

    run_id: str
    node: int
    fence: int
    kind: Literal["execute", "wake", "children"]
    workflow: str
    due_at: Micros
    owner: str | None = None
    lease_until: Micros = UNSET
    started: bool = False
    reclaimed: bool = False
    parked: bool = False
    expired: bool = False
    suspect: bool = False


@dataclass(slots=True)
class RunUpdate:
    """What one commit does to one run: all of it, or nothing.

    `expected`: the number of journal entries this was decided on.  `run`: the head as it will be (its `seq` is
    `expected` plus the new entries).  `is_new`: the run is new.  `plan`: the definition's plan, to be stored if its
    structure is not there yet.
    `work_removed`, `started`: (node, fence) pairs.  `parked`: every unowned row of the run is parked, or (False) freed.
    `notify`: tell the other runners of this database, one of which may have the run or wait for it.
    `is_followed`: tell those who follow the run's events.
    """

    run: RunRow
    expected: int
    entries: list[str]
    at: Micros
    is_new: bool = False
    plan: dict[str, Any] | None = None
    work_added: list[WorkRow] = field(default_factory=list)
    work_removed: list[tuple[int, int]] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)
    parked: bool | None = None
    notify: bool = False
    is_followed: bool = False


@dataclass(slots=True)
class Committed:
    """The change is on disk."""


@dataclass(slots=True)
class Conflict:
    """Somebody else advanced the run first: read its tail, decide again.  Nothing of the change was written."""


@dataclass(slots=True)
class Duplicate:
    """The idempotency key belongs to this run already.  Nothing of the change was written."""

    run: RunRow


Verdict = Committed | Conflict | Duplicate


@dataclass(slots=True)
class JournalRow:
    """Entries journalled together.  `seq`: number of the first, from 1.  `entries`: a JSON array."""

    seq: int
    at: Micros
    entries: str


@dataclass(slots=True)
class StoredRun:
    """All a store has of a run, read together.  It answers as the store would."""

    head: RunRow
    entries: list[JournalRow] = field(default_factory=list)
    queue: list[WorkRow] = field(default_factory=list)

    def run(self, run_id: str) -> RunRow:
        return self.head

    def journal(self, run_id: str, after: int = 0) -> list[JournalRow]:
        """Whole rows; the first may begin at or before entry `after`."""
        return self.entries

    def work(self, run_id: str) -> list[WorkRow]:
        return self.queue

    @classmethod
    def sorted(
        cls, heads: Iterable[RunRow], entries: Iterable[tuple[str, JournalRow]], queue: Iterable[WorkRow]
    ) -> dict[str, StoredRun]:
        """By run, from rows of many."""
        found = {head.id: cls(head) for head in heads}
        for run_id, row in entries:
            if run_id in found:
                found[run_id].entries.append(row)
        for work in queue:
            if work.run_id in found:
                found[work.run_id].queue.append(work)
        return found


@dataclass(slots=True)
class RunFilter:
    """Which runs to list, those born last first.  `limit` at most 1,000.

    `before`: only runs created before this one.  `parent_id`: only children of this run; `top_level`: only runs without
    a parent.  `since`: only runs created at this instant or later.  `offset`: so many runs are left out first.
    """

    workflow: str | None = None
    status: str | None = None
    limit: int = 100
    before_id: str | None = None
    parent_id: str | None = None
    top_level: bool = False
    since: Micros | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What one call of `prune` came to.  `runs`: how many are gone, children included.

    `rest`: where the next call goes on; None: there is nothing more to look at.
    """

    runs: int
    rest: Position | None


@dataclass(frozen=True, slots=True)
class Notification:
    """What other runners of the same database wrote.

    `work`: there may be something to claim.  `runs`: these runs were changed; None: any of them may have been.
    `schedules`: some were changed.  `follow`: these runs are followed; their commits are to be told for a while.
    `progress`: such runs have new journal entries.
    """

    work: bool
    runs: frozenset[str] | None
    schedules: bool = False
    follow: frozenset[str] = frozenset()
    progress: frozenset[str] = frozenset()
