"""Saved views: named sets of filters, those of everyone and those a browser keeps in a cookie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

from fastapi import APIRouter, Request, Response
from starlette.datastructures import QueryParams

from holdwater.server.acts import page_url
from holdwater.server.form_posts import PostedForm
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.pages.runs.query import EVERYTHING, RunsQuery
from holdwater.server.preferences import LIFETIME_SECONDS
from holdwater.server.tenant_database import Tenant, TenantDatabase

router = APIRouter()

COOKIE: Final = "holdwater_views"
MAX_COOKIE_BYTES: Final = 3_500
"""browsers keep 4,096 with the name and the attributes"""
MAX_VIEWS: Final = 20
MAX_NAME_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class View:
    """A named set of filters.  `query`: of its URL, without `?`.  `is_own`: of this browser; it can be removed.

    `is_default`: the list begins with it.
    """

    name: str
    query: str
    is_own: bool = False
    is_default: bool = False


BUILT_IN: Final = (
    View("All", ""),
    View("Open", "status=running&status=paused"),
    View("Failed 24 h", "status=failed&since=24h&time=ended"),
)


def views_of(request: Request) -> tuple[View, ...]:
    """Return the views of everyone and those of the browser that asks."""
    return (*BUILT_IN, *_own_views(request))


def default_view(request: Request) -> View | None:
    """Return the view of this browser that the list begins with, None if it has none."""
    return next((view for view in _own_views(request) if view.is_default), None)


def _own_views(request: Request) -> Iterator[View]:
    try:
        kept = json.loads(unquote(request.cookies.get(COOKIE, "")) or "[]")
    except ValueError:
        return
    for one in kept[:MAX_VIEWS] if isinstance(kept, list) else ():
        match one:
            case [str(name), str(query), bool(is_default)]:
                yield View(name[:MAX_NAME_CHARACTERS], _canonical(query), True, is_default)


def _canonical(query: str) -> str:
    """Return the filters of a query as this version writes them."""
    return urlencode(RunsQuery.of(QueryParams(parse_qsl(query[:MAX_COOKIE_BYTES]))).pairs())


@router.post("/views")
def save_view(request: Request, tenant: Tenant, posted: PostedForm) -> Response:
    """Keep a view in the browser; one of the same name is replaced; with a field `remove` it is dropped instead."""
    name, query = _text(posted, "name").strip()[:MAX_NAME_CHARACTERS], _canonical(_text(posted, "query"))
    url = page_url(request, tenant, f"/runs?{query or urlencode([EVERYTHING])}")
    if not name or name in [view.name for view in BUILT_IN]:
        return redirect_with(request, url, Notice("The view needs a name of its own.", "bad"))
    views = [view for view in _own_views(request) if view.name != name]
    if _text(posted, "remove"):
        return _keep(
            request,
            tenant,
            page_url(request, tenant, f"/runs?{urlencode([EVERYTHING])}"),
            views,
            Notice(f"The view {name} is removed."),
        )
    is_default = bool(_text(posted, "default"))
    if is_default:
        views = [View(view.name, view.query, True) for view in views]
    views.append(View(name, query, True, is_default))
    return _keep(request, tenant, url, views, Notice(f"The view {name} is kept in this browser."))


def _keep(request: Request, tenant: TenantDatabase, url: str, views: list[View], notice: Notice) -> Response:
    path = page_url(request, tenant, "")
    text = quote(json.dumps([[view.name, view.query, view.is_default] for view in views]), safe="")
    if len(text) > MAX_COOKIE_BYTES or len(views) > MAX_VIEWS:
        return redirect_with(request, url, Notice("There are too many views to keep one more.", "bad", "Remove one."))
    response = redirect_with(request, url, notice)
    response.set_cookie(
        COOKIE, text, max_age=LIFETIME_SECONDS, path=path, httponly=True, samesite="strict"
    )  # of one tenant: filters name its workflows and labels
    return response


def _text(posted: PostedForm, name: str) -> str:
    value = posted.get(name)
    return value if isinstance(value, str) else ""
