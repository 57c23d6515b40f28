"""Signing in and out of a browser, on a server whose callers have keys."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from holdwater.server.access import STRANGER, caller_of
from holdwater.server.form_posts import PostedForm, check_token
from holdwater.server.page_paths import own_page
from holdwater.server.preferences import forget_last_tenant
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import render, root_of

router = APIRouter()

MAX_KEY_CHARS: Final = 200
NOT_ACCEPTED: Final = "This key was not accepted."


class BrowserSessions(Protocol):
    """The part of an access policy that signs browsers in; each method returns a `Set-Cookie` header."""

    @property
    def login_path(self) -> str | None:
        """The page where a browser signs in; None: the policy has no such page."""
        ...

    async def open_session(self, request: Request, key: str, *, read_only: bool) -> str:
        """Make a new session.  Raises RequestError (401, 429)."""
        ...

    async def end_session(self, request: Request) -> str:
        """End the session of a request, if it has one."""
        ...


def browser_sessions(request: Request) -> BrowserSessions:
    """Return the sessions of the application.  Raises RequestError (404) if browsers sign in elsewhere."""
    policy: BrowserSessions = request.app.state.policy
    if policy.login_path is None:
        raise RequestError(404, "there is nothing to sign in to here")
    return policy


Sessions = Annotated[BrowserSessions, Depends(browser_sessions)]


@router.get("/login")
def login_page(request: Request, sessions: Sessions, next: str = "") -> Response:
    """Show the form.  `next`: the page to go on to.

    A browser that comes from another site has not sent the cookie of its session, which is `SameSite=Strict`: it is
    sent on to the page once more, from here.
    """
    target = own_page(next)
    if caller_of(request) is not STRANGER:
        return RedirectResponse(f"{root_of(request)}{target or '/ui'}", 303)
    if target and request.headers.get("sec-fetch-site") == "cross-site":
        return render(request, "signed_in.html", target=target)
    return _form(request, next=target)


@router.post("/login")
async def sign_in(request: Request, sessions: Sessions, posted: PostedForm) -> Response:
    """Make a session of a key, and go on."""
    key, target = str(posted.get("key", "")).strip(), own_page(str(posted.get("next", "")))
    is_read_only = bool(posted.get("read_only"))
    try:
        if not key or len(key) > MAX_KEY_CHARS:
            raise RequestError(401, NOT_ACCEPTED)
        cookie = await sessions.open_session(request, key, read_only=is_read_only)
    except RequestError as error:
        if error.status_code not in (401, 429):
            raise
        return _form(request, next=target, error=error, read_only=is_read_only)
    response = RedirectResponse(f"{root_of(request)}{target or '/ui'}", 303)
    response.headers.append("set-cookie", cookie)
    return response


@router.post("/logout", dependencies=[Depends(check_token)])
async def sign_out(request: Request, sessions: Sessions) -> Response:
    """End the session of the browser."""
    response = RedirectResponse(f"{root_of(request)}{sessions.login_path}", 303)
    response.headers.append("set-cookie", await sessions.end_session(request))
    forget_last_tenant(request, response)
    return response


def _form(request: Request, *, next: str, error: RequestError | None = None, read_only: bool = False) -> Response:
    status, message, hint = 200, "", ""
    if error is not None:
        status, hint = error.status_code, error.hint
        message = NOT_ACCEPTED if status == 401 else str(error.detail)
    url = str(request.base_url).rstrip("/")
    page = render(
        request, "login.html", status_code=status, next=next, url=url, error=message, hint=hint, read_only=read_only
    )
    if error is not None and error.headers and "retry-after" in error.headers:
        page.headers["retry-after"] = error.headers["retry-after"]
    return page
