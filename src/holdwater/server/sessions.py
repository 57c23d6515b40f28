"""Access to `holdwater ui`: a link that works once makes a session of a browser; programs have a token.

Sessions live in the memory of the server and end with it.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from holdwater.server.access import Caller, Role
from holdwater.server.host_names import LOOPBACK_NAMES, requested_host
from holdwater.server.open_requests import OpenRequests
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import render

SESSION_SECONDS: Final = 30 * 24 * 3600.0
MAX_SESSIONS: Final = 1000
MIN_TOKEN_CHARS: Final = 32
MAX_TOKEN_CHARS: Final = 200


class SessionAccess:
    """Access by sessions and one token.  `port`: part of the cookie's name, because cookies ignore ports.

    `role`: of everything that signs in.  `api_token`: of programs; None: only browsers have access.
    """

    sign_in_hint: Final = (
        "open the link that `holdwater ui` prints; programs send the token of --api-token-file as "
        "Authorization: Bearer TOKEN"
    )
    login_path: Final = None
    host_hint: Final = "use http://127.0.0.1:PORT"

    def __init__(self, port: int, role: Role = "admin", api_token: str | None = None) -> None:
        self._cookie_name = f"holdwater-{port}"
        self._role: Role = role
        self._api_token = api_token
        self._link_tokens: set[str] = set()
        self.open_requests = OpenRequests()
        self._sessions: dict[str, tuple[Caller, float]] = {}
        """id -> caller, and its end by the monotonic clock"""

    def new_link_token(self) -> str:
        """Create a token for a link, which signs in once."""
        token = secrets.token_urlsafe(32)
        self._link_tokens.add(token)
        return token

    def check_host(self, request: Request) -> bool:
        """Accept names of this machine only: a foreign name that resolves to it is an attack (DNS rebinding)."""
        return requested_host(request) in LOOPBACK_NAMES

    async def identify(self, request: Request) -> Caller | None:
        """Return the caller of a session or a token, None without either."""
        given = request.headers.getlist("authorization")
        if given:
            return Caller(self._role, is_ambient=False) if self._is_api_token(given) else None
        session = self._sessions.get(request.cookies.get(self._cookie_name, ""))
        return session[0] if session is not None and session[1] > time.monotonic() else None

    def _is_api_token(self, given: list[str]) -> bool:
        scheme, _, token = given[0].partition(" ")
        if len(given) != 1 or scheme.lower() != "bearer" or self._api_token is None:
            return False
        return hmac.compare_digest(token.strip().encode(), self._api_token.encode())

    def sign_in(self, request: Request) -> Response | None:
        """Make a session for `GET /ui?token=...`, and have the browser go on without the token.

        The page goes on by itself instead of redirecting: after a redirect from a link in another site the browser
        would not send the new cookie, which is `SameSite=Strict`.  Raises RequestError if the token is unknown or used.
        """
        token = request.query_params.get("token")
        if token is None or request.method != "GET" or request.url.path != "/ui":
            return None
        found = next(
            (known for known in self._link_tokens if hmac.compare_digest(known.encode(), token.encode())), None
        )
        if found is None:
            raise RequestError(
                401, "this link was used before", hint="start `holdwater ui` again: it prints a link that works once"
            )
        self._link_tokens.discard(found)
        page = render(request, "signed_in.html", target="/ui")
        page.set_cookie(
            self._cookie_name, self._new_session(), max_age=int(SESSION_SECONDS), httponly=True, samesite="strict"
        )
        return page

    def after(self, request: Request, caller: Caller) -> str | None:
        """Set no cookie: a browser has its session."""
        return None

    def _new_session(self) -> str:
        now = time.monotonic()
        self._sessions = {id_: one for id_, one in self._sessions.items() if one[1] > now}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session_id = secrets.token_urlsafe(32)
        self._sessions[session_id] = (Caller(self._role, csrf=secrets.token_urlsafe(32)), now + SESSION_SECONDS)
        return session_id
