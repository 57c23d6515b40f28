"""Preferences of a browser, kept there in cookies: theme, the form of instants, and the tenant it looked at last.

The server reads them, so that a page is right when it is first painted; the module of the pages changes them in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from fastapi import Request, Response

Theme = Literal["auto", "light", "dark"]
TimeMode = Literal["relative", "local", "utc"]
THEME_COOKIE: Final = "holdwater_theme"
TIMES_COOKIE: Final = "holdwater_times"
TENANT_COOKIE: Final = "holdwater_tenant"
LIFETIME_SECONDS: Final = 400 * 86_400
"""the longest that browsers keep a cookie"""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a browser.  `times`: how instants are written."""

    theme: Theme = "auto"
    times: TimeMode = "relative"


def preferences_of(request: Request) -> Preferences:
    """Return the preferences of the browser that asks; what it does not say, or says wrongly, is the default."""
    theme = request.cookies.get(THEME_COOKIE)
    times = request.cookies.get(TIMES_COOKIE)
    return Preferences(
        cast(Theme, theme) if theme in get_args(Theme) else "auto",
        cast(TimeMode, times) if times in get_args(TimeMode) else "relative",
    )


def last_tenant_of(request: Request) -> str | None:
    """Return the tenant that the browser looked at last, None if it does not say."""
    return request.cookies.get(TENANT_COOKIE)


def keep_last_tenant(request: Request, response: Response, name: str) -> None:
    """Have the browser keep the tenant that it looks at."""
    if last_tenant_of(request) != name:
        response.set_cookie(
            TENANT_COOKIE, name, max_age=LIFETIME_SECONDS, path=_path(request), httponly=True, samesite="strict"
        )


def forget_last_tenant(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(TENANT_COOKIE, path=_path(request))


def _path(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/") or "/"
