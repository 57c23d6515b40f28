"""The page of ops."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()


@router.get("/ops")
def ops_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show ops."""
    return render(request, "ops.html", tenant, section="ops")
