"""Routes of the API: strict bodies, answers any text survives in, errors in the description of every route."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from holdwater.server import parsing
from holdwater.server.access import RouteRole, check_role
from holdwater.server.auditing import expect_change, note_expected_change, note_expected_change_async
from holdwater.server.context_parts import is_multipart, read_parts
from holdwater.server.idempotent_requests import answer_once
from holdwater.server.models.base import ItemList
from holdwater.server.models.errors import ErrorBody
from holdwater.server.open_requests import check_access

LARGE_BODY_BYTES: Final = 64 * 1024
"""from here on a body is parsed off the event loop"""
TAKES_VALUES: Final = {"x-takes-values": True}
"""`openapi_extra` of a route whose body has values for a run: up to 16 MB instead of 1 MB"""


ROLE: Final = "x-role"
"""in the description of a route: the role it takes, as `RouteRole`"""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FOR_ANY: Final = {ROLE: "any"}
FOR_READERS: Final = {ROLE: "read"}
FOR_ADMINS: Final = {ROLE: "admin"}
FOR_GOD: Final = {ROLE: "god"}
"""`openapi_extra` of a route that takes another role than its method says: `read` for GET, `write` for all others"""


AUDITED: Final = {"x-audited": True}
"""`openapi_extra` of a route that writes to the audit log itself, in the transaction of its change"""
IDEMPOTENT: Final = {"x-idempotent": True}
"""`openapi_extra` of a route that creates something: on a server, the same request with the same key does it once"""


def _encode(data: Any) -> bytes:
    """Encode in ASCII: lone surrogates, which a value or an error may have, cannot be encoded otherwise."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode("ascii")


def _encode_model(model: BaseModel, **fields: set[str]) -> bytes:
    """Encode a model.  `fields`: `include` or `exclude` of pydantic."""
    try:
        # of pydantic's core, and several times as fast as by way of plain data
        encoded: bytes = model.__pydantic_serializer__.to_json(model, **fields)
    except PydanticSerializationError:  # a lone surrogate
        return _encode(model.model_dump(**fields))
    return encoded


class JSONResponse(Response):
    """A model as JSON."""

    def __init__(self, content: Any, status_code: int = 200) -> None:
        """Create it.  `content`: a model or plain data."""
        self._is_list_again_legacy, self._list_again = True, b""
        super().__init__(content, status_code, media_type="application/json")

    def render(self, content: Any) -> bytes:
        """Render a model or plain data."""
        if not isinstance(content, BaseModel):
            return _encode(content)
        if not isinstance(content, ItemList) or not content.list_name:
            return _encode_model(content)
        items = _encode_model(content, include={"items"})[len(b'{"items":') : -1]
        self._list_again = b',"%s":%s}' % (content.list_name.encode(), items)
        self._is_list_again_legacy = content.is_legacy_name
        return b'%s,"items":%s}' % (_encode_model(content, exclude={"items"})[:-1], items)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, with a list under its other name as well where the server has those."""
        if not self._list_again or (self._is_list_again_legacy and not scope["app"].state.legacy_lists):
            await super().__call__(scope, receive, send)
            return
        headers = {name: value for name, value in self.headers.items() if name != "content-length"}
        await Response(bytes(self.body)[:-1] + self._list_again, self.status_code, headers)(scope, receive, send)


class _StrictRequest(Request):
    """A request whose JSON is parsed strictly.  `max_bytes`: of its body."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        super().__init__(request.scope, request.receive)
        self._max_bytes = max_bytes
        self._read: bytes | None = None

    async def body(self) -> bytes:
        """Read the body.  Raises RequestError."""
        if self._read is None:
            self._read = await parsing.read_body(self, self._max_bytes)
        return self._read

    async def json(self) -> Any:
        """Parse the body.  Raises RequestError."""
        data = await self.body()
        if len(data) < LARGE_BODY_BYTES:
            tree = parsing.parse_strict_json(data)
        else:
            tree = await run_in_threadpool(parsing.parse_strict_json, data)
        check_access(self)
        return tree


class _PartsRequest(Request):
    """A request whose body comes in parts, as one with the same body in JSON."""

    def __init__(self, request: Request) -> None:
        headers = [pair for pair in request.scope["headers"] if pair[0] != b"content-type"]
        super().__init__({**request.scope, "headers": [*headers, (b"content-type", b"application/json")]})
        self._sent = request
        self._tree: dict[str, Any] = {}

    async def body(self) -> bytes:
        """Read the parts.  Raises RequestError, HTTPException."""
        self._tree = await read_parts(self._sent)
        check_access(self)
        return b"{}"  # there is a body: `json` gives it

    async def json(self) -> Any:
        """Return the parts that were read."""
        return self._tree


class ApiRoute(APIRoute):
    """A route whose endpoint returns a model, which is sent as it is."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Create it; see `fastapi.routing.APIRoute`."""
        role = "read" if SAFE_METHODS.issuperset(options.get("methods") or {"GET"}) else "write"
        options["openapi_extra"] = {ROLE: role, **(options.get("openapi_extra") or {})}
        super().__init__(path, _responding(endpoint, options.get("status_code") or 200), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of requests."""
        handle = super().get_route_handler()
        role: RouteRole = (self.openapi_extra or {})[ROLE]
        takes_values = (self.openapi_extra or {}).get("x-takes-values", False)
        takes_parts = (self.openapi_extra or {}).get("x-takes-context-part", False)
        is_audited = (self.openapi_extra or {}).get("x-audited", False)
        is_idempotent = (self.openapi_extra or {}).get("x-idempotent", False)
        changes = role not in ("any", "read") and not SAFE_METHODS.issuperset(self.methods or ())
        max_bytes = parsing.MAX_VALUES_BODY_BYTES if takes_values else parsing.MAX_BODY_BYTES

        async def handle_strictly(request: Request) -> Response:
            check_role(request, role)
            if changes and not is_audited:
                expect_change(request)
            if takes_parts and is_multipart(request):
                return await handle(_PartsRequest(request))
            strict = _StrictRequest(request, max_bytes)
            return await (answer_once(strict, handle) if is_idempotent else handle(strict))

        return handle_strictly


def _responding(endpoint: Callable[..., Any], status_code: int) -> Callable[..., Any]:
    """Wrap an endpoint, so that it returns a response instead of a model."""
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def respond_async(*args: Any, **kwargs: Any) -> Response:
            await note_expected_change_async()
            return _to_response(await endpoint(*args, **kwargs), status_code)

        return respond_async

    @functools.wraps(endpoint)
    def respond(*args: Any, **kwargs: Any) -> Response:
        note_expected_change()  # in the thread of the endpoint: a change of threads costs more than the row
        return _to_response(endpoint(*args, **kwargs), status_code)

    return respond


def _to_response(result: Any, status_code: int) -> Response:
    return result if isinstance(result, Response) else JSONResponse(result, status_code)


_DESCRIPTIONS: Final = {
    400: "The request is not valid.",
    401: "There is no session and no token.",
    403: "The access, or the database, is read-only.",
    404: "There is no such thing.",
    409: "It cannot be done in this state.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON.",
    429: "There are too many of them now.",
    500: "An error inside Holdwater.",
    503: "The database cannot be reached now.",
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route."""
    return {status: {"model": ErrorBody, "description": _DESCRIPTIONS[status]} for status in statuses}


def api_router(noun: str, prefix: str = "") -> APIRouter:
    """Create a router of one noun; every route of it has the errors that any route can have."""
    return APIRouter(
        prefix=prefix,
        tags=[noun],
        route_class=ApiRoute,
        responses=error_responses(400, 401, 403, 404, 414, 429, 500, 503),
    )


CHANGE_ERRORS: Final = error_responses(409, 413, 415)
"""errors of a route that changes something"""
