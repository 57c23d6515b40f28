"""The list of runs."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.model.records import RunFilter
from holdwater.operations.runs import list_runs
from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant

router = APIRouter()

PAGE_RUNS = 100


@router.get("/runs")
def runs_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show the newest runs."""
    found = list_runs(tenant.database.runs, RunFilter(top_level=True), PAGE_RUNS)
    return render(request, "runs/list.html", tenant, section="runs", runs=found)
