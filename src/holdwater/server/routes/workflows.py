"""Workflows: lists, one, its source, pausing it, and starting runs of it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header, Query, Request

from holdwater.errors import ReleaseNotFound
from holdwater.model.provenance import Provenance
from holdwater.model.releases import ReleaseState
from holdwater.operations import paused_workflows
from holdwater.operations.packaged_workflows import (
    find_packaged_workflow,
    list_packaged_workflows,
    resolve_workflow,
)
from holdwater.operations.paused_workflows import paused_names
from holdwater.operations.schedule_queries import list_schedules
from holdwater.operations.starting import start_by_name
from holdwater.packages.settings import ArchiveLimits
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, api_router
from holdwater.server.context_parts import CONTEXT_PART
from holdwater.server.models.workflows import (
    ExecuteBody,
    PausedWorkflowBody,
    SourceFileBody,
    StartedExecution,
    WorkflowBody,
    WorkflowDetail,
    WorkflowPage,
    WorkflowSource,
)
from holdwater.server.package_sources import read_package_source
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from holdwater.server.request_values import read_values
from holdwater.server.routes.steering import IdempotencyKey
from holdwater.server.run_paths import WorkflowName
from holdwater.server.tenant_database import Tenant

router = api_router("workflows", "/workflows")


PackageName = Annotated[str | None, Query(max_length=512, description="workflows of this package alone")]
State = Annotated[ReleaseState | None, Query(description="workflows of releases in this state, of any version")]
Version = Annotated[str | None, Query(max_length=64, description="version of the package; without it the active one")]
MAX_SCHEDULES: Final = 1_000
"""limit of the schedules among which those of a workflow are found"""


@router.get("", name="list_workflows")
def list_all_workflows(
    tenant: Tenant,
    package: PackageName = None,
    state: State = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> WorkflowPage:
    """List the workflows that can be started, by name; with `state` those of all releases in it."""
    parts = ["workflows", tenant.tenant, package or "", state or ""]
    first = 0 if cursor is None else decode_cursor(cursor, parts, (int,))[0]
    found = list_packaged_workflows(tenant.database, package=package, state=state)
    items = [WorkflowBody.of(one) for one in found[first : first + limit]]
    return WorkflowPage(
        tenant_id=tenant.tenant,
        items=items,
        total=len(items),
        next_cursor=encode_cursor([first + limit], parts) if len(found) > first + limit else None,
    )


@router.get("/{name}", name="get_workflow")
def get_one_workflow(tenant: Tenant, name: WorkflowName, version: Version = None) -> WorkflowDetail:
    """Read a workflow: its tasks, the JSON Schema of its inputs, and the versions of its package.

    `name` may be that of a package with one workflow.
    """
    found = find_packaged_workflow(tenant.database, name, version)
    schedules = list_schedules(tenant.database, limit=MAX_SCHEDULES)
    return WorkflowDetail.of_workflow(
        tenant.tenant,
        found,
        [one for one in schedules if one.workflow == found.info.name],
        is_paused=found.info.name in paused_names(tenant.database.store),
    )


@router.get("/{name}/source")
def get_workflow_source(tenant: Tenant, name: WorkflowName, version: Version = None) -> WorkflowSource:
    """Read the files of the package of a workflow; of text files of at most 1 MB the content, too."""
    release = find_packaged_workflow(tenant.database, name, version).release
    if release is None:
        raise ReleaseNotFound(f"workflow {name!r:.200} is of no package", hint="it is code of a runner")
    uploads = tenant.executed.uploads
    limits = ArchiveLimits() if uploads is None else uploads.limits
    files = read_package_source(tenant.database, release, limits)
    return WorkflowSource(
        tenant_id=tenant.tenant,
        id=release.release,
        workflow_name=name,
        package_name=release.package,
        version=release.version,
        release=release.release,
        files=[SourceFileBody.of(one) for one in files],
    )


@router.post("/{name}/pause", responses=CHANGE_ERRORS)
def pause_workflow(request: Request, tenant: Tenant, name: WorkflowName) -> PausedWorkflowBody:
    """Start no runs of a workflow until it is resumed, by schedules and triggers neither; open runs go on."""
    workflow = find_packaged_workflow(tenant.database, name).info.name
    paused_workflows.pause_workflow(writable_database(tenant), workflow, by=author_of(request))
    return PausedWorkflowBody.of(tenant.tenant, workflow, is_paused=True)


@router.post("/{name}/resume", responses=CHANGE_ERRORS)
def resume_workflow(request: Request, tenant: Tenant, name: WorkflowName) -> PausedWorkflowBody:
    """Start runs of a workflow again."""
    workflow = find_packaged_workflow(tenant.database, name).info.name
    paused_workflows.resume_workflow(writable_database(tenant), workflow, by=author_of(request))
    return PausedWorkflowBody.of(tenant.tenant, workflow, is_paused=False)


@router.post("/{name}/execute", status_code=202, responses=CHANGE_ERRORS, openapi_extra=CONTEXT_PART)
def execute_workflow(
    request: Request,
    tenant: Tenant,
    name: WorkflowName,
    body: ExecuteBody | None = None,
    idempotency_key: IdempotencyKey = None,
    traceparent: Annotated[str | None, Header(description="W3C Trace Context; the run belongs to this trace")] = None,
) -> StartedExecution:
    """Start a run of a workflow; any runner that has it takes it.  `name` may be that of a package with one workflow.

    A context of more than 16 MB comes as the part `context` of a body in parts, of 100 MB at most.
    """
    asked = body or ExecuteBody()
    workflow, release = resolve_workflow(tenant.database, name, asked.version)
    started = start_by_name(
        tenant.engine,
        workflow,
        read_values(asked.context),
        idempotency_key=idempotency_key,
        timeout_seconds=asked.timeout_seconds,
        provenance=Provenance("api", author_of(request), asked.labels, traceparent),
        release=release,
    )
    return StartedExecution(
        execution_id=started.info.id,
        workflow_name=started.info.workflow,
        tenant_id=tenant.tenant,
        status="scheduled" if started.is_new else started.info.status.value,
        is_new=started.is_new,
        release=started.info.release,
    )
