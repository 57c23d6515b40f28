"""The page of ops."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from holdwater.drawing.marks import MarkName
from holdwater.operations.bulk_jobs import list_bulk_jobs
from holdwater.operations.doctor import diagnose_installation
from holdwater.operations.pruning import get_retention
from holdwater.operations.runners import RunnerInfo, list_runners
from holdwater.server.access import caller_of
from holdwater.server.command_lines import command_line
from holdwater.server.pages.ops.bulk import SHOWN_JOBS
from holdwater.server.pages.ops.retention import DEFAULT_DAYS, MAX_DAYS, preview
from holdwater.server.pages.ops.verification import job_of
from holdwater.server.pages.run.doctor import show_finding
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant

router = APIRouter()

_RUNNER_MARKS: Final[dict[str, MarkName]] = {
    "running": "completed",
    "draining": "paused",
    "unresponsive": "orphaned",
    "gone": "cancelled",
}


def runner_mark(runner: RunnerInfo) -> MarkName:
    """Return the mark of a runner's state."""
    return _RUNNER_MARKS[runner.status]


@router.get("/ops")
def ops_page(
    request: Request, tenant: Tenant, days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = DEFAULT_DAYS, fragment: str = ""
) -> HTMLResponse:
    """Show everything.  `days`: of the preview of what is deleted."""
    database, caller = tenant.database, caller_of(request)
    values: dict[str, Any] = {"section": "ops", "runner_mark": runner_mark}
    if fragment == "verification":
        return render_fragment(request, "ops/verification.html", tenant, **values, job=job_of(tenant))
    if fragment == "runners":
        return render_fragment(request, "ops/runners.html", tenant, **values, runners=list_runners(database))
    if fragment == "bulk":
        return render_fragment(
            request, "ops/bulk.html", tenant, **values, bulk_jobs=list_bulk_jobs(database, SHOWN_JOBS)
        )
    if fragment == "retention":
        return render_fragment(request, "ops/retention.html", tenant, **values, preview=preview(database, days))
    return render(
        request,
        "ops/page.html",
        tenant,
        **values,
        findings=[show_finding(tenant, finding) for finding in diagnose_installation(database)],
        runners=list_runners(database),
        preview=preview(database, days),
        rule=get_retention(database),
        bulk_jobs=list_bulk_jobs(database, SHOWN_JOBS),
        job=job_of(tenant),
        facts=database.store.inspect(),
        # tenants of a server share a database whose address is not theirs to know
        url=database.store.url if caller.is_god or not tenant.server_url else "",
        can_delete=caller.may("admin") and not tenant.is_read_only,
        commands={name: command_line(tenant, name) for name in ("doctor", "verify")},
    )
