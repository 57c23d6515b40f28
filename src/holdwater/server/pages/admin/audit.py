"""The audit log of the whole server."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.server.control.audit import NEWEST
from holdwater.server.pages.audit import Before, show_audit

router = APIRouter()


@router.get("/audit")
def server_audit_page(request: Request, before: Before = NEWEST) -> HTMLResponse:
    """Show what was asked for in all tenants and of the server, the newest first."""
    return show_audit(request, None, "admin/audit", before)
