"""Deleting runs that ended long ago: by an age, or by the retention rule that the database keeps for its runners."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from holdwater.model.provenance import check_author
from holdwater.model.records import (
    COUNT_LIMIT_RUNS,
    FIRST_CURSOR,
    MAX_LISTED_RUNS,
    CappedCount,
    Cursor,
    EndedRun,
    RunFilter,
)
from holdwater.model.retention import RETENTION_SETTING, RetentionRule
from holdwater.model.settings import Setting
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

PRUNE_BATCH_RUNS: Final = 200
"""runs, with their children, in one transaction"""
BATCH_PAUSE_SECONDS: Final = 0.02
"""between two transactions, for everything else that writes"""
MEASURED_RUNS: Final = 500
"""runs whose bytes are counted; those of more are estimated by them"""


@dataclass(frozen=True, slots=True)
class StoredRetention:
    """The rule of a database, with the instant and the author of its last change; None: there never was one."""

    rule: RetentionRule
    changed_at: Micros | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class RetentionPreview:
    """Top-level runs that a deletion would delete now, by status; their children go with them.

    `size_bytes`: journals and logs of the counted runs with their children, before compression;
    `is_size_estimated`: by some of them.
    """

    rule: RetentionRule
    counts: Mapping[str, CappedCount]
    size_bytes: int
    is_size_estimated: bool

    @property
    def total(self) -> CappedCount:
        """All of them."""
        return sum(self.counts.values(), CappedCount(0))


def prune_runs(
    database: Database, ended_before: Micros, keep: Collection[str] = (), *, limit: int | None = None
) -> int:
    """Delete runs that ended before an instant, with their children; returns how many.

    A run stays as long as it, its parent or any of its children has not ended or is in `keep`, a collection of run ids.
    `limit`: stop when about so many are deleted, after whole batches of `PRUNE_BATCH_RUNS`.
    Raises StoreUnavailable.
    """
    return _prune(database, ended_before, keep, limit, None)


def get_retention(database: Database) -> StoredRetention:
    """Read the rule of a database.  Raises StoreUnavailable."""
    found = database.store.get_setting(RETENTION_SETTING)
    if found is None:
        return StoredRetention(RetentionRule())
    return StoredRetention(RetentionRule.from_data(found.value), found.changed_at, found.changed_by)


def set_retention(database: Database, rule: RetentionRule, *, by: str = "") -> StoredRetention:
    """Set the rule of a database; its runners obey it within an hour, in place of options of their own.

    Raises InvalidArgument, StoreReadOnly, StoreUnavailable.
    """
    now = database.clock.now()
    setting = Setting(RETENTION_SETTING, rule.check().to_data(), now, check_author(by))
    database.store.put_setting(setting)
    return StoredRetention(rule, now, by)


def preview_retention(database: Database, rule: RetentionRule) -> RetentionPreview:
    """Count what a rule would delete now, 10,000 runs at most.  Raises InvalidArgument, StoreUnavailable."""
    now = database.clock.now()
    ended_before, spares = rule.check().ended_before(now), rule.spares(now)
    chosen: list[EndedRun] = []
    is_capped = False
    if ended_before is not None:
        chosen, is_capped = _choose(database, ended_before, spares)
    return _preview(database, rule, chosen, is_capped)


def preview_pruning(database: Database, ended_before: Micros, keep: Collection[str] = ()) -> RetentionPreview:
    """Count what `prune_runs` would delete, 10,000 runs at most.  Raises StoreUnavailable."""
    kept = frozenset(keep)
    return _preview(database, RetentionRule(), *_choose(database, ended_before, lambda run: run.id in kept))


def apply_retention(database: Database, rule: RetentionRule, *, limit: int | None = None) -> int:
    """Delete what a rule says, runs and logs, at once; returns the number of runs.  `limit`: as in `prune_runs`.

    Raises InvalidArgument, StoreUnavailable.
    """
    now = database.clock.now()
    ended_before, logs_before = rule.check().ended_before(now), rule.logs_before(now)
    pruned = 0 if ended_before is None else _prune(database, ended_before, (), limit, rule.spares(now))
    after: Cursor | None = None if logs_before is None else FIRST_CURSOR
    while logs_before is not None and after is not None:
        after = database.store.prune_logs(logs_before, PRUNE_BATCH_RUNS, after).next_cursor
    return pruned


def _prune(
    database: Database,
    ended_before: Micros,
    keep: Collection[str],
    limit: int | None,
    spares: Callable[[EndedRun], bool] | None,
) -> int:
    kept, pruned = frozenset(keep), 0
    after: Cursor | None = FIRST_CURSOR
    while after is not None and (limit is None or pruned < limit):
        if pruned:
            time.sleep(BATCH_PAUSE_SECONDS)
        batch = database.store.prune(ended_before, kept, PRUNE_BATCH_RUNS, after, spares)
        pruned += batch.pruned_count
        after = batch.next_cursor
    return pruned


def _choose(
    database: Database, ended_before: Micros, spares: Callable[[EndedRun], bool]
) -> tuple[list[EndedRun], bool]:
    """List runs that would be deleted, the last to end first; True with them if there may be more."""
    chosen: list[EndedRun] = []
    which = RunFilter(top_level=True, ended_until=ended_before, limit=MAX_LISTED_RUNS)
    for _ in range(COUNT_LIMIT_RUNS // MAX_LISTED_RUNS):
        page = database.store.page_runs(which)
        runs = [EndedRun(row.finished_at or row.created_at, row.id, row.status, row.labels_json) for row in page.rows]
        chosen += [run for run in runs if not spares(run)]
        if not (page.has_more and page.rows):
            return chosen, False
        which.cursor = which.position_of(page.rows[-1])
    return chosen, True


def _preview(database: Database, rule: RetentionRule, chosen: list[EndedRun], is_capped: bool) -> RetentionPreview:
    step = -(-len(chosen) // MEASURED_RUNS) or 1
    measured = [run.id for run in chosen[::step]]
    size_bytes = database.store.measure_runs(measured) if measured else 0
    counts = Counter([run.status for run in chosen])
    return RetentionPreview(
        rule,
        {status: CappedCount.of(count, is_capped=is_capped) for status, count in sorted(counts.items())},
        size_bytes * len(chosen) // (len(measured) or 1),
        is_size_estimated=is_capped or step > 1,
    )
