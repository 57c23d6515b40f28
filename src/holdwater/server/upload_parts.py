"""Uploads: bodies in parts (`multipart/form-data`), written to a spool file before anything of them is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from holdwater.server.context_parts import MULTIPART, is_multipart
from holdwater.server.parsing import MAX_SHOWN_CHARS
from holdwater.server.refusals import RequestError

FILE_PART: Final = "file"
SIGNATURE_PART: Final = "signature"
MAX_SIGNATURE_BYTES: Final = 64 * 1024
UPLOAD_PARTS: Final = {
    "requestBody": {
        "required": True,
        "content": {
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": [FILE_PART],
                    "properties": {
                        FILE_PART: {"type": "string", "contentMediaType": "application/octet-stream"},
                        SIGNATURE_PART: {"type": "string", "contentMediaType": "application/json"},
                    },
                }
            }
        },
    }
}
"""`openapi_extra` of a route that takes an archive"""


@dataclass(frozen=True, slots=True)
class UploadedParts:
    """The parts of an upload.  `signature`: None without one."""

    data: bytes
    signature: bytes | None


async def read_upload(request: Request, max_bytes: int) -> UploadedParts:
    """Read an upload.  `max_bytes`: of the archive.  Raises RequestError, HTTPException."""
    if not is_multipart(request):
        raise RequestError(
            415, "an archive is uploaded in parts", hint=f"send {MULTIPART} with the parts file and signature"
        )
    async with request.form(max_files=2, max_fields=1, max_part_size=MAX_SIGNATURE_BYTES) as form:
        parts: dict[str, Any] = {}
        for name, value in form.multi_items():
            if name in parts or name not in (FILE_PART, SIGNATURE_PART):
                shown = name[:MAX_SHOWN_CHARS]
                raise RequestError(400, f"the part {shown!r} is in the body twice, or is none of an upload")
            parts[name] = value
        file, signature = parts.get(FILE_PART), parts.get(SIGNATURE_PART)
        if not isinstance(file, UploadFile):
            raise RequestError(400, "there is no archive in the body: its part is named file, and has a file name")
        if (file.size or 0) > max_bytes:
            raise RequestError(413, f"the archive is longer than {max_bytes:,} bytes")
        if isinstance(signature, UploadFile):
            if (signature.size or 0) > MAX_SIGNATURE_BYTES:
                raise RequestError(413, f"the signature is longer than {MAX_SIGNATURE_BYTES:,} bytes")
            signature = await signature.read()
        data = await run_in_threadpool(file.file.read)
    return UploadedParts(data, signature.encode() if isinstance(signature, str) else signature)
