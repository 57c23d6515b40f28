"""The request that begins a WebSocket: it is judged, and refused, as every other one is."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdwater.errors import HoldwaterError
from holdwater.server.errors import REQUEST_ID, holdwater_error_response, http_error_response

REFUSALS: Final = "websocket.http.response"
"""extension of ASGI servers that can refuse a WebSocket with a response"""
POLICY_VIOLATION: Final = 1008


def handshake_of(scope: Scope) -> Request:
    """Return the request that began a WebSocket, for what judges requests."""
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), "http")
    return Request({**scope, "type": "http", "method": "GET", "scheme": scheme})


async def refuse(scope: Scope, receive: Receive, send: Send, error: HTTPException | HoldwaterError) -> None:
    """Refuse a WebSocket that was not accepted yet, with the response that a request would get."""
    handshake = handshake_of(scope)
    is_ours = isinstance(error, HoldwaterError)
    response = await (holdwater_error_response if is_ours else http_error_response)(handshake, error)
    await send_refusal(scope, receive, send, response)


async def send_refusal(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Send a response in the place of a connection, where the server can."""
    if REFUSALS not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    response.headers["x-request-id"] = str(scope.get(REQUEST_ID, ""))
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cache-control"] = "no-store"
    await response(scope, receive, send)
