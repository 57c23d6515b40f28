"""The page of the list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.errors import InvalidArgument
from holdwater.model.provenance import ORIGINS
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.time import Micros
from holdwater.operations.runs import RunPage, count_runs, page_runs
from holdwater.server.acts import page_url
from holdwater.server.command_lines import command_line
from holdwater.server.pages.runs.columns import COLUMNS, DEFAULT_COLUMNS, columns_of
from holdwater.server.pages.runs.filters import run_filter
from holdwater.server.pages.runs.histogram import build_histogram
from holdwater.server.pages.runs.query import EVERYTHING, STATUSES, WINDOW_NAMES, RunsQuery
from holdwater.server.pages.runs.views import default_view, views_of
from holdwater.server.presentation import elapsed_seconds
from holdwater.server.rendering import render, render_fragment
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

PAGE_RUNS: Final = 100


@router.get("/runs")
def runs_page(request: Request, tenant: Tenant, cursor: str = "", fragment: str = "") -> Response:
    """Show runs, newest first.  `cursor`: of another page than the first."""
    view = default_view(request)
    if view is not None and not request.url.query:
        return RedirectResponse(page_url(request, tenant, f"/runs?{view.query or urlencode([EVERYTHING])}"))
    query, now = RunsQuery.of(request.query_params), tenant.database.clock.now()
    commands, chosen = {"list": _list_command(tenant, query)}, columns_of(request)
    values: dict[str, Any] = {
        "section": "runs",
        "query": query,
        "cursor": cursor,
        "elapsed": elapsed_seconds,
        "commands": commands,
        "columns": DEFAULT_COLUMNS if chosen is None else chosen,
        "are_chosen": chosen is not None,
        "all_columns": COLUMNS,
    }
    try:
        which = run_filter(query, now)
        if fragment == "rows":
            return render_fragment(request, "runs/rows.html", tenant, **values, **_page_of(tenant, which, cursor))
        if fragment == "summary":
            return render_fragment(
                request, "runs/summary.html", tenant, **values, **_summary(tenant, which, query, now)
            )
        found = {**_page_of(tenant, which, cursor), **_summary(tenant, which, query, now), "problem": ""}
    except InvalidArgument as error:
        found = {**_NOTHING, "problem": f"{error.message}. {error.hint}" if error.hint else error.message}
    views, query_string = views_of(request), urlencode(query.pairs())
    return render(
        request,
        "runs/list.html",
        tenant,
        **values,
        **found,
        views=views,
        view=next((one for one in views if one.query == query_string), None),
        query_string=query_string,
        origins=ORIGINS,
        windows=WINDOW_NAMES,
    )


def _page_of(tenant: TenantDatabase, which: RunFilter, cursor: str) -> dict[str, Any]:
    found = page_runs(tenant.database.runs, replace(which, limit=PAGE_RUNS), cursor or None)
    return {"page": found}


def _summary(tenant: TenantDatabase, which: RunFilter, query: RunsQuery, now: Micros) -> dict[str, Any]:
    runs = tenant.database.runs
    counts = count_runs(runs, replace(which, statuses=(), excluded_statuses=()))
    shown = {status: counts.get(status, CappedCount(0)) for status in STATUSES}
    return {
        "counts": shown,
        "total_text": _total_text(query, shown),
        "histogram": build_histogram(runs, which, query, now),
    }


_NOTHING: Final[dict[str, Any]] = {
    "page": RunPage((), None, None, None),
    "counts": {},
    "total_text": "0",
    "histogram": None,
}
"""of a page whose filter cannot be"""


def _total_text(query: RunsQuery, counts: Mapping[str, CappedCount]) -> str:
    """Return how many runs match: `41`, `10,000+`."""
    included = {one for one in query.status if not one.startswith("!")} or set(STATUSES)
    included -= {one[1:] for one in query.status if one.startswith("!")}
    return str(sum([count for status, count in counts.items() if status in included], CappedCount(0)))


def _list_command(tenant: TenantDatabase, query: RunsQuery) -> str:
    options: list[str] = []
    window = "ended-" if query.time == "ended" else ""
    for option, value in (
        ("workflow", query.workflow),
        ("release", query.release),
        ("origin", query.origin),
        (f"{window}since", query.since),
        (f"{window}until", query.until),
        ("search", query.text),
    ):
        if value:
            options += [f"--{option}", value]
    for name in ("status", "label"):
        for value in getattr(query, name):
            options += [f"--{name}", value]
    return command_line(tenant, "runs", "list", *options, *(["--children"] if query.children else []))
