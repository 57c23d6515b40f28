"""Results of executions of workflows of steps."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdwater.model import events as ev
from holdwater.model.statuses import RunStatus
from holdwater.model.time import from_datetime, to_datetime, to_rfc3339
from holdwater.runners.steps.attempts import StepAttempt, encoded_output_size, iter_attempts
from holdwater.runners.steps.visibility import strip_internal_keys
from holdwater.runs.nodes import NodeState
from holdwater.runs.view import RunView
from holdwater.steps import StepsRunData, Workflow, WorkflowContext

WorkflowStatus = RunStatus
"""No execution of steps is ever `PARTIAL`: a step that failed under CONTINUE leaves its run completed, with
`failed_steps`; `PAUSED` and `CANCELLED` are shown as `STOPPED`."""


class StepStatus(StrEnum):
    """Status of a step."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One step of an execution.  `duration_ms`: of its last attempt.  `output_size`: bytes of its encoded output.

    `error`, `error_category` and `traceback` are those of its last attempt if that failed.
    """

    name: str
    step_type: str
    status: StepStatus
    duration_ms: float
    attempts: int
    output_size: int
    error: str | None = None
    error_category: str | None = None
    started_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    traceback: str | None = None

    @property
    def step_name(self) -> str:
        return self.name

    @property
    def duration_seconds(self) -> float:
        return self.duration_ms / 1000


StepExecution = StepMetrics


class WorkflowResult:
    """A run and what this execution of it came to.

    `status`: a WorkflowStatus.  `context`: the final context, everything the run has.  `completed_steps`,
    `skipped_steps`, `failed_steps` and `step_metrics` are of this execution only: after a resume, of what was done
    since.  `total_steps`: of the workflow.  `error_step`, `error`, `error_category`, `traceback`: of the step that
    failed the run, else of the first that failed under CONTINUE.  `duration_ms`: from the beginning of this execution.
    """

    def __init__(
        self, run: RunView, workflow: Workflow | None = None, first_entry: int = 0, *, is_live: bool = False
    ) -> None:
        """`first_entry`: of the journal, where this execution began.  `is_live`: what has not ended is running."""
        data = run.data
        assert isinstance(data, StepsRunData)
        info, journal = run.info, run.journal
        self.run_id: str = info.id
        self.workflow_name: str = info.workflow
        self.status = _to_workflow_status(info.status, is_live)
        self.reason: str | None = info.reason
        self.total_steps: int = len(run.plan.nodes)
        self.context: WorkflowContext = strip_internal_keys(
            data.final_view().make_context(info.id, info.workflow, info.created_at)
        )
        self.step_metrics: list[StepMetrics] = _collect_step_metrics(run, workflow, first_entry)
        self.completed_steps: list[str] = [m.name for m in self.step_metrics if m.status is StepStatus.COMPLETED]
        self.skipped_steps: list[str] = [m.name for m in self.step_metrics if m.status is StepStatus.SKIPPED]
        self.failed_steps: list[str] = [m.name for m in self.step_metrics if m.status is StepStatus.FAILED]
        self.error_step, self.error, self.error_category = _failed_step(run)
        failed = (m.traceback for m in self.step_metrics if m.name == self.error_step)
        self.traceback: str | None = next(failed, None)
        began = journal[first_entry].recorded_at if first_entry < len(journal) else info.created_at
        ended = info.finished_at or (journal[-1].recorded_at if journal else info.created_at)
        self.started_at: dt.datetime = to_datetime(began)
        self.completed_at: dt.datetime | None = None if info.finished_at is None else to_datetime(info.finished_at)
        self.duration_ms: float = max(0, ended - began) / 1000

    step_executions = property(lambda self: self.step_metrics)

    @property
    def duration_seconds(self) -> float:
        return self.duration_ms / 1000

    @property
    def partition(self) -> dict[str, Any]:
        """The partition given to the run."""
        return self.context.partition.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """Plain data; times in RFC 3339."""
        return {
            "run_id": self.run_id,
            "workflow_name": self.workflow_name,
            "status": str(self.status),
            "completed_steps": list(self.completed_steps),
            "skipped_steps": list(self.skipped_steps),
            "failed_steps": list(self.failed_steps),
            "total_steps": self.total_steps,
            "error_step": self.error_step,
            "error": self.error,
            "error_category": self.error_category,
            "traceback": self.traceback,
            "reason": self.reason,
            "started_at": to_rfc3339(from_datetime(self.started_at)),
            "completed_at": None if self.completed_at is None else to_rfc3339(from_datetime(self.completed_at)),
            "duration_ms": self.duration_ms,
            "context": self.context.to_dict(),
        }

    def __repr__(self) -> str:
        status = str(self.status)
        return f"WorkflowResult({self.workflow_name!r}, {self.run_id!r}, status={status!r}, error={self.error!r})"


def _to_workflow_status(run_status: str, is_live: bool) -> RunStatus:
    if run_status in (RunStatus.COMPLETED, RunStatus.FAILED) or (is_live and run_status == RunStatus.RUNNING):
        return RunStatus(run_status)
    return RunStatus.STOPPED


def _failed_step(run: RunView) -> tuple[str | None, str | None, str | None]:
    """Return the step that failed, its error and category."""
    if run.failure is not None:
        halted = next((node.name for node in run.nodes if node.is_halted), None)
        return halted, run.failure.message, run.failure.category
    failed = [i for i, node in enumerate(run.nodes) if node.state is NodeState.FAILED and node.failure is not None]
    if not failed:
        return None, None, None
    first = run.nodes[min(failed, key=lambda i: (run.plan.nodes[i].on_error == "ignore", i))]
    assert first.failure is not None
    return first.name, first.failure.message, first.failure.category


def _collect_step_metrics(run: RunView, workflow: Workflow | None, first_entry: int) -> list[StepMetrics]:
    """Collect the metrics of steps that ended in this execution, in the order of the workflow."""
    tried: dict[int, list[StepAttempt]] = {}
    for attempt in iter_attempts(run, first_entry):
        tried.setdefault(attempt.node_index, []).append(attempt)
    found = []
    passed = _skipped_nodes(run, first_entry)
    for i, node in enumerate(run.plan.nodes):
        step = None if workflow is None else workflow.get_step(node.name)
        kind = "" if step is None else str(step.step_type)
        if i in tried:
            found.append(_metrics_from_attempts(node.name, kind, tried[i]))
        elif i in passed:
            found.append(StepMetrics(node.name, kind, StepStatus.SKIPPED, 0.0, 0, 0))
    return found


def _metrics_from_attempts(name: str, step_type: str, step_attempts: list[StepAttempt]) -> StepMetrics:
    last = step_attempts[-1]
    delta, event = last.delta, last.event
    status, error, category, traceback = StepStatus.FAILED, None, None, None
    if isinstance(event, ev.Failed):
        error, category, traceback = event.error, event.kind, event.traceback or None
    elif delta is not None:
        status = StepStatus.COMPLETED if delta.skipped is None else StepStatus.SKIPPED
    return StepMetrics(
        name,
        step_type,
        status,
        last.duration_ms,
        len(step_attempts),
        0 if delta is None else encoded_output_size(delta),
        error,
        category,
        to_datetime(step_attempts[0].started_at),
        to_datetime(last.ended_at),
        traceback,
    )


def _skipped_nodes(run: RunView, first_entry: int) -> set[int]:
    """Return the steps skipped by decisions of this execution."""
    index = {node.name: i for i, node in enumerate(run.plan.nodes)}
    found: set[int] = set()
    for entry in run.journal[first_entry:]:
        if isinstance(entry.event, ev.Succeeded):
            pairs = entry.event.decision or ()
            for first, last in zip(pairs[::2], pairs[1::2]):
                found.update(range(index[first], index[last] if last else len(index)))
    return found
