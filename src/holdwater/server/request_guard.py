"""Middleware around every request: its id, its limits, its access, the headers of its response, and the last resort.

Plain ASGI: a request costs a few header look-ups.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdwater.errors import HoldwaterError
from holdwater.server.access import CALLER, AccessPolicy, Caller
from holdwater.server.auditing import note_outcome
from holdwater.server.context_parts import is_multipart
from holdwater.server.errors import (
    REQUEST_ID,
    holdwater_error_response,
    http_error_response,
    internal_error_response,
)
from holdwater.server.open_requests import OPEN_REQUEST, access_ended
from holdwater.server.page_paths import login_url
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import is_page, path_below_root, root_of
from holdwater.server.tenant_database import BORROWED, TenantDatabase, tenants_of

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PUBLIC_PATHS: Final = frozenset({"/health", "/ready", "/metrics", "/openapi.json"})
STATIC_PREFIX: Final = "/static/"
HARMLESS_POST: Final = re.compile("/ui/(login|logout|preferences|[^/]+/(preferences|columns|views))")
"""changes cookies of the browser, or its session, and nothing else"""
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 200
MAX_URL_BYTES: Final = 8 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
MAX_PARTS_BYTES: Final = 101 * 1024 * 1024
"""of a body in parts, where one is taken"""
TAKES_PARTS: Final = re.compile("/v1/tenants/[^/]+/workflows(/[^/]+/execute)?|/ui/[^/]+/packages/upload")

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOG: Final = logging.getLogger("holdwater.server")
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_PAGE_REFERRERS: Final = b"same-origin"
"""of pages: by "no-referrer" browsers would send `Origin: null` with their forms"""
_REFERRERS: Final = b"no-referrer"
"""of everything else"""


class RequestGuard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        given = request.headers.get("x-request-id", "")
        scope[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        sender = _Sender(send, scope[REQUEST_ID], _PAGE_REFERRERS if is_page(request) else _REFERRERS)
        try:
            try:
                await self._admit(request, sender, _limited(receive, _max_body_bytes(request)))
            except HTTPException as error:  # of this layer: those of the application have handlers
                response = await http_error_response(request, error)
                await response(scope, receive, sender)
            except HoldwaterError as error:  # of the policy: its database cannot be reached
                response = await holdwater_error_response(request, error)
                await response(scope, receive, sender)
            finally:
                borrowed: TenantDatabase | None = scope.get(BORROWED)
                if borrowed is not None:
                    tenants_of(request).give_back(borrowed)
            await note_outcome(request, sender.status)
        except Exception:
            _LOG.exception("request %s: %s %s", scope[REQUEST_ID], scope["method"], scope["path"])
            if sender.has_started:
                raise  # the connection is closed: the client sees that the response is not whole
            await internal_error_response(request)(scope, receive, sender)
            await note_outcome(request, sender.status)

    async def _admit(self, request: Request, send: _Sender, receive: Receive) -> None:
        scope, policy = request.scope, self._policy
        check_sizes(request)
        if not policy.check_host(request):
            raise RequestError(421, "the host of this request is not this server", hint=policy.host_hint)
        if _is_public(request):
            await self._app(scope, receive, send)
            return
        signed_in: Response | None = policy.sign_in(request)
        if signed_in is not None:
            await signed_in(scope, receive, send)
            return
        caller = await policy.identify(request)
        if caller is None and path_below_root(request) == policy.login_path:
            if request.method not in SAFE_METHODS:
                check_origin(request)
            await self._app(scope, receive, send)
            return
        if caller is None and _can_sign_in_first(request, policy):
            target = path_below_root(request) + (f"?{request.url.query}" if request.url.query else "")
            await RedirectResponse(login_url(root_of(request), target), 303)(scope, receive, send)
            return
        scope[CALLER] = caller = _known(caller, policy)
        if request.method not in SAFE_METHODS:
            if caller.is_ambient:
                check_origin(request)
            if is_page(request) and not caller.may("write") and not is_harmless(request):
                raise RequestError(403, "this access is read-only: nothing can be changed with it")
        send.cookie = policy.after(request, caller)
        await self._serve(request, caller, receive, send)

    async def _serve(self, request: Request, caller: Caller, receive: Receive, send: _Sender) -> None:
        """Serve a caller as long as it has access.  Raises RequestError (401) if that ends before a response begins."""
        task = asyncio.current_task()
        assert task is not None, "requests are tasks"
        with self._policy.open_requests.entered(caller, task.cancel) as opened:
            request.scope[OPEN_REQUEST] = opened

            async def receive_checked() -> Message:
                message = await receive()
                if message["type"] == "http.request":
                    opened.check_access()
                return message

            try:
                await self._app(request.scope, receive_checked, send)
            except asyncio.CancelledError:
                if not opened.has_ended or not opened.is_stream:
                    raise
                task.uncancel()
                if not send.has_started:
                    raise access_ended() from None
                await send.finish()


def _known(caller: Caller | None, policy: AccessPolicy) -> Caller:
    """Return a caller that has access.  Raises RequestError (401)."""
    if caller is None:
        raise RequestError(
            401, "this needs a session or a token", hint=policy.sign_in_hint, headers={"www-authenticate": "Bearer"}
        )
    return caller


def _can_sign_in_first(request: Request, policy: AccessPolicy) -> bool:
    """Return True if a browser opens a page without a session, and there is a page where it can sign in.

    What scripts fetch for an open page is refused instead: they say so on that page.
    """
    return (
        policy.login_path is not None
        and request.method in ("GET", "HEAD")
        and is_page(request)
        and "fragment" not in request.query_params
        and "authorization" not in request.headers
    )


def check_origin(request: Request) -> None:
    """Check that a browser sent a request from a page of this server.  Raises RequestError.

    `Sec-Fetch-Site` is the browser's own word; `Origin` stands in for it on plain HTTP.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    elif origin is not None:
        is_ours = _host_of(origin) == request.headers.get("host")
    else:
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        is_ours = is_form and is_page(request)  # those have a token
    if not is_ours:
        raise RequestError(
            403, "this request comes from a page of another site, or no page; nothing was changed", code="cross_site",
            hint="programs send the header Sec-Fetch-Site: same-origin",
        )  # fmt: skip


def _host_of(origin: str) -> str | None:
    """Return the host and port of an origin, None if it is none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


class _Sender:
    """Adds headers to the response.  `referrers`: its referrer policy.  `cookie`: a `Set-Cookie` header."""

    def __init__(self, send: Send, request_id: str, referrers: bytes) -> None:
        self._send, self._request_id, self._referrers = send, request_id, referrers
        self.cookie: str | None = None
        self.status: int | None = None
        """of the response; None before it has begun"""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            known = {name.lower() for name, _ in headers}
            headers += [header for header in _HEADERS if header[0] not in known]
            headers += [(b"x-request-id", self._request_id.encode()), (b"referrer-policy", self._referrers)]
            if b"cache-control" not in known:
                headers.append((b"cache-control", b"no-store"))
            if self.cookie is not None:
                headers.append((b"set-cookie", self.cookie.encode()))
            message = {**message, "headers": headers}
        await self._send(message)

    @property
    def has_started(self) -> bool:
        """True if the response has begun."""
        return self.status is not None

    async def finish(self) -> None:
        """End the body of the response."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_public(request: Request) -> bool:
    path = path_below_root(request)
    return path in PUBLIC_PATHS or path.startswith(STATIC_PREFIX)


def is_harmless(request: Request) -> bool:
    """Return True for a form that changes cookies of the browser and nothing else."""
    return request.method == "POST" and HARMLESS_POST.fullmatch(path_below_root(request)) is not None


def check_sizes(request: Request) -> None:
    """Refuse a long header or URL, and a body that says that it is too long.  Raises RequestError."""
    scope = request.scope
    header_bytes = sum([len(name) + len(value) + 4 for name, value in scope["headers"]])
    if header_bytes > MAX_HEADER_BYTES or len(scope["headers"]) > MAX_HEADERS:
        raise RequestError(431, f"the header is longer than {MAX_HEADER_BYTES:,} bytes or {MAX_HEADERS} lines")
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_URL_BYTES:
        raise RequestError(414, f"the URL is longer than {MAX_URL_BYTES:,} bytes")
    length = request.headers.get("content-length", "0")
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        raise RequestError(400, "the request gives its length in two ways")  # a proxy may have read the other one
    max_bytes = _max_body_bytes(request)
    if not length.isdecimal() or int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)


def _max_body_bytes(request: Request) -> int:
    is_in_parts = is_multipart(request) and TAKES_PARTS.fullmatch(path_below_root(request))
    return MAX_PARTS_BYTES if is_in_parts else MAX_BODY_BYTES


def _limited(receive: Receive, max_bytes: int) -> Callable[[], Awaitable[Message]]:
    """Count the bytes of a body as they come.  Raises RequestError."""
    total = 0

    async def limited() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > max_bytes:
            raise _too_large(max_bytes)
        return message

    return limited


def _too_large(max_bytes: int) -> RequestError:
    return RequestError(413, f"the body is longer than {max_bytes:,} bytes")
