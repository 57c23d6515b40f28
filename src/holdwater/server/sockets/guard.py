"""Middleware around every WebSocket: its access, as `RequestGuard` is around every request."""

from __future__ import annotations

import logging
import uuid
from typing import Final, Protocol, runtime_checkable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdwater.errors import HoldwaterError
from holdwater.server.access import CALLER, AccessPolicy, Caller
from holdwater.server.errors import REQUEST_ID, internal_error_response
from holdwater.server.refusals import RequestError
from holdwater.server.request_guard import check_origin, check_sizes
from holdwater.server.sockets.handshake import handshake_of, refuse, send_refusal
from holdwater.server.tenant_database import BORROWED, TenantDatabase, tenants_of

TICKET: Final = "token"
"""parameter of the URL, because pages cannot give a WebSocket headers"""
_LOG: Final = logging.getLogger("holdwater.server")


@runtime_checkable
class TicketAccess(Protocol):
    """An access policy that has tickets for WebSockets."""

    async def caller_of_ticket(self, ticket: str) -> Caller | None:
        """Use a ticket up; returns its caller, None if it is not accepted."""
        ...


class _SocketSender:
    """Notes that a connection was accepted or refused."""

    def __init__(self, send: Send) -> None:
        self._send, self.has_started = send, False

    async def __call__(self, message: Message) -> None:
        self.has_started = True
        await self._send(message)


class SocketGuard:
    """Admits WebSockets of callers with access; the application, not the connection, is what refuses them."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = uuid.uuid4().hex
        handshake, sender = handshake_of(scope), _SocketSender(send)
        try:
            try:
                scope[CALLER] = await self._admit(handshake)
                await self._app(scope, receive, sender)
            except (HTTPException, HoldwaterError) as error:
                if sender.has_started:
                    raise
                await refuse(scope, receive, sender, error)
            finally:
                borrowed: TenantDatabase | None = scope.get(BORROWED)
                if borrowed is not None:
                    tenants_of(handshake).give_back(borrowed)
        except Exception:
            _LOG.exception("request %s: WebSocket %s", scope[REQUEST_ID], scope["path"])
            if sender.has_started:
                raise  # the connection is closed
            await send_refusal(scope, receive, send, internal_error_response(handshake))

    async def _admit(self, handshake: Request) -> Caller:
        """Return the caller.  Raises RequestError, HoldwaterError."""
        check_sizes(handshake)
        if not self._policy.check_host(handshake):
            raise RequestError(421, "the host of this request is not this server")
        caller = await self._identify(handshake)
        if caller is None:
            raise RequestError(
                401, "this needs a key or a ticket", headers={"www-authenticate": "Bearer"},
                hint="POST /v1/auth/ws-ticket makes a ticket for one connection: ?token=TICKET",
            )  # fmt: skip
        if caller.is_ambient:
            check_origin(handshake)
        return caller

    async def _identify(self, handshake: Request) -> Caller | None:
        tickets = handshake.query_params.getlist(TICKET)
        if not tickets:
            return await self._policy.identify(handshake)
        if len(tickets) > 1 or "authorization" in handshake.headers or not isinstance(self._policy, TicketAccess):
            return None
        return await self._policy.caller_of_ticket(tickets[0])
