"""The page of the list of runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.errors import InvalidArgument, RunNotFound
from holdwater.model.provenance import ORIGINS
from holdwater.model.records import CappedCount, RunFilter
from holdwater.operations.runs import count_runs, list_runs
from holdwater.runs.info import RunInfo
from holdwater.server.acts import page_url
from holdwater.server.command_lines import command_line
from holdwater.server.pages.runs.filters import run_filter
from holdwater.server.pages.runs.query import STATUSES, WINDOW_NAMES, RunsQuery
from holdwater.server.pages.runs.views import default_view, views_of
from holdwater.server.presentation import capped_count, elapsed_seconds
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

PAGE_RUNS: Final = 100


@router.get("/runs")
def runs_page(request: Request, tenant: Tenant, before: str = "", fragment: str = "") -> Response:
    """Show runs, newest first.  `before`: the run at the end of the page before."""
    view = default_view(request)
    if view is not None and not request.url.query:
        return RedirectResponse(page_url(request, tenant, f"/runs?{view.query}"))
    query = RunsQuery.of(request.query_params)
    values: dict[str, Any] = {"section": "runs", "query": query, "before": before, "elapsed": elapsed_seconds}
    try:
        which = run_filter(query, tenant.database.clock.now())
    except InvalidArgument as error:
        which, values["problem"] = None, error.message
    if fragment == "rows" and which is not None:
        return render_fragment(request, "runs/rows.html", tenant, **values, **_page_of(tenant, which, before))
    if fragment == "summary" and which is not None:
        return render_fragment(request, "runs/summary.html", tenant, **values, **_summary(tenant, which))
    found = _nothing() if which is None else {**_page_of(tenant, which, before), **_summary(tenant, which)}
    views = views_of(request)
    query_string = urlencode(query.pairs())
    view = next((one for one in views if one.query == query_string), None)
    return render(
        request,
        "runs/list.html",
        tenant,
        **{"problem": "", **values, **found},
        views=views,
        view=view,
        query_string=query_string,
        total_text=_total_text(query, found["counts"]),
        origins=ORIGINS,
        windows=WINDOW_NAMES,
        commands={"list": _list_command(tenant, query), "demo": command_line(tenant, "demo")},
    )


def _page_of(tenant: TenantDatabase, which: RunFilter, before: str) -> dict[str, Any]:
    try:
        found = list_runs(tenant.database.runs, replace(which, before_id=before or None), PAGE_RUNS + 1)
    except RunNotFound:  # it was deleted: the newest are shown
        found = list_runs(tenant.database.runs, which, PAGE_RUNS + 1)
    older = found[PAGE_RUNS - 1].id if len(found) > PAGE_RUNS else None
    return {"runs": found[:PAGE_RUNS], "older": older, "detail": run_detail}


def _summary(tenant: TenantDatabase, which: RunFilter) -> dict[str, Any]:
    counts = count_runs(tenant.database.runs, replace(which, status=None))
    none = CappedCount(0)
    found = [(status, counts.get(status, none)) for status in STATUSES]
    return {"counts": [(status, number.count, number.is_capped) for status, number in found]}


def _nothing() -> dict[str, Any]:
    return {"runs": (), "older": None, "detail": run_detail, "counts": []}


def run_detail(run: RunInfo) -> str:
    """Return what one asks next of a run: its error, why it is paused, or where it is executed."""
    if run.error:
        return run.error
    if run.reason:
        return run.reason
    activity = run.activity
    if activity is None or activity.host is None:
        return ""
    return f"{activity.state} on {activity.host}, process {activity.pid}" if activity.pid else f"on {activity.host}"


def _total_text(query: RunsQuery, counts: list[tuple[str, int, bool]]) -> str:
    """Return how many runs match: `41`, `10,000+`."""
    included = {one for one in query.status if not one.startswith("!")} or set(STATUSES)
    included -= {one[1:] for one in query.status if one.startswith("!")}
    matching = [(count, has_more) for status, count, has_more in counts if status in included]
    return capped_count(sum(count for count, _ in matching), any(has_more for _, has_more in matching))


def _list_command(tenant: TenantDatabase, query: RunsQuery) -> str:
    options: list[str] = []
    if query.workflow:
        options += ["--workflow", query.workflow]
    for status in query.status:
        options += ["--status", status]
    return command_line(tenant, "runs", "list", *options)
