"""Releases of packages: lists, one, and requests about them, which the process that executes them carries out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from holdwater.operations import releases
from holdwater.server.acts import writable_database
from holdwater.server.api_routing import CHANGE_ERRORS, api_router
from holdwater.server.models.releases import ReleaseBody, ReleaseDetail, ReleasePage
from holdwater.server.paging import DEFAULT_LIMIT, Cursor, Limit, decode_cursor, encode_cursor
from holdwater.server.tenant_database import Tenant

router = api_router("releases", "/releases")

Release = Annotated[str, Path(max_length=64, description="its 16 hex digits", examples=["3f1c9a7be0d24c55"])]
PackageName = Annotated[str | None, Query(max_length=512, description="releases of this package alone")]


@router.get("")
def list_releases(
    tenant: Tenant, package: PackageName = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> ReleasePage:
    """List the releases by package, the newest first."""
    parts = ["releases", tenant.tenant, package or ""]
    first = 0 if cursor is None else decode_cursor(cursor, parts, (int,))[0]
    found = releases.list_releases(tenant.database, package)
    items = [ReleaseBody.of(info) for info in found[first : first + limit]]
    return ReleasePage(
        tenant_id=tenant.tenant,
        items=items,
        total=len(items),
        next_cursor=encode_cursor([first + limit], parts) if len(found) > first + limit else None,
    )


@router.get("/{release}")
def get_release(tenant: Tenant, release: Release) -> ReleaseDetail:
    """Read a release."""
    return ReleaseDetail.of_release(tenant.tenant, releases.get_release(tenant.database, release))


@router.post("/{release}/activate", status_code=202, responses=CHANGE_ERRORS)
def activate_release(tenant: Tenant, release: Release) -> ReleaseDetail:
    """Have new runs take this release, whatever version comes later; runs keep the release they have."""
    return ReleaseDetail.of_release(tenant.tenant, releases.activate_release(writable_database(tenant), release))


@router.post("/{release}/unpin", status_code=202, responses=CHANGE_ERRORS)
def unpin_release(tenant: Tenant, release: Release) -> ReleaseDetail:
    """Let the highest version of its package be active again."""
    return ReleaseDetail.of_release(tenant.tenant, releases.unpin_release(writable_database(tenant), release))


@router.post("/{release}/retry", status_code=202, responses=CHANGE_ERRORS)
def retry_release(tenant: Tenant, release: Release) -> ReleaseDetail:
    """Register a broken release again at once."""
    return ReleaseDetail.of_release(tenant.tenant, releases.retry_release(writable_database(tenant), release))


@router.delete("/{release}", status_code=202, responses=CHANGE_ERRORS)
def remove_release(tenant: Tenant, release: Release) -> ReleaseDetail:
    """Start nothing more of a release, which is gone when its last open run has ended."""
    return ReleaseDetail.of_release(tenant.tenant, releases.remove_release(writable_database(tenant), release))
