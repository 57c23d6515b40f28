"""Middleware that sees every request of a server and its response: for its log and its metrics.

The outermost layer.  Plain ASGI; a request costs a few dictionary look-ups.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdwater.server.access import CALLER, Caller
from holdwater.server.errors import REQUEST_ID
from holdwater.service.log_context import REQUEST_FACTS

NO_ROUTE: Final = "none"
EVENT_STREAM: Final = b"text/event-stream"
CLIENT_CLOSED: Final = 499
"""status of a request whose client went away before a response began"""


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """A request that was answered.  `route`: the template of its path, "none" if there is none for it.

    `tenant`, `author`: "" if there is none.  `seconds`: until the response was sent, of a stream: until its end.
    """

    method: str
    path: str
    route: str
    status: int
    seconds: float
    is_stream: bool
    request_id: str
    tenant: str
    author: str
    address: str


class RequestObserver:
    """Calls observers with each request that was answered."""

    def __init__(self, app: ASGIApp, observers: Sequence[Callable[[ObservedRequest], None]]) -> None:
        self._app, self._observers = app, observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        REQUEST_FACTS.set(RequestFacts(scope))
        began = time.perf_counter()
        status, is_stream = CLIENT_CLOSED, False

        async def observed(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = any([value.startswith(EVENT_STREAM) for name, value in message["headers"] if name == _TYPE])
            await send(message)

        try:
            await self._app(scope, receive, observed)
        finally:
            facts = _observed(scope, status, is_stream, time.perf_counter() - began)
            for observe in self._observers:
                observe(facts)


_TYPE: Final = b"content-type"


class RequestFacts:
    """The id and the tenant of a request, for the records of its log; known when its route is."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    @property
    def request_id(self) -> str:
        return str(self._scope.get(REQUEST_ID, ""))

    @property
    def tenant(self) -> str:
        return str(self._scope.get("path_params", {}).get("tenant", ""))


def _observed(scope: Scope, status: int, is_stream: bool, seconds: float) -> ObservedRequest:
    caller: Caller | None = scope.get(CALLER)
    client: tuple[str, int] | None = scope.get("client")
    # newer FastAPI keeps a route as its router knows it, and the whole template beside it
    route: Any = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    facts = RequestFacts(scope)
    return ObservedRequest(
        method=scope["method"],
        path=scope["path"],
        route=getattr(route, "path", NO_ROUTE),
        status=status,
        seconds=seconds,
        is_stream=is_stream,
        request_id=facts.request_id,
        tenant=facts.tenant,
        author="" if caller is None else caller.author,
        address="" if client is None else client[0],
    )
