"""Taking the archive of a package that was uploaded, for the API and the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from holdwater.errors import WorkflowTaken
from holdwater.operations import releases
from holdwater.operations.databases import Database
from holdwater.operations.releases import ReleaseInfo
from holdwater.packages.reconciling.release_choice import choose_active
from holdwater.packages.registries.uploads import PackageUploads, UploadedRelease, check_workflows_free
from holdwater.server.access import author_of
from holdwater.server.acts import writable_database
from holdwater.server.open_requests import check_access
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import TenantDatabase
from holdwater.server.upload_parts import UploadedParts

WAIT_SECONDS: Final = 3.0
"""longest wait for what another thread, or process, does about a release"""
LOOK_SECONDS: Final = 0.05
"""between two looks at the row of a release"""
MAX_JUDGED: Final = 2
"""archives that are judged at once: each may take as much memory as its limits allow"""


@dataclass(frozen=True, slots=True)
class TakenPackage:
    """An uploaded package.  `info`: its release, registered or not yet.  `is_new`: its archive was not there."""

    info: ReleaseInfo
    is_new: bool


def uploads_of(tenant: TenantDatabase) -> PackageUploads:
    """Return what takes archives.  Raises RequestError (409) where none are taken."""
    uploads = tenant.executed.uploads
    if uploads is None:
        raise RequestError(
            409, "this server executes no packages, so it takes none", code="uploads_not_taken",
            hint="`holdwater serve` takes them; `holdwater daemon` watches folders",
        )  # fmt: skip
    return uploads


async def take_upload(request: Request, tenant: TenantDatabase, parts: UploadedParts) -> TakenPackage:
    """Judge an archive, keep it, and wait a little until its package is registered.

    Raises PackageError naming what is wrong with it, TrustError, VersionExists, WorkflowTaken, StoreUnavailable.
    """
    uploads, by = uploads_of(tenant), author_of(request)
    async with _slots(request):
        check_access(request)  # the archive may have waited for others
        taken = await run_in_threadpool(_take, tenant, uploads, parts, by)
    info = await wait_for_release(tenant, taken.release, partial(_is_settled, tenant.database))
    if info.state == "broken" and taken.is_new:
        await run_in_threadpool(_refuse_taken_names, tenant, info)
    elif not await run_in_threadpool(_is_settled, tenant.database, info):
        info = replace(info, state="registering")  # it cannot be started yet
    return TakenPackage(info, taken.is_new)


def can_be_started(database: Database, info: ReleaseInfo) -> bool:
    """Return True for the active release of a package, if its workflows are announced as its.

    A row says `active` a moment before the engine that executes the package announces these, all in one transaction.
    """
    if info.state != "active":
        return False
    known = set(info.workflows)
    outermost = next((name for name in info.workflows if name.rpartition("/")[0] not in known), None)
    if outermost is None:
        return True
    announced = database.store.get_workflow(outermost)
    return announced is not None and announced.release == info.release


def _is_settled(database: Database, info: ReleaseInfo) -> bool:
    """Return True for a release that stays as it is: what is to be active is `inactive` for a moment before."""
    if info.state in ("active", "inactive"):
        rows = database.store.list_releases()
        good = [row for row in rows if row.package == info.package and row.state in ("active", "inactive")]
        chosen = choose_active(good)
        if chosen is not None and chosen.release == info.release:
            return can_be_started(database, info)
    return info.state != "registering"


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


async def wait_for_release(tenant: TenantDatabase, release: str, is_done: Callable[[ReleaseInfo], bool]) -> ReleaseInfo:
    """Look at a release until it is as it is to be, or for `WAIT_SECONDS`.  `is_done`: may read the database."""

    def look() -> tuple[ReleaseInfo, bool]:
        info = releases.get_release(tenant.database, release)
        return info, is_done(info)

    give_up = time.monotonic() + WAIT_SECONDS
    while True:
        info, done = await run_in_threadpool(look)
        if done or time.monotonic() >= give_up:
            return info
        await asyncio.sleep(LOOK_SECONDS)
