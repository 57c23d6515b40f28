"""The page of workflows."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()


@router.get("/workflows")
def workflows_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show workflows."""
    return render(request, "workflows.html", tenant, section="workflows")
