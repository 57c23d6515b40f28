"""The audit log: of a tenant, and of everything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request

from holdwater.server.api_routing import FOR_ADMINS, FOR_GOD, api_router
from holdwater.server.control.audit import NEWEST
from holdwater.server.control.tables import control_of
from holdwater.server.models.audit import AuditEntry, AuditPage
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor

TenantName = Annotated[str, Path(description="name of a tenant", examples=["acme"])]

router = api_router("audit", "/v1/audit")
tenant_router = api_router("audit", "/audit")


@router.get("", openapi_extra=FOR_GOD)
def list_audit(request: Request, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> AuditPage:
    """List what was asked for in all tenants and of the server, the newest first."""
    return _read_page(request, None, limit, cursor)


@tenant_router.get("", name="list_tenant_audit", openapi_extra=FOR_ADMINS)
def list_audit_of_tenant(
    request: Request, tenant: TenantName, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> AuditPage:
    """List what was asked for in a tenant, the newest first."""
    return _read_page(request, tenant, limit, cursor)


def _read_page(request: Request, tenant: str | None, limit: int, cursor: str | None) -> AuditPage:
    parts = ["audit", tenant or ""]
    before = NEWEST if cursor is None else decode_cursor(cursor, parts, (int,))[0]
    rows = control_of(request).audit.list(tenant, limit=limit + 1, before=before)
    items = [AuditEntry.of(row) for row in rows[:limit]]
    following = encode_cursor([items[-1].number], parts) if len(rows) > limit else None
    return AuditPage(items=items, total=len(items), next_cursor=following)
