"""The page of one run."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.operations.runs import show_run
from holdwater.server.rendering import render
from holdwater.server.run_paths import RunId
from holdwater.server.tenant_database import Tenant

router = APIRouter()

Tab = Literal["graph", "timeline", "tasks", "events", "context", "doctor"]


@router.get("/runs/{run_id}")
def run_page(
    request: Request, tenant: Tenant, run_id: RunId, tab: Tab = "graph", node: str | None = None
) -> HTMLResponse:
    """Show a run.  `node`: the selected node, shown beside the tab."""
    view = show_run(tenant.database.runs, run_id)
    return render(request, "run/run.html", tenant, section="runs", run=view, tab=tab, selected=node)
