"""Workflows that runners have announced."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from holdwater.operations.catalog import WorkflowInfo, WorkflowNodeInfo
from holdwater.server.models.base import Instant, Page, RequestBody, to_instant
from holdwater.server.models.executions import ExecutionStatus


class WorkflowBody(BaseModel):
    """An announced workflow.  `style`: null if an older version has announced its name only: it cannot be started here.

    `runners`: names of living runners that take its runs.  `structure`, `code`: fingerprints of its plan and its
    functions.  `release`: the active one of its package.  `inputs_schema`: JSON Schema of its inputs.
    """

    name: str = Field(examples=["orders"])
    style: str | None
    description: str
    tags: list[str]
    runners: list[str]
    structure: str | None
    code: str | None
    release: str | None
    inputs_schema: Any
    registered_at: Instant
    seen_at: Instant

    @classmethod
    def of(cls, workflow: WorkflowInfo) -> WorkflowBody:
        """Create it from an announced workflow."""
        return cls(**_facts(workflow))


def _facts(workflow: WorkflowInfo) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "style": workflow.style,
        "description": workflow.description,
        "tags": list(workflow.tags),
        "runners": list(workflow.runners),
        "structure": workflow.structure,
        "code": workflow.code,
        "release": workflow.release,
        "inputs_schema": workflow.inputs_schema,
        "registered_at": to_instant(workflow.registered_at),
        "seen_at": to_instant(workflow.seen_at),
    }


class WorkflowPage(Page):
    """Announced workflows, by name."""

    list_name = "workflows"

    items: list[WorkflowBody]


class WorkflowTask(BaseModel):
    """A task of a workflow.  `retry`: what differs from the defaults; `answer_schema`: of the question it asks.

    `branches`: of a gate or a jump, names of the tasks it may lead to ("": the end) -> the decision that does.
    """

    name: str
    kind: str
    full_name: str
    is_async: bool
    executor: str | None
    timeout_seconds: float | None
    retry: dict[str, Any] | None
    description: str | None
    source_file: str | None
    source_line: int | None
    answer_schema: Any
    child_workflow: str | None
    branches: dict[str, str] | None

    @classmethod
    def of(cls, node: WorkflowNodeInfo) -> WorkflowTask:
        """Create it from a node of an announced workflow."""
        return cls(
            name=node.name,
            kind=node.kind,
            full_name=node.full_name,
            is_async=node.is_async,
            executor=node.executor,
            timeout_seconds=node.timeout_seconds,
            retry=node.retry,
            description=node.doc,
            source_file=node.source_file,
            source_line=node.source_line,
            answer_schema=node.answer_schema,
            child_workflow=node.child_workflow,
            branches=node.branches,
        )


class WorkflowDetail(WorkflowBody):
    """An announced workflow with its tasks.  `plan`: as runs of it record it."""

    tenant_id: str
    tasks: list[WorkflowTask]
    plan: Any

    @classmethod
    def of_workflow(cls, tenant_id: str, workflow: WorkflowInfo) -> WorkflowDetail:
        """Create it."""
        return cls(
            **_facts(workflow),
            tenant_id=tenant_id,
            tasks=[WorkflowTask.of(node) for node in workflow.nodes],
            plan=None if workflow.plan is None else workflow.plan.to_data(),
        )


class ExecuteBody(RequestBody):
    """A new run.  `context`: its inputs by name; `timeout_seconds`: its time limit, null for none."""

    context: dict[str, Any] = Field(default_factory=dict, examples=[{"order_id": 17}])
    labels: dict[str, str] = Field(default_factory=dict, max_length=32, examples=[{"env": "prod"}])
    timeout_seconds: float | None = Field(3600.0, gt=0, le=3_155_760_000)


class StartedExecution(BaseModel):
    """A run that is recorded, and that a runner takes when it has room.

    `status`: scheduled; that of the run if its key has found it (`is_new` is false).
    """

    execution_id: str
    workflow_name: str
    tenant_id: str
    status: Literal["scheduled"] | ExecutionStatus
    is_new: bool
