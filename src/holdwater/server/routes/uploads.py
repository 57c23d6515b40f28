"""Uploads of packages, and requests about their versions, which the processes that execute them carry out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from holdwater.errors import WorkflowTaken
from holdwater.operations import releases
from holdwater.operations.releases import ReleaseInfo
from holdwater.packages.registries.uploads import PackageUploads, UploadedRelease, check_workflows_free
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, JSONResponse, api_router
from holdwater.server.models.uploads import ActivatedVersion, RemovedVersion, UploadedPackage
from holdwater.server.package_versions import find_version
from holdwater.server.refusals import RequestError
from holdwater.server.run_paths import WorkflowName
from holdwater.server.tenant_database import Tenant, TenantDatabase
from holdwater.server.upload_parts import UPLOAD_PARTS, UploadedParts, read_upload

WAIT_SECONDS: Final = 3.0
"""longest wait for what another thread, or process, does about a release"""
LOOK_SECONDS: Final = 0.05
"""between two looks at the row of a release"""
MAX_JUDGED: Final = 2
"""archives that are judged at once: each may take as much memory as its limits allow"""

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
    uploads = tenant.executed.uploads
    if uploads is None:
        raise RequestError(
            409, "this server executes no packages, so it takes none", code="uploads_not_taken",
            hint="`holdwater serve` takes them; `holdwater daemon` watches folders",
        )  # fmt: skip
    parts = await read_upload(request, uploads.limits.max_packed_bytes)
    async with _slots(request):
        taken = await run_in_threadpool(_take, tenant, uploads, parts, author_of(request))
    info = await _wait(tenant, taken.release, lambda found: found.state != "registering")
    if info.state == "broken" and taken.is_new:
        await run_in_threadpool(_refuse_taken_names, tenant, info)
    status = 202 if info.state == "registering" else 201 if taken.is_new else 200
    return JSONResponse(UploadedPackage.of(tenant.tenant, info), status)


@router.post("/{name}/{version}/activate", responses=CHANGE_ERRORS)
async def activate_version(tenant: Tenant, name: WorkflowName, version: Version) -> ActivatedVersion:
    """Have new runs take this version of a package, whatever version comes later; runs keep the one they have."""
    found = await run_in_threadpool(find_version, tenant, name, version)
    await run_in_threadpool(releases.activate_release, writable_database(tenant), found.release)
    info = await _wait(tenant, found.release, lambda one: one.state == "active")
    return ActivatedVersion(
        status="active" if info.state == "active" else "activating",
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
    info = await _wait(tenant, found.release, lambda one: one.state == "gone" or (one.open_runs > 0 and not force))
    return RemovedVersion(
        status="draining" if info.open_runs and not (force and info.state == "gone") else "deleted",
        package_name=info.package,
        version=info.version,
        open_runs=info.open_runs,
    )


def _slots(request: Request) -> asyncio.Semaphore:
    state = request.app.state
    if not hasattr(state, "upload_slots"):
        state.upload_slots = asyncio.Semaphore(MAX_JUDGED)
    slots: asyncio.Semaphore = state.upload_slots
    return slots


def _take(tenant: TenantDatabase, uploads: PackageUploads, parts: UploadedParts, by: str) -> UploadedRelease:
    taken = uploads.take(parts.data, parts.signature, by=by)
    writable_database(tenant).on_releases_changed()
    return taken


def _refuse_taken_names(tenant: TenantDatabase, info: ReleaseInfo) -> None:
    """Remove a release that cannot be used because another package has its names.  Raises WorkflowTaken."""
    database = writable_database(tenant)
    try:
        check_workflows_free(database.store.list_releases(), info.package, info.workflows)
    except WorkflowTaken:
        releases.remove_release(database, info.release)
        raise


async def _wait(tenant: TenantDatabase, release: str, is_done: Callable[[ReleaseInfo], bool]) -> ReleaseInfo:
    """Look at a release until it is as it is to be, or for `WAIT_SECONDS`."""
    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        info = await run_in_threadpool(releases.get_release, tenant.database, release)
        if is_done(info) or time.monotonic() >= give_up:
            return info
        await asyncio.sleep(LOOK_SECONDS)
