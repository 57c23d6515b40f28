"""The processes of the server: replicas with the tenants that are awake in them, and the hosts of packages of one."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.server.rendering import render, render_fragment
from holdwater.server.server_report import ServerReporter

router = APIRouter()

REPLICA_MARKS: Final[dict[str, MarkName]] = {"serving": "completed", "draining": "paused", "gone": "orphaned"}
ENGINE_MARKS: Final[dict[str, MarkName]] = {"working": "completed", "broken": "failed", "stuck": "orphaned"}


@router.get("/server")
def server_page(request: Request, fragment: str = "") -> HTMLResponse:
    """Show the replicas, and what is in the one that answers."""
    reporter: ServerReporter = request.app.state.reporter
    values: dict[str, Any] = {
        "section": "admin/server",
        "report": reporter.read(),
        "replica_marks": REPLICA_MARKS,
        "engine_marks": ENGINE_MARKS,
    }
    if fragment == "report":
        return render_fragment(request, "admin/report.html", None, **values)
    return render(request, "admin/server.html", **values)
