"""The audit log: of a tenant, and of everything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request

from holdwater.server.api_routing import FOR_ADMINS, FOR_GOD, api_router
from holdwater.server.control.audit import NEWEST
from holdwater.server.control.tables import control_of
from holdwater.server.models.audit import AuditEntry, AuditPage, AuditQuery
from holdwater.server.paging import decode_cursor, encode_cursor

TenantName = Annotated[str, Path(description="name of a tenant", examples=["acme"])]
Which = Annotated[AuditQuery, Query()]

router = api_router("audit", "/v1/audit")
tenant_router = api_router("audit", "/audit")


@router.get("", openapi_extra=FOR_GOD)
def list_audit(request: Request, which: Which) -> AuditPage:
    """List what was asked for in all tenants and of the server, the newest first."""
    return _read_page(request, None, which)


@tenant_router.get("", name="list_tenant_audit", openapi_extra=FOR_ADMINS)
def list_audit_of_tenant(request: Request, tenant: TenantName, which: Which) -> AuditPage:
    """List what was asked for in a tenant, the newest first."""
    return _read_page(request, tenant, which)


def _read_page(request: Request, tenant: str | None, which: AuditQuery) -> AuditPage:
    parts = ["audit", tenant or "", which.verb, which.outcome, which.author, which.since]
    before = NEWEST if which.cursor is None else decode_cursor(which.cursor, parts, (int,))[0]
    log = control_of(request).audit
    rows = log.list(tenant, which.to_audit_filter(), limit=which.limit + 1, before=before)
    items = [AuditEntry.of(row) for row in rows[: which.limit]]
    following = encode_cursor([items[-1].number], parts) if len(rows) > which.limit else None
    return AuditPage(items=items, total=len(items), next_cursor=following)
