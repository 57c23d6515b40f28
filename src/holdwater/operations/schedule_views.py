"""Schedules, triggers and their fires, as values that are safe to keep.  Instants are microseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdwater.model.schedules import FireCounts, FireState, FireWithRun, ScheduleKind, ScheduleRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.services.schedules import schedule_policy


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """A cron schedule, or a trigger (`kind`).

    `inputs`: JSON text of the context its runs start with, None for an empty one.  `catchup`: what is done about missed
    fire times.  `next_at`: the next fire time, None if it is disabled or there is none.  `last_at`: when it fired last;
    of a trigger, when it was polled last.
    Cron only: `expression`, `timezone`, `catchup`, `overlap`, `misfire_grace_us`, `jitter_us`, `start_at`, `end_at`.
    Triggers only: `poll_us` (the interval between polls), `allow_concurrent`.
    """

    id: str
    kind: ScheduleKind
    name: str | None
    workflow: str
    enabled: bool
    expression: str
    timezone: str
    inputs: str | None
    catchup: Literal["skip", "run_once", "run_all"]
    overlap: str
    misfire_grace_us: int
    jitter_us: int
    start_at: Micros | None
    end_at: Micros | None
    poll_us: int
    allow_concurrent: bool
    created_at: Micros
    updated_at: Micros
    last_at: Micros | None
    next_at: Micros | None
    last_error: str | None

    @classmethod
    def from_row(cls, row: ScheduleRow, config: ScheduleConfig) -> ScheduleInfo:
        """`config`: of the runner that fires it, for what the schedule leaves open."""
        return cls(
            row.id, row.kind, row.name, row.workflow, row.enabled, row.expression, row.timezone, row.inputs,
            schedule_policy(row, config).effective_catchup, row.overlap, row.misfire_grace_us, row.jitter_us,
            row.start_at, row.end_at, row.poll_us, row.allow_concurrent, row.created_at, row.updated_at, row.last_at,
            row.next_at if row.enabled else None, row.last_error,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FireInfo:
    """One fire time of a schedule, and its run if there is one.

    `state`: started, queued behind an earlier run, requested by hand, failed (no run could be made), or skipped
    (`reason` says why).  `run_status`, `started_at`, `finished_at`, `error`: of the run, None if there is none.
    `claimed_at`: when the state was decided, or tried last.  `context_hash`: of triggers, of what they fired with.
    """

    schedule_id: str
    scheduled_at: Micros
    state: FireState
    claimed_at: Micros
    attempts: int
    run_id: str | None
    reason: str | None
    context_hash: str | None
    run_status: RunStatus | None
    started_at: Micros | None
    finished_at: Micros | None
    error: str | None

    @classmethod
    def from_fired(cls, fired: FireWithRun) -> FireInfo:
        """One row of a history."""
        fire = fired.fire
        return cls(
            fire.schedule_id, fire.scheduled_at, fire.state, fire.claimed_at, fire.attempts, fire.run_id, fire.reason,
            fire.context_hash, None if fired.status is None else RunStatus(fired.status), fired.started_at,
            fired.finished_at, fired.error,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class FireStats:
    """Counts of fires, without the skipped ones.  `lost`: no run could be made of them in time."""

    total: int
    completed: int
    finished: int
    lost: int

    @property
    def success_rate(self) -> float:
        """Completed of those that are finished, 0 to 1; 1.0 if none is."""
        return self.completed / self.finished if self.finished else 1.0

    @classmethod
    def from_counts(cls, counts: FireCounts) -> FireStats:
        return cls(counts.total, counts.completed, counts.finished, counts.lost)
