"""Commits on every SQL database: checking changes for conflicts, and grouping their rows by table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdwater.errors import StoreError
from holdwater.model.records import CommitResult, Committed, Conflict, Duplicate, RunRow, RunUpdate
from holdwater.storage.sql import rows
from holdwater.storage.sql.rows import Row

IdempotencyKey = tuple[str, str]
"""(workflow, idempotency key)"""


def check_consistency(updates: Sequence[RunUpdate]) -> None:
    """Check that the journal length of each new run row fits its entries.  Raises StoreError."""
    for change in updates:
        if change.run.seq != change.expected_seq + len(change.entries):
            raise StoreError(
                f"run {change.run.id}: a head at {change.run.seq} does not fit "
                f"{change.expected_seq} + {len(change.entries)}"
            )


def check_conflicts(
    updates: Sequence[RunUpdate],
    journal_lengths: Mapping[str, int],
    find_by_key: Callable[[IdempotencyKey], RunRow | None],
) -> list[CommitResult]:
    """Return a verdict for each change: Committed, Conflict or Duplicate.

    `journal_lengths`: stored number of entries, by id of the runs that exist.  `find_by_key`: finds the stored run that
    has an idempotency key.
    """
    keys: dict[IdempotencyKey, RunRow] = {}
    verdicts: list[CommitResult] = []
    for change in updates:
        run = change.run
        if change.is_new:
            verdicts.append(_check_new_run(run, journal_lengths, find_by_key, keys))
        elif journal_lengths.get(run.id, -1) == change.expected_seq:
            verdicts.append(Committed())
        else:
            verdicts.append(Conflict())
    return verdicts


def _check_new_run(
    run: RunRow,
    journal_lengths: Mapping[str, int],
    find_by_key: Callable[[IdempotencyKey], RunRow | None],
    taken_keys: dict[IdempotencyKey, RunRow],
) -> CommitResult:
    """Check a new run.  `taken_keys`: idempotency keys of runs created earlier in the same batch."""
    if run.idempotency_key is not None:
        key = (run.workflow, run.idempotency_key)
        other = taken_keys.get(key) or find_by_key(key)
        if other is not None:
            return Duplicate(other)
        if run.id not in journal_lengths:
            taken_keys[key] = run
    return Conflict() if run.id in journal_lengths else Committed()


def accepted(updates: Sequence[RunUpdate], verdicts: Sequence[CommitResult]) -> list[RunUpdate]:
    """Select the changes to write."""
    return [change for change, verdict in zip(updates, verdicts) if type(verdict) is Committed]


@dataclass(slots=True)
class GroupedRows:
    """The rows of a batch of changes, by table and statement.

    `updated_runs`: the new run row and, last, the journal length it was decided on.
    """

    plans: dict[str, Row] = field(default_factory=dict)
    new_runs: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    updated_runs: list[Row] = field(default_factory=list)
    journal_rows: list[Row] = field(default_factory=list)
    removed_work: list[Row] = field(default_factory=list)
    added_work: list[Row] = field(default_factory=list)
    added_limited_work: list[Row] = field(default_factory=list)
    """tasks with keys of limits, which are one value more"""
    started_work: list[Row] = field(default_factory=list)
    asked: list[Row] = field(default_factory=list)
    closed_questions: list[Row] = field(default_factory=list)
    parked_runs: list[Row] = field(default_factory=list)
    """(parked, run id); written last, because it also applies to work added by the same change"""


def group_rows(updates: Sequence[RunUpdate]) -> GroupedRows:
    """Collect the rows of all these changes."""
    found = GroupedRows()
    for change in updates:
        run = change.run
        if change.plan is not None and run.structure not in found.plans:
            found.plans[run.structure] = rows.plan_row(change)
        if change.is_new:
            found.new_runs.append(rows.run_insert_row(run))
            if run.labels_json is not None:
                found.labels += rows.label_rows(run)
        else:
            found.updated_runs.append(rows.run_update_row(change))
        if change.entries:
            found.journal_rows += rows.journal_rows(change)
        if change.work_removed:
            found.removed_work += [(run.id, node, fence) for node, fence in change.work_removed]
        for row in change.work_added:
            if row.limit_keys:
                found.added_limited_work.append(rows.limited_work_row(row))
            else:
                found.added_work.append(rows.work_row(row))
        if change.started:
            found.started_work += [(run.id, node, fence) for node, fence in change.started]
        if change.questions is not None:
            found.asked += [(run.id, node, fence, change.at) for node, fence in change.questions.asked]
            found.closed_questions += [(run.id, node) for node in change.questions.closed]
        if change.parked is not None:
            found.parked_runs.append((1 if change.parked else 0, run.id))
    return found
