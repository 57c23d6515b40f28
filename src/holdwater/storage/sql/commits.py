"""What commits have in common on every SQL database: judging changes, and sorting their rows by table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdwater.errors import StoreError
from holdwater.model.records import Change, Committed, Conflict, Duplicate, RunRow, Verdict
from holdwater.storage.sql import rows
from holdwater.storage.sql.rows import Row

Key = tuple[str, str]
"""workflow and idempotency key"""


def check(changes: Sequence[Change]) -> None:
    """Raise StoreError for a change that contradicts itself."""
    for change in changes:
        if change.run.seq != change.expected + len(change.entries):
            raise StoreError(
                f"run {change.run.id}: a head at {change.run.seq} does not fit "
                f"{change.expected} + {len(change.entries)}"
            )


def judge(changes: Sequence[Change], seqs: Mapping[str, int], holder: Callable[[Key], RunRow | None]) -> list[Verdict]:
    """A verdict for each change.

    `seqs`: how many entries the runs of these changes have, those that exist.  `holder`: the run that has a key.
    """
    keys: dict[Key, RunRow] = {}
    verdicts: list[Verdict] = []
    for change in changes:
        run = change.run
        if change.born:
            verdicts.append(_judge_birth(run, seqs, holder, keys))
        elif seqs.get(run.id, -1) == change.expected:
            verdicts.append(Committed())
        else:
            verdicts.append(Conflict())
    return verdicts


def _judge_birth(
    run: RunRow, seqs: Mapping[str, int], holder: Callable[[Key], RunRow | None], keys: dict[Key, RunRow]
) -> Verdict:
    """`keys`: taken by births earlier in the same batch."""
    if run.idempotency_key is not None:
        key = (run.workflow, run.idempotency_key)
        other = keys.get(key) or holder(key)
        if other is not None:
            return Duplicate(other)
        if run.id not in seqs:
            keys[key] = run
    return Conflict() if run.id in seqs else Committed()


def good(changes: Sequence[Change], verdicts: Sequence[Verdict]) -> list[Change]:
    """Those that are to be written."""
    return [change for change, verdict in zip(changes, verdicts) if type(verdict) is Committed]


@dataclass(slots=True)
class Rows:
    """What some changes write, by kind.  `heads`: the new head and, last, the number of entries it was decided on."""

    plans: dict[str, Row] = field(default_factory=dict)
    births: list[Row] = field(default_factory=list)
    heads: list[Row] = field(default_factory=list)
    journal: list[Row] = field(default_factory=list)
    outs: list[Row] = field(default_factory=list)
    ins: list[Row] = field(default_factory=list)
    began: list[Row] = field(default_factory=list)
    parks: list[Row] = field(default_factory=list)
    """to be written last: what came in is parked or freed as well"""


def gather(changes: Sequence[Change]) -> Rows:
    """The rows of all these changes."""
    found = Rows()
    for change in changes:
        run = change.run
        if change.plan is not None and run.structure not in found.plans:
            found.plans[run.structure] = rows.plan(change)
        if change.born:
            found.births.append(rows.new_run(run))
        else:
            found.heads.append(rows.changed_run(change))
        if change.entries:
            found.journal += rows.journal(change)
        if change.work_out:
            found.outs += [(run.id, node, fence) for node, fence in change.work_out]
        if change.work_in:
            found.ins += [rows.work(row) for row in change.work_in]
        if change.began:
            found.began += [(run.id, node, fence) for node, fence in change.began]
        if change.park is not None:
            found.parks.append((1 if change.park else 0, run.id))
    return found
