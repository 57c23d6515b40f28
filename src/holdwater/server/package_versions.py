"""Versions of packages by the names that paths have: of a package, or of one of its workflows."""

from __future__ import annotations

from typing import Literal, overload

from holdwater.errors import ReleaseNotFound
from holdwater.operations.releases import ReleaseInfo, list_releases
from holdwater.server.tenant_database import TenantDatabase


@overload
def find_version(
    tenant: TenantDatabase, name: str, version: str, *, missing_ok: Literal[False] = False
) -> ReleaseInfo: ...


@overload
def find_version(tenant: TenantDatabase, name: str, version: str, *, missing_ok: bool) -> ReleaseInfo | None: ...


def find_version(tenant: TenantDatabase, name: str, version: str, *, missing_ok: bool = False) -> ReleaseInfo | None:
    """Find a version of a package, `name` being that of the package or of a workflow of it.

    Raises ReleaseNotFound unless `missing_ok`, StoreUnavailable.
    """
    found = list_releases(tenant.database)
    named = [info for info in found if info.package == name] or [info for info in found if name in info.workflows]
    of_version = [info for info in named if info.version == version]
    if of_version:
        return max(of_version, key=lambda info: info.state != "gone")
    if missing_ok:
        return None
    raise ReleaseNotFound(
        f"there is no version {version!r:.80} of {name!r:.200} here",
        hint=f"its versions: {', '.join([info.version for info in named][:20])}" if named else "upload its archive",
    )
