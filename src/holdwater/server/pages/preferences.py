"""Keeping the preferences of a browser, for one that runs no scripts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.preferences import LIFETIME_SECONDS, THEME_COOKIE, TIMES_COOKIE, Theme, TimeMode
from holdwater.server.rendering import root_of
from holdwater.server.tenant_database import Tenant

router = APIRouter()


@router.post("/preferences")
def keep_preferences(
    request: Request,
    tenant: Tenant,
    theme: Annotated[Theme, Form()],
    times: Annotated[TimeMode, Form()],
    back: Annotated[str, Form()] = "",
) -> Response:
    """Keep them in cookies, and go back to the page."""
    root = root_of(request)
    home = f"{root}/ui/{tenant.tenant}/"
    response = RedirectResponse(back if back.startswith(home) else f"{home}runs", 303)
    for name, value in ((THEME_COOKIE, theme), (TIMES_COOKIE, times)):
        response.set_cookie(name, value, max_age=LIFETIME_SECONDS, path=root or "/", samesite="strict")
    return response
