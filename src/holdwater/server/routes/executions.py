"""Runs, as `executions`: lists, one run, its tasks, events and children."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from holdwater.events.stream import is_behind
from holdwater.model.records import RunFilter
from holdwater.operations.runs import list_runs
from holdwater.server.api_routing import api_router
from holdwater.server.models.events import Event, EventPage
from holdwater.server.models.execution_query import ExecutionQuery
from holdwater.server.models.executions import Execution, ExecutionDetail, ExecutionPage
from holdwater.server.models.tasks import Task, TaskDetail, TaskList
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from holdwater.server.positions import POSITION_PATTERN, parse_position
from holdwater.server.routes.execution_filters import count_executions, list_executions_page
from holdwater.server.run_paths import RunId, TaskName
from holdwater.server.tenant_database import Tenant

router = api_router("executions", "/executions")


@router.get("")
def list_executions(tenant: Tenant, query: Annotated[ExecutionQuery, Query()]) -> ExecutionPage:
    """List runs, newest first."""
    items, next_cursor = list_executions_page(tenant.database.runs, query)
    return ExecutionPage(
        tenant_id=tenant.tenant,
        items=[Execution.of(run) for run in items],
        total=len(items),
        next_cursor=next_cursor,
        counts=count_executions(tenant.database.runs, query) if query.count else None,
    )


@router.get("/{run_id}")
def get_execution(
    tenant: Tenant,
    run_id: RunId,
    context: Annotated[bool, Query(description="with `inputs` and `context`")] = False,
) -> ExecutionDetail:
    """Read a run."""
    return ExecutionDetail.of_view(tenant.tenant, tenant.folded_runs.view(run_id), with_values=context)


@router.get("/{run_id}/tasks")
def list_tasks(tenant: Tenant, run_id: RunId) -> TaskList:
    """List the tasks of a run, in definition order."""
    items = [Task.of(node) for node in tenant.folded_runs.view(run_id).nodes]
    return TaskList(tenant_id=tenant.tenant, execution_id=run_id, items=items, total=len(items))


@router.get("/{run_id}/tasks/{task}")
def get_task(tenant: Tenant, run_id: RunId, task: TaskName) -> TaskDetail:
    """Read a task of a run: its values, its attempts, what it waits for."""
    return TaskDetail.of_node(tenant.tenant, tenant.folded_runs.view(run_id), task)


@router.get("/{run_id}/events")
def list_events(
    tenant: Tenant,
    run_id: RunId,
    since: Annotated[
        str, Query(pattern=POSITION_PATTERN, description="only events behind this one: `7`, or `7.0` as in `id`")
    ] = "0",
    limit: Limit = DEFAULT_LIMIT,
) -> EventPage:
    """List the events of a run in order."""
    position = parse_position(since)
    events = tenant.folded_runs.view(run_id).events
    after = [event for event in events if is_behind(event, position)]
    items = [Event.of(event) for event in after[:limit]]
    return EventPage(
        tenant_id=tenant.tenant,
        execution_id=run_id,
        items=items,
        total=len(items),
        next_cursor=items[-1].id if len(after) > limit else None,
    )


@router.get("/{run_id}/children")
def list_children(tenant: Tenant, run_id: RunId, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> ExecutionPage:
    """List the runs that a run has started, newest first."""
    tenant.database.runs.row(run_id)
    parts = ["children", run_id]
    before = None if cursor is None else decode_cursor(cursor, parts, (str,))[0]
    found = list_runs(tenant.database.runs, RunFilter(parent_id=run_id, before_id=before), limit + 1)
    items = [Execution.of(run) for run in found[:limit]]
    return ExecutionPage(
        tenant_id=tenant.tenant,
        items=items,
        total=len(items),
        next_cursor=encode_cursor([items[-1].id], parts) if len(found) > limit else None,
    )
