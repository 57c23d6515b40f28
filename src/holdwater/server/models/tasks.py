"""Tasks of a run: the nodes of any authoring style, and their attempts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from holdwater.model.ids import parse_owner_id
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros
from holdwater.runs.nodes import AttemptView, ChildRun, NodeState, NodeView
from holdwater.runs.view import RunView
from holdwater.server.models.base import Instant, ItemList, to_instant
from holdwater.server.models.executions import ExecutionQuestion
from holdwater.server.models.values import plain_values

TaskStatus = Literal["pending", "ready", "running", "waiting", "completed", "failed", "skipped", "cancelled"]


class ExecutionTask(BaseModel):
    """One task.  `attempts`: those of its latest iteration.  `reason`: of a skip."""

    name: str
    kind: str
    status: TaskStatus
    started_at: Instant | None
    completed_at: Instant | None
    attempts: int
    iterations: int
    error: str | None
    category: str | None = Field(examples=["OSError"])
    reason: str | None
    deferred_until: Instant | None

    @classmethod
    def of(cls, node: NodeView) -> ExecutionTask:
        """Create it from a node of a run."""
        return cls(**_facts(node))


def _facts(node: NodeView) -> dict[str, Any]:
    return {
        "name": node.name,
        "kind": node.kind,
        "status": node.state.value,
        "started_at": to_instant(node.started_at),
        "completed_at": to_instant(node.ended_at),
        "attempts": node.attempt_count,
        "iterations": node.iterations,
        "error": node.error,
        "category": node.category,
        "reason": node.reason,
        "deferred_until": to_instant(node.deferred_until),
    }


class ListedTask(ExecutionTask):
    """One task, also in the words of clients of Cloacina's server.

    `attempt`: the number of its latest attempt; `max_attempts`: as its workflow was announced last; `sub_status`:
    of a running task, deferred while it waits for a timer.
    """

    id: str
    task_name: str
    attempt: int
    max_attempts: int
    sub_status: Literal["Active", "Deferred"] | None
    created_at: Instant
    updated_at: Instant
    last_error: str | None
    error_details: str | None

    @classmethod
    def of_node(cls, run: RunView, node: NodeView, max_attempts: int) -> ListedTask:
        """Create it from a node of a run."""
        created_at = run.info.created_at
        waits = node.state is NodeState.WAITING and node.deferred_until is not None
        is_active = node.state is NodeState.RUNNING
        return cls(
            **_facts(node),
            id=f"{run.id}:{node.name}",
            task_name=node.name,
            attempt=max(1, node.attempt_count),
            max_attempts=max(max_attempts, node.attempt_count),
            sub_status="Deferred" if waits else "Active" if is_active else None,
            created_at=to_instant(created_at),
            updated_at=to_instant(node.ended_at or node.started_at or created_at),
            last_error=node.error,
            error_details=node.traceback,
        )


class TaskList(ItemList):
    """All tasks of a run, in definition order."""

    list_name = "tasks"
    is_legacy_name = False

    tenant_id: str
    execution_id: str
    items: list[ListedTask]
    total: int


class TaskAttempt(BaseModel):
    """One attempt.  `outcome`: lost: its process died.  `runner`: `host:pid`, known while it runs."""

    number: int
    iteration: int
    outcome: Literal["running", "completed", "failed", "lost", "cancelled", "awaiting_input"]
    started_at: Instant | None
    ended_at: Instant | None
    runner: str | None
    error: str | None
    category: str | None
    traceback: str | None
    retry_at: Instant | None

    @classmethod
    def of(cls, attempt: AttemptView) -> TaskAttempt:
        """Create it from an attempt of a node."""
        return cls(
            number=attempt.number,
            iteration=attempt.iteration,
            outcome=attempt.outcome,
            started_at=to_instant(attempt.started_at),
            ended_at=to_instant(attempt.ended_at),
            runner=attempt.worker,
            error=attempt.error,
            category=attempt.category,
            traceback=attempt.traceback,
            retry_at=to_instant(attempt.retry_at),
        )


class ChildExecution(BaseModel):
    """A run that a task has started for one item.  `status`: "waiting" is not started yet."""

    execution_id: str
    index: int
    status: Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
    error: str

    @classmethod
    def of(cls, child: ChildRun) -> ChildExecution:
        """Create it from a child run."""
        return cls(execution_id=child.run_id, index=child.index, status=child.status, error=child.error)


class OutstandingWork(BaseModel):
    """A command of a run that is to be carried out.  `kind`: "children": to start and watch child runs.

    `due_at`: not before then.  `runner`: `host:pid` of the process that has it.  `is_held`: that process lives, as far
    as its lease says.  `has_started`: its function was seen to start.
    """

    task_name: str
    kind: Literal["execute", "timer", "children"]
    due_at: Instant
    runner: str | None
    is_held: bool
    has_started: bool

    @classmethod
    def of(cls, work: WorkRow, task_name: str, now: Micros) -> OutstandingWork:
        """Create it from a row of the queue."""
        host, pid = (None, None) if work.owner is None else parse_owner_id(work.owner)
        return cls(
            task_name=task_name,
            kind=work.kind,
            due_at=to_instant(work.due_at),
            runner=None if pid is None else f"{host}:{pid}",
            is_held=work.owner is not None and work.lease_until > now,
            has_started=work.started,
        )


class OutstandingWorkList(BaseModel):
    """All outstanding work of a run."""

    tenant_id: str
    execution_id: str
    items: list[OutstandingWork]
    total: int


class TaskDetail(ExecutionTask):
    """One task with the values it sees and has written, its attempts, and what it waits for."""

    tenant_id: str
    execution_id: str
    inputs: dict[str, Any]
    output: dict[str, Any]
    attempt_history: list[TaskAttempt]
    questions: list[ExecutionQuestion]
    children: list[ChildExecution]

    @classmethod
    def of_node(cls, tenant_id: str, run: RunView, name: str) -> TaskDetail:
        """Create it.  Raises TaskNotFound, StoreError."""
        node = run.node(name)
        return cls(
            **_facts(node),
            tenant_id=tenant_id,
            execution_id=run.id,
            inputs=plain_values(run.input_values(name)),
            output=plain_values(run.output_values(name)),
            attempt_history=[TaskAttempt.of(attempt) for attempt in node.attempts],
            questions=[
                ExecutionQuestion.of(pause)
                for pause in run.pauses
                if pause.asking_run_id == run.id and pause.name == name
            ],
            children=[ChildExecution.of(child) for child in run.fan_outs.get(name, ())],
        )
