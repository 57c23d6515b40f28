"""Keeping the preferences of a browser, for one that runs no scripts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.form_posts import check_token
from holdwater.server.page_paths import own_page
from holdwater.server.preferences import LIFETIME_SECONDS, THEME_COOKIE, TIMES_COOKIE, Theme, TimeMode
from holdwater.server.rendering import root_of
from holdwater.server.tenant_database import Tenant

router = APIRouter()
server_router = APIRouter()


@router.post("/preferences")
def keep_preferences(
    request: Request,
    tenant: Tenant,
    theme: Annotated[Theme, Form()],
    times: Annotated[TimeMode, Form()],
    back: Annotated[str, Form()] = "",
) -> Response:
    """Keep them in cookies, and go back to the page of the tenant."""
    home = f"{root_of(request)}/ui/{tenant.tenant}/"
    return _keep(request, theme, times, back if back.startswith(home) else f"{home}runs")


@server_router.post("/preferences", dependencies=[Depends(check_token)])
def keep_preferences_of_server(
    request: Request,
    theme: Annotated[Theme, Form()],
    times: Annotated[TimeMode, Form()],
    back: Annotated[str, Form()] = "",
) -> Response:
    """Keep them in cookies, and go back to a page of no tenant."""
    root = root_of(request)
    return _keep(request, theme, times, f"{root}{own_page(back.removeprefix(root)) or '/ui'}")


def _keep(request: Request, theme: Theme, times: TimeMode, url: str) -> Response:
    response = RedirectResponse(url, 303)
    for name, value in ((THEME_COOKIE, theme), (TIMES_COOKIE, times)):
        response.set_cookie(name, value, max_age=LIFETIME_SECONDS, path=root_of(request) or "/", samesite="strict")
    return response
