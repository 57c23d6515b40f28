"""The facts of a run's row, and its activity, as values that are safe to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdwater.model.claim_keys import claim_key
from holdwater.model.records import RunRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros
from holdwater.runs.activity import Activity


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run as its row says.  Instants are integer microseconds since the epoch.

    `structure`, `code`: fingerprints of the plan it was started under, and of the functions it was last executed with.
    `error`: set when it failed.  `reason`: given with a pause or a cancel.  `journal_length`: entries of its journal.
    `activity`: None where it was not asked for.  `origin`: api, cli, code, cron, trigger, child or fork, "" if not
    recorded; `started_by`: its author, as `cli:alice` or `schedule:nightly`.  `release`: of
    the package it is pinned to, None for code of a runner's own process.
    """

    id: str
    workflow: str
    style: str
    structure: str
    code: str
    status: RunStatus
    created_at: Micros
    finished_at: Micros | None = None
    paused_at: Micros | None = None
    deadline_at: Micros | None = None
    error: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None
    parent_id: str | None = None
    forked_from: str | None = None
    journal_length: int = 0
    activity: Activity | None = None
    origin: str = ""
    started_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    traceparent: str | None = None
    release: str | None = None

    @property
    def claim_key(self) -> str:
        """The name under which runners claim its work: that of its workflow, for a release `NAME@RELEASE`."""
        return claim_key(self.workflow, self.release)

    @property
    def ended(self) -> bool:
        """The run is completed, failed or cancelled."""
        return self.finished_at is not None

    @classmethod
    def from_row(cls, row: RunRow, activity: Activity | None = None) -> RunInfo:
        """Create the facts of a row."""
        return cls(
            row.id, row.workflow, row.style, row.structure, row.code, RunStatus(row.status), row.created_at,
            row.finished_at, row.paused_at, row.deadline_at, row.error, row.reason, row.idempotency_key, row.parent_id,
            row.forked_from, row.seq, activity, row.origin, row.started_by, row.labels, row.traceparent,
            row.release,
        )  # fmt: skip
