"""Rows of a store.  Instants are integer microseconds since the epoch; statuses are those of `kernel.states`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from holdwater.model.time import UNSET, Micros

Cursor = tuple[Micros, str]
"""an instant and the id of a run: a place in a list that is ordered by both"""
FIRST_CURSOR: Final[Cursor] = (Micros(-(1 << 63)), "")
LAST_CURSOR: Final[Cursor] = (Micros((1 << 63) - 1), "")
MIN_INSTANT: Final = Micros(-(1 << 63))
"""an instant before every other"""
MAX_INSTANT: Final = Micros((1 << 63) - 1)
"""an instant after every other"""
COUNT_LIMIT_RUNS: Final = 10_000
"""a count ends there: more are "10,000+\""""
SCAN_LIMIT_RUNS: Final = 50_000
"""runs that are looked at for one page, where no index tells which of them fit"""
MAX_LISTED_RUNS: Final = 1_000
"""runs of one page"""


@dataclass(slots=True)
class RunRow:
    """The head of a run: everything about it but its journal.

    `seq`: number of journal entries.  `structure`: fingerprint of the definition it was started under.  `code`: that of
    the bodies it was last executed with.
    `reason`: why it is paused, or why it ended.  `error`: set when it failed.
    `parent_id`: the run this one is a child of.  `forked_from`: the run whose beginning it shares.
    `origin`: api, cli, code, cron, trigger, child or fork; "": a run of an earlier version.
    `started_by`: its author, as `cli:alice` or `schedule:nightly`; "" if unknown.
    `labels_json`: a JSON object of texts, None without labels.
    `traceparent`: that of the request that started it (W3C Trace Context).
    `release`: of the package it is pinned to; None: it is executed by code of a runner's own process.
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
    origin: str = ""
    started_by: str = ""
    labels_json: str | None = None
    traceparent: str | None = None
    release: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Labels by key, in their order."""
        return {} if self.labels_json is None else json.loads(self.labels_json)

    def copy(self) -> RunRow:
        """Several times faster than the copy module: every commit makes one."""
        return RunRow(
            self.id, self.workflow, self.style, self.structure, self.code, self.created_at, self.status, self.seq,
            self.error, self.reason, self.finished_at, self.paused_at, self.deadline_at, self.idempotency_key,
            self.inputs_digest, self.parent_id, self.forked_from, self.origin, self.started_by, self.labels_json,
            self.traceparent, self.release,
        )  # fmt: skip


@dataclass(slots=True)
class WorkRow:
    """One outstanding command of a run, in the queue.

    `kind`: execute, timer, or children (to start and watch child runs).
    `workflow`: the claim key of its run (see `model.claim_keys`): a runner with another release leaves it alone.
    `due_at`: what needs no slot is not claimed long before.  Bodies are only ordered by it: it may be of a clock that
    was set back since.
    `started`: its function was seen to start.
    `reclaimed`: its owner died or lost its lease.  `parked`: its run is paused; it is not claimed.
    `expired`: it was taken from an owner that may well live, and did not renew its lease.
    `suspect`: an earlier process died with the same command; its body begins when that is on disk, and not before.
    `limit_keys`: the limits it counts towards (see `model.limits`); with any it is only claimed by `Store.claim_work`.
    """

    run_id: str
    node: int
    fence: int
    kind: Literal["execute", "timer", "children"]
    workflow: str
    due_at: Micros
    owner: str | None = None
    lease_until: Micros = UNSET
    started: bool = False
    reclaimed: bool = False
    parked: bool = False
    expired: bool = False
    suspect: bool = False
    limit_keys: str = ""


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One open question: a node of a run that waits for an answer.  `fence`: of the attempt that asked."""

    run_id: str
    node: int
    fence: int
    asked_at: Micros


@dataclass(frozen=True, slots=True)
class FirstQuestion:
    """The first open question of a run, or of the runs its nodes have fanned out to.

    `run_id`, `structure`: of the run that asks.  `is_suspended`: the first run was paused by a request, too.
    """

    run_id: str
    structure: str
    node: int
    is_suspended: bool


QuestionCursor = tuple[Micros, str, int]
"""instant, run and node of a question: a place in a list that is ordered by them"""


@dataclass(slots=True)
class QuestionChanges:
    """Open questions of a run that were added, as (node, fence), and nodes that wait no more."""

    asked: list[tuple[int, int]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)


@dataclass(slots=True)
class RunUpdate:
    """Changes of one run in one commit: all of them, or none.

    `expected_seq`: the number of journal entries this was decided on.  `run`: the head as it will be (its `seq` is
    `expected_seq` plus the new entries).  `is_new`: the run is new.  `plan`: the definition's plan, to be stored if its
    structure is not there yet.
    `work_removed`, `started`: (node, fence) pairs.  `parked`: every unowned row of the run is parked, or (False) freed.
    `notify`: tell the other runners of this database, one of which may have the run or wait for it.
    `frees_limits`: places in concurrency limits are free afterwards, for tasks that wait.
    `is_followed`: tell those who follow the run's events.  `questions`: None if its open questions are the same.
    """

    run: RunRow
    expected_seq: int
    entries: list[str]
    at: Micros
    is_new: bool = False
    plan: dict[str, Any] | None = None
    work_added: list[WorkRow] = field(default_factory=list)
    work_removed: list[tuple[int, int]] = field(default_factory=list)
    started: list[tuple[int, int]] = field(default_factory=list)
    parked: bool | None = None
    notify: bool = False
    frees_limits: bool = False
    is_followed: bool = False
    questions: QuestionChanges | None = None


@dataclass(slots=True)
class Committed:
    """The change is on disk."""


@dataclass(slots=True)
class Conflict:
    """Another process advanced the run first: read its tail, decide again.  Nothing of the change was written."""


@dataclass(slots=True)
class Duplicate:
    """The idempotency key belongs to this run already.  Nothing of the change was written."""

    run: RunRow


CommitResult = Committed | Conflict | Duplicate


@dataclass(slots=True)
class JournalRow:
    """Entries journalled together.  `seq`: number of the first, from 1.  `entries`: a JSON array."""

    seq: int
    at: Micros
    entries: str


@dataclass(slots=True)
class StoredRun:
    """All a store has of a run, read together.  It answers as the store would."""

    row: RunRow
    journal_rows: list[JournalRow] = field(default_factory=list)
    work_rows: list[WorkRow] = field(default_factory=list)

    def get_run(self, run_id: str) -> RunRow:
        return self.row

    def read_journal(self, run_id: str, after_seq: int = 0) -> list[JournalRow]:
        """Whole rows; the first may begin at or before entry `after`."""
        return self.journal_rows

    def work_of_run(self, run_id: str) -> list[WorkRow]:
        return self.work_rows

    @classmethod
    def group_by_run(
        cls, rows: Iterable[RunRow], journal_rows: Iterable[tuple[str, JournalRow]], work_rows: Iterable[WorkRow]
    ) -> dict[str, StoredRun]:
        """By run, from rows of many."""
        found = {head.id: cls(head) for head in rows}
        for run_id, row in journal_rows:
            if run_id in found:
                found[run_id].journal_rows.append(row)
        for work in work_rows:
            if work.run_id in found:
                found[work.run_id].work_rows.append(work)
        return found


@dataclass(slots=True)
class RunFilter:
    """Selection of runs to list, newest first.  `limit` at most 1,000.

    `workflow`, `status`: exactly this one.  `statuses`, `excluded_statuses`, `origins`: any of them.
    `workflows`, `excluded_workflows`: patterns with `*`, `?` and `[...]`, any of which fits.
    `labels`: all of them, by key; None for any value.  `release`: runs that are pinned to it.
    `since`, `until`: runs created at or after, and before an instant; `ended_since`, `ended_until`: ended then.
    `parent_id`: only children of this run; `top_level`: only runs without a parent.
    `text`: the beginning or the end of an id, or part of an idempotency key or an error, whatever the case of A to Z.

    `before_id`: only runs listed after this one.  `cursor`: only runs beyond this position: older ones, or (`newer`)
    the next newer ones.  `offset`: so many runs are left out first.
    """

    workflow: str | None = None
    status: str | None = None
    limit: int = 100
    before_id: str | None = None
    parent_id: str | None = None
    top_level: bool = False
    since: Micros | None = None
    offset: int = 0
    until: Micros | None = None
    ended_since: Micros | None = None
    ended_until: Micros | None = None
    statuses: tuple[str, ...] = ()
    excluded_statuses: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    excluded_workflows: tuple[str, ...] = ()
    labels: Mapping[str, str | None] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    release: str | None = None
    text: str | None = None
    cursor: Cursor | None = None
    newer: bool = False

    @property
    def is_listed_by_end(self) -> bool:
        """True if runs are listed by their ends, the latest first: top-level runs that are chosen by their ends."""
        return self.top_level and self.parent_id is None and not (self.ended_since is None and self.ended_until is None)

    def without_page(self) -> RunFilter:
        """The same selection, from its first run on."""
        return replace(self, before_id=None, cursor=None, newer=False, offset=0)

    def of_span(self, since: Micros, until: Micros) -> RunFilter:
        """The same selection, from its first run on, in another span of ends or births, whichever it is listed by."""
        if self.is_listed_by_end:
            return replace(self.without_page(), ended_since=since, ended_until=until)
        return replace(self.without_page(), since=since, until=until)

    def position_of(self, row: RunRow) -> Cursor:
        """Return the position of a run in the list."""
        at = row.finished_at if self.is_listed_by_end else row.created_at
        return (Micros(0) if at is None else at, row.id)


@dataclass(frozen=True, slots=True)
class RunRows:
    """A page of a list, newest first.

    `has_more`: there is more beyond it, in the direction it was asked for.  `scanned_until`: the page is not full,
    because only so many runs are looked at for one; the list goes on behind this position.
    """

    rows: list[RunRow]
    has_more: bool = False
    scanned_until: Cursor | None = None


@dataclass(frozen=True, slots=True)
class CappedCount:
    """A number of runs.  `is_capped`: there may be more, which were not counted."""

    count: int
    is_capped: bool = False

    @classmethod
    def of(cls, count: int, *, is_capped: bool = False) -> CappedCount:
        """Cap a count."""
        return cls(min(count, COUNT_LIMIT_RUNS), is_capped or count > COUNT_LIMIT_RUNS)

    def __add__(self, other: CappedCount) -> CappedCount:
        return CappedCount.of(self.count + other.count, is_capped=self.is_capped or other.is_capped)

    def __bool__(self) -> bool:
        return self.count > 0 or self.is_capped

    def __str__(self) -> str:
        return f"{self.count:,}{'+' if self.is_capped else ''}"


@dataclass(frozen=True, slots=True)
class RunHistogram:
    """Numbers of runs over time.  `counts`: (start of the bucket, status) -> runs created in it; ended in it, if
    the filter lists runs by their ends.

    `complete_since`: buckets that begin earlier lack runs, because only so many are counted.
    """

    since: Micros
    until: Micros
    bucket_us: int
    counts: Mapping[tuple[Micros, str], int]
    complete_since: Micros


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run without a parent that has ended, as deletions judge it."""

    finished_at: Micros
    id: str
    status: str
    labels_json: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Labels by key."""
        return {} if self.labels_json is None else json.loads(self.labels_json)


@dataclass(frozen=True, slots=True)
class PruneResult:
    """Result of one call of `prune`.  `pruned_count`: how many are gone, children included.

    `next_cursor`: where the next call goes on; None: there is nothing more to look at.
    """

    pruned_count: int
    next_cursor: Cursor | None


ALL_RUNS: Final = ""
"""in the place of a run's id, in `followed_runs` and `progressed_runs`: any run"""


@dataclass(frozen=True, slots=True)
class Notification:
    """Hint of what other processes wrote to the same database.

    `work_available`: there may be something to claim.
    `changed_runs`: these runs were changed; None: any of them may have been.
    `schedules_changed`: some were changed.
    `followed_runs`: these runs are followed; their commits are to be told for a while.  With ALL_RUNS among them those
    of every run, a few times a second.
    `progressed_runs`: such runs have new journal entries; with ALL_RUNS among them others, too.
    `releases_changed`: releases of packages were.
    """

    work_available: bool
    changed_runs: frozenset[str] | None
    schedules_changed: bool = False
    followed_runs: frozenset[str] = frozenset()
    progressed_runs: frozenset[str] = frozenset()
    releases_changed: bool = False
