"""Notices of acts: kept in a cookie from the redirect that ends an act to the page that shows them, once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final, Literal
from urllib.parse import quote, unquote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.page_paths import scope_of
from holdwater.server.refusals import ERROR_CODE

COOKIE: Final = "holdwater_notice"
MAX_TEXT_CHARACTERS: Final = 600
LIFETIME_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Notice:
    """The result of an act.  `kind`: the class of its colour.  `hint`: the next thing to do.

    `link`, `link_text`: a page of the web UI to go on to, as a path below `/ui/TENANT`; empty for none.
    """

    text: str
    kind: Literal["ok", "bad", "warn"] = "ok"
    hint: str = ""
    link: str = ""
    link_text: str = ""


def redirect_with(request: Request, url: str, notice: Notice | None) -> Response:
    """Go on to a page of this application after a POST, and show a notice there."""
    response = RedirectResponse(url, 303)
    if notice is not None:
        if notice.kind == "bad":
            request.scope.setdefault(ERROR_CODE, "not_done")
        fields = asdict(notice)
        fields["text"], fields["hint"] = notice.text[:MAX_TEXT_CHARACTERS], notice.hint[:MAX_TEXT_CHARACTERS]
        response.set_cookie(
            COOKIE,
            quote(json.dumps(fields), safe=""),
            max_age=LIFETIME_SECONDS,
            path=_cookie_path(request, url),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response


def notice_of(request: Request) -> Notice | None:
    """Return the notice that a request brings, None if there is none that can be read."""
    text = request.cookies.get(COOKIE)
    if not text:
        return None
    try:
        fields = json.loads(unquote(text))
        notice = Notice(**{str(key): str(value) for key, value in fields.items()})  # type: ignore[arg-type]
    except (ValueError, TypeError, AttributeError):
        return None
    is_local = notice.link.startswith("/") and not notice.link.startswith("//")
    return notice if is_local or not notice.link else None


def forget_notice(request: Request, response: Response) -> None:
    """Have the browser drop the notice, which the response shows."""
    response.delete_cookie(COOKIE, path=_cookie_path(request, request.url.path))


def _cookie_path(request: Request, url: str) -> str:
    """Return the path of the tenant of a page, so that no page of another one shows it.  `url`: without a host."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return root + scope_of(url.partition("?")[0].removeprefix(root)) or "/"
