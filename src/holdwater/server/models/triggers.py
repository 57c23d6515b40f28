"""Schedules and triggers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from holdwater.operations.schedule_views import FireInfo, ScheduleInfo
from holdwater.schedules import UpcomingFire
from holdwater.server.models.base import GivenInstant, Instant, Page, RequestBody, to_instant
from holdwater.server.models.executions import ExecutionStatus
from holdwater.server.pages.schedule_contexts import plain_context

MAX_EXPRESSION_CHARS = 1000
MAX_NAME_CHARS = 512
CatchUpPolicy = Literal["skip", "run_once", "run_all"]
OverlapPolicy = Literal["allow", "skip", "queue"]


class TriggerBody(BaseModel):
    """A cron schedule, or a trigger that is polled (`schedule_type`).

    `context`: its runs start with.  `catchup`: what is done about missed fire times.  Only of cron: `cron_expression`,
    `timezone`, `catchup`, `overlap`, `misfire_grace_seconds`, `jitter_seconds`, `start_at`, `end_at`; only of triggers:
    `poll_interval_ms`, `allow_concurrent`.  `paused`: it is not `enabled`.
    """

    id: str
    schedule_type: Literal["cron", "trigger"]
    trigger_name: str | None
    workflow_name: str
    enabled: bool
    paused: bool
    cron_expression: str | None = Field(examples=["0 2 * * *"])
    timezone: str | None = Field(examples=["Europe/Berlin"])
    context: dict[str, Any] | None
    catchup: CatchUpPolicy | None
    overlap: OverlapPolicy | None
    misfire_grace_seconds: float | None
    jitter_seconds: float | None
    start_at: Instant | None
    end_at: Instant | None
    poll_interval_ms: int | None
    allow_concurrent: bool | None
    created_at: Instant
    updated_at: Instant
    last_run_at: Instant | None
    next_run_at: Instant | None
    last_error: str | None

    @classmethod
    def of(cls, info: ScheduleInfo) -> TriggerBody:
        """Create it from a schedule or trigger."""
        is_cron = info.kind == "cron"
        return cls(
            id=info.id,
            schedule_type=info.kind,
            trigger_name=info.name,
            workflow_name=info.workflow,
            enabled=info.enabled,
            paused=not info.enabled,
            cron_expression=info.expression if is_cron else None,
            timezone=info.timezone if is_cron else None,
            context=None if info.inputs is None else plain_context(info.inputs),
            catchup=info.catchup if is_cron else None,
            overlap=info.overlap if is_cron else None,
            misfire_grace_seconds=info.misfire_grace_us / 1e6 if is_cron else None,
            jitter_seconds=info.jitter_us / 1e6 if is_cron else None,
            start_at=to_instant(info.start_at),
            end_at=to_instant(info.end_at),
            poll_interval_ms=None if is_cron else info.poll_us // 1000,
            allow_concurrent=None if is_cron else info.allow_concurrent,
            created_at=to_instant(info.created_at),
            updated_at=to_instant(info.updated_at),
            last_run_at=to_instant(info.last_at),
            next_run_at=to_instant(info.next_at),
            last_error=info.last_error,
        )


class TriggerPage(Page):
    """Schedules and triggers, the oldest first."""

    list_name = "schedules"

    items: list[TriggerBody]


class Fire(BaseModel):
    """One fire time.  `state`: skipped, `reason` says why; failed: no run could be made.

    `claimed_at`: when the state was decided, or tried last.
    """

    id: str
    scheduled_time: Instant
    claimed_at: Instant
    state: Literal["started", "queued", "requested", "failed", "skipped"]
    reason: str | None
    attempts: int
    execution_id: str | None
    execution_status: ExecutionStatus | None
    started_at: Instant | None
    completed_at: Instant | None
    error: str | None

    @classmethod
    def of(cls, fire: FireInfo) -> Fire:
        """Create it from a fire."""
        return cls(
            id=f"{fire.schedule_id}:{fire.scheduled_at}",
            scheduled_time=to_instant(fire.scheduled_at),
            claimed_at=to_instant(fire.claimed_at),
            state=fire.state,
            reason=fire.reason,
            attempts=fire.attempts,
            execution_id=fire.run_id,
            execution_status=None if fire.run_status is None else fire.run_status.value,
            started_at=to_instant(fire.started_at),
            completed_at=to_instant(fire.finished_at),
            error=fire.error,
        )


class FirePage(Page):
    """Fires of a schedule, newest first."""

    trigger: str
    items: list[Fire]


class TriggerDetail(TriggerBody):
    """A schedule or trigger with its latest fires.  `schedule`: what is said of it in a list."""

    tenant_id: str
    schedule: TriggerBody
    recent_executions: list[Fire]


class NextFire(BaseModel):
    """One fire to come.  `local`: in the schedule's time zone; `note`: what a change of offset does to it."""

    at: Instant
    local: str = Field(examples=["2026-11-21T02:00:00+01:00"])
    note: str

    @classmethod
    def of(cls, fire: UpcomingFire) -> NextFire:
        """Create it from a fire to come."""
        return cls(at=to_instant(fire.at), local=fire.local.isoformat(), note=fire.note)


class Forecast(BaseModel):
    """The next fires of a schedule; `words`: its expression, said in English."""

    words: str = Field(examples=["At 02:00 every day"])
    items: list[NextFire]


class CronOptions(RequestBody):
    """Options of a cron schedule."""

    context: dict[str, Any] | None = None
    catchup: CatchUpPolicy | None = None
    overlap: OverlapPolicy | None = None
    misfire_grace_seconds: float | None = Field(None, ge=0)
    jitter_seconds: float | None = Field(None, ge=0)
    start_at: GivenInstant | None = None
    end_at: GivenInstant | None = None


class NewTrigger(CronOptions):
    """A new cron schedule.  `allow_unknown`: no runner need have announced the workflow."""

    name: str | None = Field(None, min_length=1, max_length=MAX_NAME_CHARS, examples=["nightly"])
    workflow_name: str = Field(min_length=1, max_length=MAX_NAME_CHARS, examples=["orders"])
    cron_expression: str = Field(min_length=1, max_length=MAX_EXPRESSION_CHARS, examples=["0 2 * * *"])
    timezone: str = Field("UTC", max_length=100, examples=["Europe/Berlin"])
    allow_unknown: bool = False


class TriggerChanges(CronOptions):
    """Changes of a cron schedule; what is left out stays, and null is the default.

    Other fire times are in force from now on; missed ones are not made up for.
    """

    cron_expression: str | None = Field(None, max_length=MAX_EXPRESSION_CHARS, examples=["0 3 * * *"])
    timezone: str | None = Field(None, max_length=100)


class PausedTrigger(TriggerDetail):
    """A schedule or trigger that was paused or resumed."""

    name: str
    status: Literal["paused", "resumed"]


class FireBody(RequestBody):
    """A fire by hand.  `event`: values for its run, in place of those of the schedule that have the same names."""

    event: dict[str, Any] = Field(default_factory=dict, examples=[{"file": "a.csv"}])


class FiredExecution(BaseModel):
    """A run that was started."""

    execution_id: str
    workflow_name: str


class Fired(BaseModel):
    """A fire by hand.  `fired`: the number of runs that were asked for; `executions`: those that were started.

    `fire`: as the history has it, null for one with an `event`.  Without an event a runner that has the workflow starts
    the run; as long as there is none, `executions` is empty, and the history names the run later.
    """

    trigger: str
    tenant_id: str
    fired: int
    executions: list[FiredExecution]
    fire: Fire | None


class Deleted(BaseModel):
    """Something was deleted."""

    status: Literal["deleted"] = "deleted"
    name: str
