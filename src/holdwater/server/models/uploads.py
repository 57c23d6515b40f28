"""Packages that are uploaded, and requests about their versions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.model.releases import ReleaseState
from holdwater.operations.releases import ReleaseInfo


class UploadedPackage(BaseModel):
    """A version of a package that was taken.

    `package_id`: that of its release, the first 16 hex digits of the SHA-256 of its archive.  `state`: registering,
    until its modules were imported; `workflows` are empty until then.  `error`: why it is broken.
    """

    package_id: str = Field(examples=["3f1c9a7be0d24c55"])
    tenant_id: str
    package_name: str
    version: str
    state: ReleaseState
    workflows: list[str]
    error: str | None
    signed_by: str

    @classmethod
    def of(cls, tenant_id: str, info: ReleaseInfo) -> UploadedPackage:
        """Create it from its release."""
        return cls(
            package_id=info.release,
            tenant_id=tenant_id,
            package_name=info.package,
            version=info.version,
            state=info.state,
            workflows=list(info.workflows),
            error=info.error,
            signed_by=info.signed_by,
        )


class ActivatedVersion(BaseModel):
    """A version that new runs take.  `status`: active, or activating while the processes that execute it are told."""

    status: Literal["active", "activating"]
    package_name: str
    version: str
    release: str


class RemovedVersion(BaseModel):
    """A version that starts nothing more.  `status`: draining while runs of it are open; deleted, also if it never was.

    `open_runs`: of it.
    """

    status: Literal["deleted", "draining"]
    package_name: str
    version: str
    open_runs: int
