"""Results of runs of task workflows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from holdwater.model.statuses import STATUS_LABELS, RunStatus
from holdwater.model.time import to_rfc3339, to_rfc3339_or_none
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.runs.activity import Activity
from holdwater.runs.info import RunInfo
from holdwater.runs.nodes import NodeView
from holdwater.runs.view import RunView
from holdwater.tasks import Context


def describe_activity(activity: Activity) -> str:
    """Describe an activity in words."""
    where = "" if activity.pid is None else f"{activity.host}:{activity.pid}"
    match activity.state:
        case "running" if where:
            return f"running on {where}"
        case "orphaned" if where:
            return f"orphaned by {where}"
        case "waiting":
            return f"waiting until {to_rfc3339_or_none(activity.waiting_until)}"
        case "waiting for an answer":
            return f"waits for {activity.answer_name or 'an answer'}"
    return activity.state


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task of a run.  `status`: Pending, Ready, Running, Waiting, Completed, Failed, Skipped or Cancelled.

    `duration`: of a question, until it was asked.

    `iterations`: how often it was executed: more than once in a loop, or because of new inputs; `attempt_count`:
    attempts of the latest one.  `error_message` and `traceback` are those of its last attempt if that failed; the
    traceback is text, bounded, with causes and notes.  None: there is none.
    """

    task_name: str
    status: str
    start_time: str | None
    end_time: str | None
    duration: timedelta | None
    attempt_count: int
    error_message: str | None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    traceback: str | None = None
    iterations: int = 0


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The head of a run, as `list_runs` gives it.

    `activity`: of a run that is Running: "queued", "running on HOST:PID", "waiting until INSTANT" (RFC 3339, UTC),
    "waiting for child runs", or "orphaned": its process died or lost its lease, and the next runner takes it over.
    Of a run that is Paused: "waits for NAME" if an answer is all it waits for.  None for every other run.
    `origin`: api, cli, code, cron, trigger, child or fork; `started_by`: its author.
    `release`: of the package it is pinned to, None for code of a runner's own process.
    """

    run_id: str
    workflow_name: str
    status: str
    start_time: str
    end_time: str | None
    error_message: str | None
    reason: str | None
    idempotency_key: str | None
    workflow_version: str
    code_version: str
    forked_from: str | None = None
    parent_run_id: str | None = None
    activity: str | None = None
    origin: str = ""
    started_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    release: str | None = None

    @classmethod
    def from_info(cls, run: RunInfo) -> RunSummary:
        return cls(
            run_id=run.id,
            workflow_name=run.workflow,
            status=STATUS_LABELS[run.status],
            start_time=to_rfc3339(run.created_at),
            end_time=to_rfc3339_or_none(run.finished_at),
            error_message=run.error,
            reason=run.reason,
            idempotency_key=run.idempotency_key,
            workflow_version=run.structure,
            code_version=run.code,
            forked_from=run.forked_from,
            parent_run_id=run.parent_id,
            activity=None
            if run.activity is None
            or (run.status != RunStatus.RUNNING and run.activity.state != "waiting for an answer")
            else describe_activity(run.activity),
            origin=run.origin,
            started_by=run.started_by,
            labels=dict(run.labels),
            release=run.release,
        )


class PipelineResult:
    """A run and what it came to.

    `status`: Running, Paused, Completed, Failed or Cancelled.  Times are RFC 3339 strings, `duration` a timedelta.
    `final_context` is a fresh copy at each access.
    """

    def __init__(self, run: RunView) -> None:
        self._run = run

    @property
    def run_id(self) -> str:
        return self._run.info.id

    execution_id = run_id

    @property
    def workflow_name(self) -> str:
        return self._run.info.workflow

    @property
    def status(self) -> str:
        return STATUS_LABELS[self._run.status]

    @property
    def start_time(self) -> str:
        return to_rfc3339_or_none(self._run.info.created_at) or ""

    @property
    def end_time(self) -> str | None:
        return to_rfc3339_or_none(self._run.info.finished_at)

    @property
    def duration(self) -> timedelta | None:
        finished = self._run.info.finished_at
        return None if finished is None else timedelta(microseconds=finished - self._run.info.created_at)

    @property
    def error_message(self) -> str | None:
        """The failed task, the exception type and the message; None on success."""
        return self._run.info.error

    @property
    def traceback(self) -> str | None:
        """The traceback of the first task that failed the run; None if there is none."""
        if self.status != "Failed":
            return None
        return next((t.traceback for t in self.task_results if t.status == "Failed" and t.traceback), None)

    @property
    def reason(self) -> str | None:
        """The reason given with a pause or a cancel; None if none was given."""
        return self._run.info.reason

    @property
    def forked_from(self) -> str | None:
        """The run this one took its beginning from."""
        return self._run.info.forked_from

    @property
    def parent_run_id(self) -> str | None:
        """The run that started this one."""
        return self._run.info.parent_id

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels it was started with, by key."""
        return self._run.info.labels

    @property
    def origin(self) -> str:
        """The door it was started through: api, cli, code, cron, trigger, child or fork; "" if not recorded."""
        return self._run.info.origin

    @property
    def started_by(self) -> str:
        """Its author, as `cli:alice`, `schedule:nightly` or `code`; "" if not recorded."""
        return self._run.info.started_by

    @property
    def release(self) -> str | None:
        """The release of the package it is pinned to; None for code of a runner's own process."""
        return self._run.info.release

    @property
    def final_context(self) -> Context:
        """The context the run ended with (so far): the leaves merged in definition order."""
        return Context.from_stored(self._run.result)

    def to_plain_context(self) -> dict[str, Any]:
        """Convert the final context to plain JSON data, in any process: no class of its values need be here."""
        return {key: to_plain_json(value.tree) for key, value in self._run.result.items()}

    @property
    def task_results(self) -> list[TaskResult]:
        """Every task, in definition order."""
        return [_to_task_result(node) for node in self._run.nodes]

    @property
    def notes(self) -> list[str]:
        """Failures of observers (callbacks), which never fail a run."""
        return [note for entry in self._run.journal for note in entry.observer_errors]

    @property
    def summary(self) -> RunSummary:
        return RunSummary.from_info(self._run.info)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data: summary, tasks and final context."""
        from dataclasses import asdict

        tasks = []
        for t in self.task_results:
            row = asdict(t)
            row["duration"] = None if t.duration is None else t.duration.total_seconds()
            row["notes"] = list(t.notes)
            tasks.append(row)
        return {**asdict(self.summary), "tasks": tasks}

    def __repr__(self) -> str:
        name, run = type(self).__name__, f"{self.workflow_name!r}, {self.run_id!r}"
        return f"{name}({run}, status={self.status!r}, error={self.error_message!r})"


def _to_task_result(node: NodeView) -> TaskResult:
    ended_at = node.ended_at
    if node.attempts and node.attempts[-1].outcome == "awaiting_input":
        ended_at = node.attempts[-1].ended_at  # the time until the answer is that of a person
    took = None if node.started_at is None or ended_at is None else timedelta(microseconds=ended_at - node.started_at)
    return TaskResult(
        task_name=node.name,
        status=node.state.capitalize(),
        start_time=to_rfc3339_or_none(node.started_at),
        end_time=to_rfc3339_or_none(node.ended_at),
        duration=took,
        attempt_count=node.attempt_count,
        iterations=node.iterations,
        error_message=node.error,
        reason=node.reason,
        notes=node.notes,
        traceback=node.traceback,
    )
