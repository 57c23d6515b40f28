"""The page of schedules."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()


@router.get("/schedules")
def schedules_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show schedules."""
    return render(request, "schedules.html", tenant, section="schedules")
