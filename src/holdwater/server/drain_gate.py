"""Middleware of a server that ends: new requests are refused, so that a load balancer sends them elsewhere."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdwater.server.errors import error_response
from holdwater.server.health_checks import ServerHealth

ANSWERED_PATHS: Final = frozenset({"/health", "/ready", "/metrics"})
RETRY_SECONDS: Final = "1"


class DrainGate:
    """Refuses requests while the server drains, but for those about its health; those under way go on."""

    def __init__(self, app: ASGIApp, health: ServerHealth) -> None:
        self._app, self._health = app, health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "lifespan" or not self._health.is_draining or scope["path"] in ANSWERED_PATHS:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            close: Message = {"type": "websocket.close", "code": 1001, "reason": "the server ends"}
            await send(close)
        else:
            response = error_response(
                Request(scope, receive), 503, "runner_draining", "this server ends; ask again",
                hint="another replica, or the next process, answers",
                headers={"retry-after": RETRY_SECONDS, "connection": "close"},
            )  # fmt: skip
            await response(scope, receive, send)
