"""Runs, as `executions`: lists, one run, its tasks, events and children."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import StreamingResponse

from holdwater.errors import RunNotFound
from holdwater.events.stream import is_behind
from holdwater.model.records import RunFilter
from holdwater.operations.catalog import announced_attempts
from holdwater.operations.exporting import export_run
from holdwater.operations.runs import count_runs, find_run
from holdwater.runs.logs import LogReader
from holdwater.server.api_routing import api_router
from holdwater.server.legacy import LegacyLists
from holdwater.server.models.events import Event, EventPage
from holdwater.server.models.execution_query import ExecutionQuery
from holdwater.server.models.executions import ExecutionDetail, ExecutionPage
from holdwater.server.models.logs import LogLineBody, LogPageBody
from holdwater.server.models.tasks import ListedTask, OutstandingWork, OutstandingWorkList, TaskDetail, TaskList
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, Offset, read_page
from holdwater.server.positions import POSITION_PATTERN, parse_position
from holdwater.server.request_values import Typed
from holdwater.server.run_paths import RunId, TaskName, has_form_of_id
from holdwater.server.tenant_database import Tenant, TenantDatabase

MAX_ATTEMPT: Final = 1_000_000
EXPORT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "A JSON file."}
}

Attempt = Annotated[int | None, Query(ge=1, le=MAX_ATTEMPT, description="only lines of this attempt")]
LOG_CURSOR: Final = r"^[0-9]{1,15}\.[0-9]{1,15}$"
After = Annotated[str | None, Query(pattern=LOG_CURSOR, description="only lines behind this `cursor`")]
Values = Annotated[bool, Query(description="with values of users, up to 16 KiB each")]

router = api_router("executions", "/executions")


@router.get("")
def list_executions(tenant: Tenant, query: Annotated[ExecutionQuery, Query()]) -> ExecutionPage:
    """List runs, newest first."""
    which = query.to_run_filter()
    page = read_page(tenant, replace(which, limit=query.limit, offset=query.offset), query.cursor)
    counts = count_runs(tenant.database.runs, which) if query.count else None
    progress = tenant.database.runs.read_progress(page.runs) if query.progress else None
    return ExecutionPage.of(tenant.tenant, page, counts, progress)


@router.get("/{run_id}")
def get_execution(
    tenant: Tenant,
    run_id: RunId,
    context: Annotated[bool, Query(description="with `inputs` and `context`")] = False,
    typed: Typed = False,
    partial: Annotated[bool, Query(description="the id may be the beginning or the end of one, or `@last`")] = False,
) -> ExecutionDetail:
    """Read a run."""
    view = tenant.folded_runs.view(find_run(tenant.database.runs, run_id).id if partial else run_id)
    return ExecutionDetail.of_view(tenant.tenant, view, with_values=context, typed=typed)


@router.get("/{run_id}/tasks")
def list_tasks(tenant: Tenant, run_id: RunId) -> TaskList:
    """List the tasks of a run, in definition order."""
    run = tenant.folded_runs.view(run_id)
    attempts = announced_attempts(tenant.database, run.info.workflow)
    items = [ListedTask.of_node(run, node, attempts.get(node.name, 1)) for node in run.nodes]
    return TaskList(tenant_id=tenant.tenant, execution_id=run_id, items=items, total=len(items))


@router.get("/{run_id}/tasks/{task}")
def get_task(tenant: Tenant, run_id: RunId, task: TaskName) -> TaskDetail:
    """Read a task of a run: its values, its attempts, what it waits for."""
    return TaskDetail.of_node(tenant.tenant, tenant.folded_runs.view(run_id), task)


@router.get("/{run_id}/work")
def list_work(tenant: Tenant, run_id: RunId) -> OutstandingWorkList:
    """List what is to be carried out of a run, and the processes that have it."""
    nodes = tenant.folded_runs.view(run_id).plan.nodes
    now = tenant.database.clock.now()
    rows = tenant.database.store.work_of_run(run_id)
    items = [OutstandingWork.of(row, nodes[row.node].name, now) for row in rows]
    return OutstandingWorkList(tenant_id=tenant.tenant, execution_id=run_id, items=items, total=len(items))


@router.get("/{run_id}/events")
def list_events(
    tenant: Tenant,
    run_id: RunId,
    legacy_lists: LegacyLists,
    since: Annotated[
        str, Query(pattern=POSITION_PATTERN, description="only events behind this one: `7`, or `7.0` as in `id`")
    ] = "0",
    limit: Limit = DEFAULT_LIMIT,
    values: Values = False,
) -> EventPage:
    """List the events of a run in order."""
    position = parse_position(since)
    try:
        events = tenant.folded_runs.view(run_id).events
    except RunNotFound:
        if not (legacy_lists and has_form_of_id(run_id)):
            raise
        events = ()  # as clients of Cloacina's server expect it
    after = [event for event in events if is_behind(event, position)]
    items = [Event.of(event, with_values=values) for event in after[:limit]]
    return EventPage(
        tenant_id=tenant.tenant,
        execution_id=run_id,
        items=items,
        total=len(items),
        next_cursor=items[-1].id if len(after) > limit else None,
    )


@router.get("/{run_id}/children")
def list_children(
    tenant: Tenant, run_id: RunId, limit: Limit = DEFAULT_LIMIT, offset: Offset = 0, cursor: Cursor = None
) -> ExecutionPage:
    """List the runs that a run has started, newest first."""
    tenant.database.runs.row(run_id)
    which = RunFilter(parent_id=run_id, limit=limit, offset=offset)
    return ExecutionPage.of(tenant.tenant, read_page(tenant, which, cursor), None)


@router.get("/{run_id}/export", status_code=200, response_class=StreamingResponse, responses=EXPORT)
def export_execution(
    tenant: Tenant, run_id: RunId, logs: Annotated[bool, Query(description="with the log")] = True
) -> StreamingResponse:
    """Download a run as one JSON file: its row, plan, journal, queue and log, as they are recorded."""
    parts = export_run(tenant.database, run_id, with_logs=logs)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", run_id)[:100]
    disposition = f'attachment; filename="{name}.json"'
    return StreamingResponse(parts, media_type="application/json", headers={"content-disposition": disposition})


@router.get("/{run_id}/logs")
def list_log(
    tenant: Tenant,
    run_id: RunId,
    task: Annotated[str | None, Query(max_length=1000, description="only lines of this task")] = None,
    attempt: Attempt = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> LogPageBody:
    """List the lines that the tasks of a run have printed and logged, with the tracebacks of their failures."""
    return _log_page(tenant, run_id, task, attempt, after, limit)


@router.get("/{run_id}/tasks/{task}/logs")
def list_log_lines(
    tenant: Tenant,
    run_id: RunId,
    task: TaskName,
    attempt: Attempt = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
) -> LogPageBody:
    """List the lines that a task has printed and logged, with the tracebacks of its failures."""
    return _log_page(tenant, run_id, task, attempt, after, limit)


def _log_page(
    tenant: TenantDatabase, run_id: str, task: str | None, attempt: int | None, after: str | None, limit: int
) -> LogPageBody:
    page = LogReader(tenant.database.runs, run_id, task, attempt).read(after, limit)
    items = [LogLineBody.of(line) for line in page.lines]
    return LogPageBody(
        tenant_id=tenant.tenant,
        execution_id=run_id,
        items=items,
        total=len(items),
        cursor=page.cursor,
        has_more=page.has_more,
    )
