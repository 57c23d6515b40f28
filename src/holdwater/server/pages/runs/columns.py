"""Columns of the list of runs: which are shown is kept by the browser in a cookie."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.datastructures import QueryParams

from holdwater.server.acts import page_url
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import redirect_with
from holdwater.server.pages.runs.query import RunsQuery
from holdwater.server.preferences import LIFETIME_SECONDS
from holdwater.server.rendering import root_of
from holdwater.server.tenant_database import Tenant

router = APIRouter()

COOKIE: Final = "holdwater_columns"
SEPARATOR: Final = "."
COLUMNS: Final = {
    "detail": "Detail",
    "labels": "Labels",
    "key": "Key",
    "origin": "Origin",
    "release": "Release",
    "by": "Started by",
    "started": "Started",
    "ended": "Ended",
    "duration": "Duration",
    "run": "Run",
}
"""name of a column -> its heading, in their order; state and workflow are always there"""
DEFAULT_COLUMNS: Final = ("detail", "labels", "origin", "started", "duration", "run")


def columns_of(request: Request) -> tuple[str, ...] | None:
    """Return the names of the columns that were chosen in the browser; None: none ever were."""
    kept = request.cookies.get(COOKIE)
    if kept is None:
        return None
    chosen = kept.split(SEPARATOR)
    return tuple([name for name in COLUMNS if name in chosen])


@router.post("/columns")
def keep_columns(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Keep the chosen columns in the browser; with a field `reset`, forget them."""
    query = RunsQuery.of(QueryParams(parse_qsl(str(posted.get("query", "")))))
    response = redirect_with(request, page_url(request, tenant, f"/runs{query.url()}"), None)
    path = root_of(request) or "/"
    if posted.get("reset"):
        response.delete_cookie(COOKIE, path=path)
        return response
    chosen = [name for name in COLUMNS if name in posted.getlist("column")]
    response.set_cookie(
        COOKIE, SEPARATOR.join(chosen), max_age=LIFETIME_SECONDS, path=path, httponly=True, samesite="strict"
    )
    return response
