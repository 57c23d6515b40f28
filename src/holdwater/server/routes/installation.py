"""The installation: runners, checks, the server itself."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from holdwater import __version__
from holdwater.operations.runners import list_runners
from holdwater.operations.verification import verify_database
from holdwater.runs.verify.checker import Violation
from holdwater.server.api_routing import ApiRoute, api_router, error_responses
from holdwater.server.maintenance import MAINTENANCE_ERRORS, maintaining
from holdwater.server.models.server import (
    RunnerBody,
    RunnerList,
    ServerInfo,
    VerificationStatus,
    ViolationBody,
)
from holdwater.server.tenant_database import Tenant, TenantDatabase

MAX_VIOLATIONS: Final = 1000

router = api_router("installation")
server_router = APIRouter(
    prefix="/v1", tags=["installation"], route_class=ApiRoute, responses=error_responses(401, 403, 414, 429, 500, 503)
)


@router.get("/runners", name="list_runners")
def list_known_runners(tenant: Tenant) -> RunnerList:
    """List the runners of the database, the oldest first; those that are gone are listed for an hour."""
    items = [RunnerBody.of(runner) for runner in list_runners(tenant.database)]
    return RunnerList(tenant_id=tenant.tenant, items=items, total=len(items))


@router.post("/verify", name="verify_database", responses=MAINTENANCE_ERRORS)
def verify(tenant: Tenant) -> VerificationStatus:
    """Check every run against the invariants of the engine; takes long on a large database."""
    found: list[Violation] = []
    with maintaining(tenant):
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


@server_router.get("/server")
def get_server(request: Request) -> ServerInfo:
    """Read about this server."""
    found: TenantDatabase = request.app.state.tenants.only
    return ServerInfo(
        version=__version__,
        database=found.database.store.url,
        tenants=[found.tenant],
        read_only=found.is_read_only,
        streams=found.streams.stream_count,
    )
