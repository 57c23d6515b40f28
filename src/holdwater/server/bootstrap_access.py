"""Access with keys, for programs."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from holdwater.model.time import wall_now
from holdwater.server.access import Caller
from holdwater.server.control.key_text import digest_of
from holdwater.server.control.keys import KeyStore


class BootstrapAccess:
    """Access policy of a server whose keys are looked up for each request."""

    sign_in_hint: Final = "send a key as Authorization: Bearer KEY"
    login_path: Final = None

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys

    def check_host(self, request: Request) -> bool:
        """Accept every host name."""
        return True

    async def identify(self, request: Request) -> Caller | None:
        """Return the owner of a key, None for one that is not known.  Raises StoreUnavailable."""
        given = request.headers.getlist("authorization")
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            return None
        found = await asyncio.to_thread(self._keys.find, digest_of(key.strip()))
        if found is None or not found.is_live(wall_now()):
            return None
        return Caller(found.role, is_ambient=False, tenant=found.home_tenant, is_god=found.is_god, author=found.author)

    def sign_in(self, request: Request) -> Response | None:
        """Do nothing: browsers do not sign in."""
        return None

    def after(self, request: Request, caller: Caller) -> str | None:
        """Set no cookie."""
        return None
