"""Bulk jobs: the same is done to many runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request

from holdwater.operations.bulk_jobs import (
    create_bulk_job,
    get_bulk_job,
    list_bulk_jobs,
    preview_bulk_job,
    stop_bulk_job,
)
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, FOR_READERS, api_router
from holdwater.server.models.bulk import BulkBody, BulkList, BulkPreview, BulkSelection, BulkStatus
from holdwater.server.models.executions import Count
from holdwater.server.routes.steering import IdempotencyKey
from holdwater.server.run_paths import RUN
from holdwater.server.tenant_database import Tenant

router = api_router("bulk")


BulkId = Annotated[str, Path(max_length=100, description="`bulk_id` of a bulk job", examples=[RUN])]


@router.post("/executions/bulk", status_code=202, responses=CHANGE_ERRORS)
def start_bulk(request: Request, tenant: Tenant, body: BulkBody, idempotency_key: IdempotencyKey = None) -> BulkStatus:
    """Cancel, pause, resume, retry or forget many runs; a run it does not fit is left as it is.

    The runs are those that match now.  The job goes on after this answer, also after a restart of the server.
    """
    database = writable_database(tenant)
    job = create_bulk_job(
        database, body.verb, body.to_selection(), body.reason, by=author_of(request), idempotency_key=idempotency_key
    )
    tenant.bulk_worker.start()
    return BulkStatus.of(tenant.tenant, job)


@router.post("/executions/bulk/preview", responses=CHANGE_ERRORS, openapi_extra=FOR_READERS)
def preview_bulk(tenant: Tenant, body: BulkSelection) -> BulkPreview:
    """Count the runs that a bulk job would look at, by status, up to 10,000 each."""
    counted = preview_bulk_job(tenant.database, body.to_selection())
    counts = {status: Count(count=one.count, more=one.is_capped) for status, one in counted.items()}
    return BulkPreview(tenant_id=tenant.tenant, counts=counts)


@router.get("/bulk")
def list_bulks(
    tenant: Tenant, limit: Annotated[int, Query(ge=1, le=1000, description="number of jobs")] = 100
) -> BulkList:
    """List bulk jobs, the newest first."""
    items = [BulkStatus.of(tenant.tenant, job) for job in list_bulk_jobs(tenant.database, limit)]
    return BulkList(tenant_id=tenant.tenant, items=items, total=len(items))


@router.get("/bulk/{bulk_id}")
def get_bulk(tenant: Tenant, bulk_id: BulkId) -> BulkStatus:
    """Read a bulk job, and how far it is."""
    job = get_bulk_job(tenant.database, bulk_id)
    if job.state == "running":
        tenant.bulk_worker.start()  # the process that executed it may have died
    return BulkStatus.of(tenant.tenant, job)


@router.delete("/bulk/{bulk_id}", responses=CHANGE_ERRORS)
def stop_bulk(tenant: Tenant, bulk_id: BulkId) -> BulkStatus:
    """Stop a bulk job; what it has done stays."""
    return BulkStatus.of(tenant.tenant, stop_bulk_job(writable_database(tenant), bulk_id))
