"""Runs, as `executions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from holdwater.model.records import CappedCount
from holdwater.model.statuses import FINAL_STATUSES
from holdwater.operations.runs import RunPage
from holdwater.runs.activity import Activity
from holdwater.runs.info import RunInfo
from holdwater.runs.open_pauses import Pause
from holdwater.runs.progress import RunProgress
from holdwater.runs.view import RunView
from holdwater.server.models.base import Instant, Page, RequestBody, to_instant
from holdwater.server.models.values import shown_value, shown_values

ExecutionStatus = Literal["running", "paused", "completed", "failed", "cancelled"]
Origin = Literal["api", "cli", "code", "cron", "trigger", "child", "fork", ""]
ActivityState = Literal[
    "queued", "running", "waiting", "waiting for child runs", "orphaned", "waiting for an answer", "paused",
    "completed", "failed", "cancelled",
]  # fmt: skip


class Progress(BaseModel):
    """Tasks of a run that are settled, of all."""

    done: int
    total: int

    @classmethod
    def of(cls, progress: RunProgress) -> Progress:
        """Create it from the progress of a run."""
        return cls(done=progress.done, total=progress.total)


class ActivityDetails(BaseModel):
    """The activity of a run now.  `host`, `pid`: the process that executes it; `waiting_until`: of a timer or a retry.

    `answer_name`: the answer it waits for, empty for none.
    """

    state: ActivityState
    host: str | None
    pid: int | None
    waiting_until: Instant | None
    answer_name: str

    @classmethod
    def of(cls, activity: Activity) -> ActivityDetails:
        """Create it from the activity of a run."""
        return cls(
            state=activity.state,
            host=activity.host,
            pid=activity.pid,
            waiting_until=to_instant(activity.waiting_until),
            answer_name=activity.answer_name,
        )


class Execution(BaseModel):
    """One run, as a list shows it.  `completed_at`: when it ended, whichever way.

    `structure`, `code`: fingerprints of the plan it was started under, and of the functions it was last executed with.
    `event_count`: entries of its journal.
    `progress`: in lists with `progress=true`; null for a run whose journal is too long to be read for a list.
    `trigger_origin`: name of the schedule or trigger that has started it.
    """

    id: str = Field(examples=["019f3c4e-7a51-7c33-8a52-0d6c1b9a77e1"])
    workflow_name: str
    style: str = Field(examples=["tasks"])
    status: ExecutionStatus
    activity: ActivityState | None = None
    activity_details: ActivityDetails | None = None
    started_at: Instant
    completed_at: Instant | None
    error: str | None
    reason: str | None
    origin: Origin
    trigger_origin: str | None
    started_by: str = Field(examples=["cli:alice"])
    labels: dict[str, str] = Field(examples=[{"env": "prod"}])
    parent_id: str | None
    forked_from: str | None
    idempotency_key: str | None
    release: str | None
    structure: str
    code: str
    paused_at: Instant | None
    deadline_at: Instant | None
    traceparent: str | None
    event_count: int
    progress: Progress | None = None

    @classmethod
    def of(cls, run: RunInfo, progress: RunProgress | None = None) -> Execution:
        """Create it from the facts of a run."""
        return cls(**_facts(run), progress=None if progress is None else Progress.of(progress))


def _facts(run: RunInfo) -> dict[str, Any]:
    return {
        "id": run.id,
        "workflow_name": run.workflow,
        "style": run.style,
        "status": run.status.value,
        "activity": None if run.activity is None else run.activity.state,
        "activity_details": None if run.activity is None else ActivityDetails.of(run.activity),
        "started_at": to_instant(run.created_at),
        "completed_at": to_instant(run.finished_at),
        "error": run.error,
        "reason": run.reason,
        "origin": run.origin,
        "trigger_origin": run.started_by.removeprefix("schedule:") if run.origin in ("cron", "trigger") else None,
        "started_by": run.started_by,
        "labels": dict(run.labels),
        "parent_id": run.parent_id,
        "forked_from": run.forked_from,
        "idempotency_key": run.idempotency_key,
        "release": run.release,
        "structure": run.structure,
        "code": run.code,
        "paused_at": to_instant(run.paused_at),
        "deadline_at": to_instant(run.deadline_at),
        "traceparent": run.traceparent,
        "event_count": run.journal_length,
    }


class Count(BaseModel):
    """The number of matching runs; `more`: there are more than that, which were not counted."""

    count: int
    more: bool


class ExecutionPage(Page):
    """Runs, newest first.  `previous_cursor`: of the page of newer runs.  `counts`: with `count=true`, by status.

    `searched_until`: the page of a search for `text` is not full, because only so many runs are looked at for one;
    `next_cursor` goes on from this instant.
    """

    list_name = "executions"

    items: list[Execution]
    previous_cursor: str | None = None
    searched_until: Instant | None = None
    counts: dict[ExecutionStatus, Count] | None = None

    @classmethod
    def of(
        cls,
        tenant_id: str,
        page: RunPage,
        counts: Mapping[str, CappedCount] | None,
        progress: Mapping[str, RunProgress] | None = None,
    ) -> ExecutionPage:
        """Create it from a page of runs.  `progress`: by id."""
        known = progress or {}
        return cls(
            tenant_id=tenant_id,
            items=[Execution.of(run, known.get(run.id)) for run in page.runs],
            total=len(page.runs),
            next_cursor=page.older_cursor,
            previous_cursor=page.newer_cursor,
            searched_until=to_instant(page.searched_until),
            counts=None
            if counts is None
            else {status: Count(count=one.count, more=one.is_capped) for status, one in counts.items()},
        )


class ExecutionQuestion(BaseModel):
    """An open question.  `value`: to show; `answer_schema`: JSON Schema of answers, null for any value.

    `task_name`: the task that asks, of the run `asking_execution_id`.
    """

    pause_id: str
    answer_name: str
    task_name: str
    asking_execution_id: str
    value: Any
    answer_schema: Any

    @classmethod
    def of(cls, pause: Pause, *, typed: bool = False) -> ExecutionQuestion:
        """Create it from an open question of a run.  `typed`: with its value as it is stored."""
        return cls(
            pause_id=pause.pause_id,
            answer_name=pause.answer_name,
            task_name=pause.name,
            asking_execution_id=pause.asking_run_id,
            value=shown_value(pause.question, typed=typed),
            answer_schema=pause.answer_schema,
        )


class ExecutionDetail(Execution):
    """One run.  `context`: with `context=true`, its results so far; `inputs`: the values it was started with."""

    tenant_id: str
    execution_id: str
    questions: list[ExecutionQuestion]
    inputs: dict[str, Any] | None = None
    context: dict[str, Any] | None = None

    @classmethod
    def of_view(
        cls, tenant_id: str, run: RunView, *, with_values: bool = False, typed: bool = False
    ) -> ExecutionDetail:
        """Create it.  `typed`: with values as they are stored.  Raises StoreError."""
        info = run.info
        facts = _facts(info)
        facts |= {"activity": run.activity.state, "activity_details": ActivityDetails.of(run.activity)}
        return cls(
            **facts,
            tenant_id=tenant_id,
            execution_id=info.id,
            progress=Progress.of(run.progress),
            questions=[]
            if info.status in FINAL_STATUSES
            else [ExecutionQuestion.of(pause, typed=typed) for pause in run.pauses],
            inputs=shown_values(run.starting_values, typed=typed) if with_values else None,
            context=shown_values(run.result, typed=typed) if with_values else None,
        )


class SteeringBody(RequestBody):
    """A request to steer a run.  `reason`: kept with the run."""

    reason: str = Field("", max_length=10_000, examples=["the payment service is down"])


class RetryBody(SteeringBody):
    """A request to retry a run.  `release`: "active" moves it to the release that new runs of its workflow take."""

    release: Literal["active"] | None = None


class ForkBody(RequestBody):
    """A new run that takes over what succeeded in another one, and runs `from_task` and all that comes after it.

    `context`: values that are set for it; `remove`: names that it will not see.
    """

    from_task: str = Field(examples=["charge"])
    context: dict[str, Any] = Field(default_factory=dict, examples=[{"amount": 900}])
    remove: list[str] = Field(default_factory=list, max_length=1000)


class AnswerBody(RequestBody):
    """An answer.  `pause_id`: the question, or the name of its answer; it may be left out if there is one question."""

    pause_id: str | None = None
    value: Any = Field(examples=[True])
