"""The installation: runners, retention, checks, the server itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import APIRouter, Request

from holdwater import __version__
from holdwater.model.records import RunFilter
from holdwater.model.time import Micros
from holdwater.operations.pruning import prune_runs
from holdwater.operations.runners import list_runners
from holdwater.operations.runs import count_runs
from holdwater.operations.schedule_queries import parse_instant
from holdwater.operations.verification import verify_database
from holdwater.runs.verify.checker import Violation
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, ApiRoute, api_router, error_responses
from holdwater.server.errors import RequestError
from holdwater.server.models.executions import Count
from holdwater.server.models.server import (
    Pruned,
    RetentionBody,
    RetentionPreview,
    RunnerBody,
    RunnerList,
    ServerInfo,
    VerificationStatus,
    ViolationBody,
)
from holdwater.server.tenant_database import Tenant, TenantDatabase

MAX_VIOLATIONS: Final = 1000
MAINTENANCE_ERRORS: Final = CHANGE_ERRORS | error_responses(429)

router = api_router("installation")
server_router = APIRouter(
    prefix="/v1", tags=["installation"], route_class=ApiRoute, responses=error_responses(401, 414, 500, 503)
)


@router.get("/runners", name="list_runners")
def list_known_runners(tenant: Tenant) -> RunnerList:
    """List the runners of the database, the oldest first; those that are gone are listed for an hour."""
    items = [RunnerBody.of(runner) for runner in list_runners(tenant.database)]
    return RunnerList(tenant_id=tenant.tenant, items=items, total=len(items))


@router.post("/retention/preview", responses=CHANGE_ERRORS)
def preview_retention(tenant: Tenant, body: RetentionBody) -> RetentionPreview:
    """Count what a deletion of old runs would delete."""
    counted = count_runs(tenant.database.runs, RunFilter(top_level=True, ended_until=parse_instant(body.ended_before)))
    return RetentionPreview(
        tenant_id=tenant.tenant,
        counts={status: Count(count=one.count, more=one.is_capped) for status, one in counted.items()},
    )


@router.post("/retention/prune", responses=MAINTENANCE_ERRORS)
def prune_executions(tenant: Tenant, body: RetentionBody) -> Pruned:
    """Delete runs that ended before an instant, with their children, in many small transactions."""
    before: Micros = parse_instant(body.ended_before)
    database = writable_database(tenant)
    with _maintaining(tenant):
        return Pruned(tenant_id=tenant.tenant, pruned=prune_runs(database, before, body.keep))


@router.post("/verify", name="verify_database", responses=MAINTENANCE_ERRORS)
def verify(tenant: Tenant) -> VerificationStatus:
    """Check every run against the invariants of the engine; takes long on a large database."""
    found: list[Violation] = []
    with _maintaining(tenant):
        report = verify_database(
            tenant.database, lambda one: found.append(one) if len(found) < MAX_VIOLATIONS else None
        )
    return VerificationStatus(
        tenant_id=tenant.tenant,
        runs=report.runs,
        entries=report.entries,
        work=report.work,
        violations=report.violations,
        unstable=report.unstable,
        items=[ViolationBody(execution_id=one.run_id, invariant=one.invariant, message=one.message) for one in found],
    )


@contextmanager
def _maintaining(tenant: TenantDatabase) -> Iterator[None]:
    """Refuse what takes long while another one goes on: together they would keep other requests waiting.

    Raises RequestError.
    """
    if not tenant.maintenance.acquire(blocking=False):
        raise RequestError(
            429,
            "a check or a deletion of old runs is under way already",
            hint="it goes on even if its client is gone; try again when it has ended",
            headers={"retry-after": "5"},
        )
    try:
        yield
    finally:
        tenant.maintenance.release()


@server_router.get("/server")
def get_server(request: Request) -> ServerInfo:
    """Read about this server."""
    found: TenantDatabase = request.app.state.tenant_database
    return ServerInfo(
        version=__version__,
        database=found.database.store.url,
        tenants=[found.tenant],
        read_only=found.is_read_only,
        streams=request.app.state.streams.stream_count,
    )
