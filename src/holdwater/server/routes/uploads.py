"""Uploads of packages, and requests about their versions, which the processes that execute them carry out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from holdwater.operations import releases
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, JSONResponse, api_router
from holdwater.server.models.uploads import ActivatedVersion, RemovedVersion, UploadedPackage
from holdwater.server.package_uploads import can_be_started, take_upload, uploads_of, wait_for_release
from holdwater.server.package_versions import find_version
from holdwater.server.run_paths import WorkflowName
from holdwater.server.tenant_database import Tenant
from holdwater.server.upload_parts import UPLOAD_PARTS, read_upload

router = api_router("workflows", "/workflows")

Version = Annotated[str, Path(max_length=64, description="version of the package", examples=["1.2.0"])]
Force = Annotated[bool, Query(description="do not wait for open runs: they are paused, and say why")]
UPLOAD_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **CHANGE_ERRORS,
    200: {"model": UploadedPackage, "description": "This archive was there already."},
    202: {"model": UploadedPackage, "description": "The archive is kept, and its package is being registered."},
}


@router.post("", name="upload_package", status_code=201, responses=UPLOAD_RESPONSES, openapi_extra=UPLOAD_PARTS)
async def upload_package(request: Request, tenant: Tenant) -> JSONResponse:
    """Upload an archive of a package, with the signature beside it if there is one.

    It is judged before anything of it is unpacked, and imported in a process of its own.
    """
    uploads = uploads_of(tenant)
    parts = await read_upload(request, uploads.limits.max_packed_bytes)
    taken = await take_upload(request, tenant, parts)
    info = taken.info
    status = 202 if info.state == "registering" else 201 if taken.is_new else 200
    return JSONResponse(UploadedPackage.of(tenant.tenant, info), status)


@router.post("/{name}/{version}/activate", responses=CHANGE_ERRORS)
async def activate_version(tenant: Tenant, name: WorkflowName, version: Version) -> ActivatedVersion:
    """Have new runs take this version of a package, whatever version comes later; runs keep the one they have."""
    found = await run_in_threadpool(find_version, tenant, name, version)
    await run_in_threadpool(releases.activate_release, writable_database(tenant), found.release)
    info = await wait_for_release(tenant, found.release, partial(can_be_started, tenant.database))
    return ActivatedVersion(
        status="active" if await run_in_threadpool(can_be_started, tenant.database, info) else "activating",
        package_name=info.package,
        version=info.version,
        release=info.release,
    )


@router.delete("/{name}/{version}", responses=CHANGE_ERRORS)
async def remove_version(tenant: Tenant, name: WorkflowName, version: Version, force: Force = False) -> RemovedVersion:
    """Start nothing more of a version of a package, whose files go with its last open run."""
    found = await run_in_threadpool(find_version, tenant, name, version, missing_ok=True)
    if found is None or found.state == "gone":
        return RemovedVersion(status="deleted", package_name=name, version=version, open_runs=0)
    reason = f"{found.reference} was removed by force" if force else None
    await run_in_threadpool(releases.remove_release, writable_database(tenant), found.release, force_reason=reason)
    info = await wait_for_release(
        tenant, found.release, lambda one: one.state == "gone" or (one.open_runs > 0 and not force)
    )
    return RemovedVersion(
        status="draining" if info.open_runs and not (force and info.state == "gone") else "deleted",
        package_name=info.package,
        version=info.version,
        open_runs=info.open_runs,
    )
