"""Bulk jobs on the page of ops: the latest, how far they are, and stopping one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from holdwater.operations.bulk_jobs import stop_bulk_job
from holdwater.server.acts import act_and_redirect, page_url, writable_database
from holdwater.server.notices import Notice
from holdwater.server.presentation import pluralize
from holdwater.server.tenant_database import Tenant

router = APIRouter()

SHOWN_JOBS: Final = 10


@router.post("/ops/bulk/{bulk_id}/stop")
def stop_bulk(request: Request, tenant: Tenant, bulk_id: str) -> Response:
    """Stop a bulk job; what it has done stays."""

    def act() -> Notice:
        job = stop_bulk_job(writable_database(tenant), bulk_id)
        return Notice(f"Stopped: {pluralize(job.left_count, 'run')} were not looked at.")

    return act_and_redirect(request, page_url(request, tenant, "/ops"), act)
