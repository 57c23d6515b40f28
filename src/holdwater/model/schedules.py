"""Schedules and their fires, as rows.  Instants are integer microseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from holdwater.model.records import RunUpdate
from holdwater.model.time import UNSET, Micros

ScheduleKind = Literal["cron", "trigger"]
FireState = Literal["started", "queued", "requested", "failed", "skipped"]

PHASE_CLOSED: Final = 0
PHASE_RUNNING: Final = 1
PHASE_WAITING: Final = 2
_PHASES: Final = {
    "started": PHASE_RUNNING,
    "queued": PHASE_WAITING,
    "requested": PHASE_WAITING,
    "failed": PHASE_WAITING,
    "skipped": PHASE_CLOSED,
}


@dataclass(slots=True)
class ScheduleRow:
    """A schedule or trigger of a workflow, and the instants it has decided.

    `inputs`: JSON text of the context its runs begin with, None for an empty one.  `catchup`, `max_catchup`: None
    leaves it to the runner that fires.  `poll_us`, `allow_concurrent`: of triggers.
    `settled_at`: every instant up to here is decided; it never goes back.  `last_at`: when it last fired, for a trigger
    when it was last asked.  `next_at`: when to look at it again, None: never.
    `version`: counts writes; 0 is a row that is not in the store yet.
    """

    id: str
    kind: ScheduleKind
    name: str | None
    workflow: str
    expression: str = ""
    timezone: str = "UTC"
    inputs: str | None = None
    enabled: bool = True
    catchup: str | None = None
    max_catchup: int | None = None
    misfire_grace_us: int = 3_600_000_000
    overlap: str = "allow"
    jitter_us: int = 0
    start_at: Micros | None = None
    end_at: Micros | None = None
    poll_us: int = 0
    allow_concurrent: bool = False
    created_at: Micros = UNSET
    updated_at: Micros = UNSET
    settled_at: Micros = UNSET
    last_at: Micros | None = None
    next_at: Micros | None = None
    last_error: str | None = None
    version: int = 0


@dataclass(slots=True)
class FireRow:
    """A fire: one instant of a schedule, and its run.

    `state`: started (it has a run), queued (it waits for the run before it), requested (run now, by hand), failed (no
    run could be made; tried again), skipped.  `claimed_at`: when that was decided, or tried last.
    `context_hash`: of triggers, what they fired with.
    """

    schedule_id: str
    scheduled_at: Micros
    state: FireState
    claimed_at: Micros
    run_id: str | None = None
    reason: str | None = None
    context_hash: str | None = None
    attempts: int = 1

    @property
    def phase(self) -> int:
        """RUNNING, WAITING or CLOSED: what a scheduler may still have to do with it."""
        return _PHASES[self.state]


@dataclass(slots=True)
class FireWithRun:
    """A fire and the head of its run, as far as history shows it.  `status`: the run's, None if there is none."""

    fire: FireRow
    status: str | None = None
    started_at: Micros | None = None
    finished_at: Micros | None = None
    error: str | None = None


@dataclass(slots=True)
class Firing:
    """Changes of one schedule in one transaction: all of them, or none.

    `schedule`: as it will be, with the version it was read at.  `new_runs`: the runs.
    `fires`: what became of instants.
    """

    schedule: ScheduleRow
    new_runs: list[RunUpdate] = field(default_factory=list)
    fires: list[FireRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FireCounts:
    """Fires since an instant, without the skipped ones.  `lost`: without a run, and not for want of time."""

    total: int
    completed: int
    finished: int
    lost: int
