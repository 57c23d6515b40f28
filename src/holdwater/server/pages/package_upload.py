"""Uploading a package in the browser."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData, UploadFile

from holdwater.errors import HoldwaterError
from holdwater.operations.trusted_keys import list_trusted_keys
from holdwater.server.acts import page_url
from holdwater.server.auditing import note_change
from holdwater.server.command_lines import command_line, server_url
from holdwater.server.errors import status_and_code
from holdwater.server.form_posts import check_token_of
from holdwater.server.notices import Notice, redirect_with
from holdwater.server.package_uploads import take_upload, uploads_of
from holdwater.server.page_roles import for_writers
from holdwater.server.refusals import ERROR_CODE, RequestError
from holdwater.server.rendering import render
from holdwater.server.tenant_database import Tenant, TenantDatabase
from holdwater.server.upload_parts import FILE_PART, MAX_SIGNATURE_BYTES, SIGNATURE_PART, UploadedParts

router = APIRouter(dependencies=[Depends(for_writers)])

MAX_TOKEN_BYTES: Final = 4_096


@router.get("/packages/upload")
def upload_page(request: Request, tenant: Tenant) -> HTMLResponse:
    """Show the form."""
    uploads_of(tenant)
    return _show(request, tenant)


@router.post("/packages/upload", name="upload_package")
async def upload_package(request: Request, tenant: Tenant) -> Response:
    """Take an archive, and show its release; or say why it was refused."""
    limit = uploads_of(tenant).limits.max_packed_bytes
    async with request.form(max_files=2, max_fields=2, max_part_size=MAX_TOKEN_BYTES) as form:
        check_token_of(request, form)
        await note_change(request)
        try:
            taken = await take_upload(request, tenant, await _read_parts(form, limit))
        except (RequestError, HoldwaterError) as error:
            return await run_in_threadpool(_show, request, tenant, error)
    info = taken.info
    if info.state == "registering":
        notice = Notice(f"{info.reference} is uploaded, and is being registered.")
    elif info.state == "broken":
        notice = Notice(f"{info.reference} is uploaded, and is broken: its error is below.", "bad")
    elif taken.is_new:
        notice = Notice(f"{info.reference} is uploaded, and {info.state}.")
    else:
        notice = Notice(f"{info.reference} was there already: nothing was changed.", "warn")
    return redirect_with(request, page_url(request, tenant, f"/packages/{info.release}"), notice)


async def _read_parts(form: FormData, max_bytes: int) -> UploadedParts:
    """Read the files of the form.  Raises RequestError (400, 413)."""
    archive = await _read_file(form, FILE_PART, max_bytes)
    if archive is None:
        raise RequestError(400, "no file was chosen", hint="`holdwater package build` makes one")
    return UploadedParts(archive, await _read_file(form, SIGNATURE_PART, MAX_SIGNATURE_BYTES))


async def _read_file(form: FormData, name: str, max_bytes: int) -> bytes | None:
    """Read a file of the form, None if none was chosen.  Raises RequestError (413)."""
    file = form.get(name)
    if not isinstance(file, UploadFile) or not (file.filename or file.size):
        return None
    if (file.size or 0) > max_bytes:
        raise RequestError(413, f"the {name} is longer than {max_bytes:,} bytes")
    return await file.read()


def _show(request: Request, tenant: TenantDatabase, error: RequestError | HoldwaterError | None = None) -> HTMLResponse:
    status, message = 200, ""
    if isinstance(error, HoldwaterError):
        (status, code), message = status_and_code(error), error.message
        request.scope[ERROR_CODE] = code
    elif error is not None:
        status, message = error.status_code, str(error.detail)
        request.scope[ERROR_CODE] = error.code
    upload = f"{server_url(request)}/v1/tenants/{tenant.tenant}/workflows"
    values: dict[str, Any] = {
        "section": "packages",
        "error": message,
        "hint": "" if error is None else error.hint,
        "max_bytes": uploads_of(tenant).limits.max_packed_bytes,
        "requires_signature": tenant.executed.requires_signature(),
        "trusted": [key for key in list_trusted_keys(tenant.database) if key.revoked_at is None],
        "commands": {
            "upload": command_line(tenant, "package", "upload", "orders.cloacina"),
            "curl": f'curl {upload} -H "Authorization: Bearer $HOLDWATER_API_KEY" -F file=@orders.cloacina',
        },
    }
    return render(request, "packages/upload.html", tenant, status_code=status, **values)
