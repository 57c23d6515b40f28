"""The page of questions."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()


@router.get("/questions")
def questions_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show questions."""
    return render(request, "questions.html", tenant, section="questions")
