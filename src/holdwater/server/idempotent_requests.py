"""Requests that create something, with an `Idempotency-Key`: done once, and answered the same again for a day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from holdwater.server.access import caller_of
from holdwater.server.control.idempotency import IdempotentRequest, StoredResponse
from holdwater.server.control.tables import ServerTables
from holdwater.server.refusals import RequestError
from holdwater.server.rendering import path_below_root

MAX_KEY_CHARS: Final = 1024
HEADER: Final = "idempotency-key"
PARAMETER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
    "description": "the same request again within 24 hours is answered with the same response",
}
"""in the description of a route with `IDEMPOTENT`: the header that `answer_once` reads"""


async def answer_once(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Handle a request, or answer it as the same request was before.

    What is answered with an error is not kept, but done again.  Raises IdempotencyConflict, RunInProgress,
    RequestError, StoreUnavailable.
    """
    tables: ServerTables | None = request.app.state.control
    key, caller = request.headers.get(HEADER), caller_of(request)
    if key is None or tables is None or not caller.key_id:
        return await handle(request)
    if not 0 < len(key) <= MAX_KEY_CHARS:
        raise RequestError(400, f"the Idempotency-Key has 1 to {MAX_KEY_CHARS} characters")
    asked = b"\0".join([request.method.encode(), path_below_root(request).encode(), await request.body()])
    _, _, secret = request.headers.get("authorization", "").partition(" ")
    once = IdempotentRequest(tables.database, caller.key_id, secret.strip(), key, asked)
    stored = await run_in_threadpool(once.begin)
    if stored is not None:
        return Response(stored.body, stored.status, media_type="application/json")
    try:
        response = await handle(request)
    except BaseException:
        await run_in_threadpool(once.drop)
        raise
    if response.status_code < 400:
        await run_in_threadpool(once.complete, StoredResponse(response.status_code, bytes(response.body)))
    else:
        await run_in_threadpool(once.drop)
    return response
