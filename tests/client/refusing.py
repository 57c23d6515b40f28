"""A server that refuses requests for as long as a test wants it to, and answers them afterwards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from holdwater.server.app import create_app
from holdwater.server.serving import listen_on_loopback
from holdwater.server.sessions import SessionAccess
from holdwater.server.tenant_database import OneTenant, TenantDatabase
from tests.server.live import API_TOKEN, Live, serve_app

PROXY_ERROR = "502"
"""in the place of a code: the answer of a proxy whose server is down"""


@dataclass
class Refusals:
    """`left`: number of requests to refuse from now on; `count`: of those that were refused; `code`: the reason.

    `streams`: number of those that were begun.
    """

    code: str = ""
    left: float = 0
    count: int = 0
    refuses_streams: bool = True
    streams: int = 0

    def begin(self, code: str, left: float = math.inf, *, refuses_streams: bool = True) -> None:
        self.code, self.count, self.refuses_streams = code, 0, refuses_streams
        self.left = left

    def end(self) -> None:
        self.left = 0

    def response(self) -> Response:
        if self.code == PROXY_ERROR:
            return Response("bad gateway", 502, media_type="text/html")
        body = json.dumps({"error": "not now", "code": self.code, "request_id": "r1"})
        return Response(body, 503, {"retry-after": "0"}, "application/json")


class RefusingMiddleware:
    def __init__(self, app: ASGIApp, refusals: Refusals) -> None:
        self._app, self._refusals = app, refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusals = self._refusals
        is_stream = scope["type"] == "http" and scope["path"].endswith("/stream")
        concerned = scope["type"] == "http" and (refusals.refuses_streams or not is_stream)
        if not concerned or refusals.left <= 0:
            refusals.streams += is_stream
            await self._app(scope, receive, send)
            return
        refusals.left -= 1
        refusals.count += 1
        await refusals.response()(scope, receive, send)


@contextmanager
def serve_refusing(database_url: str) -> Iterator[tuple[Live, Refusals]]:
    """Serve a database; the requests that are to be refused are."""
    refusals = Refusals()
    listening = listen_on_loopback(0, may_choose=False)
    access = SessionAccess(listening.getsockname()[1], "admin", API_TOKEN)
    app = create_app(OneTenant(TenantDatabase.open(database_url)), access)
    app.add_middleware(RefusingMiddleware, refusals=refusals)
    with serve_app(app, access, listening) as live:
        yield live, refusals
