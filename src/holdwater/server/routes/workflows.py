"""Workflows that runners have announced: lists, one, its picture, and starting runs of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from holdwater.model.provenance import Provenance
from holdwater.operations.catalog import get_workflow, list_workflows
from holdwater.operations.starting import start_by_name
from holdwater.server.api_routing import CHANGE_ERRORS, api_router
from holdwater.server.context_parts import CONTEXT_PART
from holdwater.server.models.workflows import ExecuteBody, StartedExecution, WorkflowBody, WorkflowDetail, WorkflowPage
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from holdwater.server.request_values import read_values
from holdwater.server.routes.steering import BY_API, IdempotencyKey
from holdwater.server.run_paths import WorkflowName
from holdwater.server.tenant_database import Tenant

router = api_router("workflows", "/workflows")


@router.get("", name="list_workflows")
def list_announced_workflows(tenant: Tenant, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> WorkflowPage:
    """List the workflows that runners have announced, by name."""
    after = "" if cursor is None else decode_cursor(cursor, "workflows", (str,))[0]
    found = list_workflows(tenant.database, limit=limit + 1, after=after)
    items = [WorkflowBody.of(workflow) for workflow in found[:limit]]
    return WorkflowPage(
        tenant_id=tenant.tenant,
        items=items,
        total=len(items),
        next_cursor=encode_cursor([items[-1].name], "workflows") if len(found) > limit else None,
    )


@router.get("/{name}", name="get_workflow")
def get_announced_workflow(tenant: Tenant, name: WorkflowName) -> WorkflowDetail:
    """Read a workflow: its tasks, and the JSON Schema of its inputs."""
    return WorkflowDetail.of_workflow(tenant.tenant, get_workflow(tenant.database, name))


@router.post("/{name}/execute", status_code=202, responses=CHANGE_ERRORS, openapi_extra=CONTEXT_PART)
def execute_workflow(
    tenant: Tenant,
    name: WorkflowName,
    body: ExecuteBody | None = None,
    idempotency_key: IdempotencyKey = None,
    traceparent: Annotated[str | None, Header(description="W3C Trace Context; the run belongs to this trace")] = None,
) -> StartedExecution:
    """Start a run of a workflow; any runner that has it takes it.

    A context of more than 16 MB comes as the part `context` of a body in parts, of 100 MB at most.
    """
    asked = body or ExecuteBody()
    started = start_by_name(
        tenant.engine,
        name,
        read_values(asked.context),
        idempotency_key=idempotency_key,
        timeout_seconds=asked.timeout_seconds,
        provenance=Provenance("api", BY_API, asked.labels, traceparent),
    )
    return StartedExecution(
        execution_id=started.info.id,
        workflow_name=started.info.workflow,
        tenant_id=tenant.tenant,
        status="scheduled" if started.is_new else started.info.status.value,
        is_new=started.is_new,
    )
