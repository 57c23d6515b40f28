"""Bodies in parts (`multipart/form-data`), for a context that is too large for a body in JSON.

Each part is JSON by itself: `context`, as a file or a field, and the other fields of the body.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from holdwater.server import parsing
from holdwater.server.refusals import RequestError

MULTIPART: Final = "multipart/form-data"
MAX_FIELDS: Final = 8
CONTEXT_PART: Final = {
    "x-takes-values": True,
    "x-takes-context-part": True,
    "requestBody": {
        "content": {
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["context"],
                    "properties": {
                        "context": {"type": "string", "contentMediaType": "application/json"},
                        "labels": {"type": "string", "contentMediaType": "application/json"},
                        "timeout_seconds": {"type": "string", "contentMediaType": "application/json"},
                    },
                }
            }
        }
    },
}
"""`openapi_extra` of a route whose body may come in parts"""


def is_multipart(request: Request) -> bool:
    """Return True for a request whose body comes in parts."""
    return request.headers.get("content-type", "").lower().partition(";")[0].strip() == MULTIPART


async def read_parts(request: Request) -> dict[str, Any]:
    """Read the parts of a body as the fields of an object.  Raises RequestError, HTTPException."""
    fields: dict[str, Any] = {}
    async with request.form(max_files=MAX_FIELDS, max_fields=MAX_FIELDS, max_part_size=parsing.MEBIBYTE) as form:
        for name, value in form.multi_items():
            if name in fields:
                raise RequestError(400, f"the part {name[: parsing.MAX_SHOWN_CHARS]!r} is in the body twice")
            data = await value.read() if isinstance(value, UploadFile) else value.encode()
            fields[name] = await run_in_threadpool(parsing.parse_strict_json, data)
    return fields
