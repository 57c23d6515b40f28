"""Access with the bootstrap key alone, for programs."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from holdwater.server.access import Caller

AUTHOR: Final = "key:bootstrap"


class BootstrapAccess:
    """Access policy of a server with one key, that of its administrator."""

    sign_in_hint: Final = "send the bootstrap key as Authorization: Bearer KEY"
    login_path: Final = None

    def __init__(self, key: str) -> None:
        self._key = key

    def check_host(self, request: Request) -> bool:
        """Accept every host name."""
        return True

    async def identify(self, request: Request) -> Caller | None:
        """Return the administrator, None for another key."""
        given = request.headers.getlist("authorization")
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key.encode()):
            return None
        return Caller("admin", is_ambient=False, is_god=True, author=AUTHOR)

    def sign_in(self, request: Request) -> Response | None:
        """Do nothing: browsers do not sign in."""
        return None

    def after(self, request: Request, caller: Caller) -> str | None:
        """Set no cookie."""
        return None
