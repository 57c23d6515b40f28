"""What commits have in common on every SQL database: judging changes, and sorting their rows by table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdwater.errors import StoreError
from holdwater.model.records import Committed, Conflict, Duplicate, RunRow, RunUpdate, Verdict
from holdwater.storage.sql import rows
from holdwater.storage.sql.rows import Row

IdempotencyKey = tuple[str, str]
"""workflow and idempotency key"""


def check_consistency(updates: Sequence[RunUpdate]) -> None:
    """Raise StoreError for a change that contradicts itself."""
    for change in updates:
        if change.run.seq != change.expected + len(change.entries):
            raise StoreError(
                f"run {change.run.id}: a head at {change.run.seq} does not fit "
                f"{change.expected} + {len(change.entries)}"
            )


def check_conflicts(
    updates: Sequence[RunUpdate],
    journal_lengths: Mapping[str, int],
    find_by_key: Callable[[IdempotencyKey], RunRow | None],
) -> list[Verdict]:
    """A verdict for each change.

    `seqs`: how many entries the runs of these changes have, those that exist.  `holder`: the run that has a key.
    """
    keys: dict[IdempotencyKey, RunRow] = {}
    verdicts: list[Verdict] = []
    for change in updates:
        run = change.run
        if change.is_new:
            verdicts.append(_check_new_run(run, journal_lengths, find_by_key, keys))
        elif journal_lengths.get(run.id, -1) == change.expected:
            verdicts.append(Committed())
        else:
            verdicts.append(Conflict())
    return verdicts


def _check_new_run(
    run: RunRow,
    journal_lengths: Mapping[str, int],
    find_by_key: Callable[[IdempotencyKey], RunRow | None],
    taken_keys: dict[IdempotencyKey, RunRow],
) -> Verdict:
    """`keys`: taken by births earlier in the same batch."""
    if run.idempotency_key is not None:
        key = (run.workflow, run.idempotency_key)
        other = taken_keys.get(key) or find_by_key(key)
        if other is not None:
            return Duplicate(other)
        if run.id not in journal_lengths:
            taken_keys[key] = run
    return Conflict() if run.id in journal_lengths else Committed()


def accepted(updates: Sequence[RunUpdate], verdicts: Sequence[Verdict]) -> list[RunUpdate]:
    """Those that are to be written."""
    return [change for change, verdict in zip(updates, verdicts) if type(verdict) is Committed]


@dataclass(slots=True)
class GroupedRows:
    """What some changes write, by kind.

    `updated_runs`: the new head and, last, the number of entries it was decided on.
    """

    plans: dict[str, Row] = field(default_factory=dict)
    new_runs: list[Row] = field(default_factory=list)
    updated_runs: list[Row] = field(default_factory=list)
    journal_rows: list[Row] = field(default_factory=list)
    removed_work: list[Row] = field(default_factory=list)
    added_work: list[Row] = field(default_factory=list)
    started_work: list[Row] = field(default_factory=list)
    parked_runs: list[Row] = field(default_factory=list)
    """to be written last: what came in is parked or freed as well"""


def group_rows(updates: Sequence[RunUpdate]) -> GroupedRows:
    """The rows of all these changes."""
    found = GroupedRows()
    for change in updates:
        run = change.run
        if change.plan is not None and run.structure not in found.plans:
            found.plans[run.structure] = rows.plan_row(change)
        if change.is_new:
            found.new_runs.append(rows.run_insert_row(run))
        else:
            found.updated_runs.append(rows.run_update_row(change))
        if change.entries:
            found.journal_rows += rows.journal_rows(change)
        if change.work_removed:
            found.removed_work += [(run.id, node, fence) for node, fence in change.work_removed]
        if change.work_added:
            found.added_work += [rows.work_row(row) for row in change.work_added]
        if change.started:
            found.started_work += [(run.id, node, fence) for node, fence in change.started]
        if change.parked is not None:
            found.parked_runs.append((1 if change.parked else 0, run.id))
    return found
