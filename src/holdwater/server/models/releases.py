"""Releases of packages, and the processes that execute them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.operations.releases import MAX_OPEN_RUNS, ReleaseInfo
from holdwater.server.models.base import Instant, Page, to_instant
from holdwater.server.models.executions import Count


class ReleaseBody(BaseModel):
    """A version of a package.  `release`: the first 16 hex digits of `digest`, the SHA-256 of its archive.

    `pinned`: it was made active by a request.  `error`: why it is broken, with a traceback; it is registered again at
    `next_attempt_at`.  `source`: the file it came from, empty for an upload.  `signed_by`: fingerprint of a key, empty
    without a signature.  `open_runs`: runs that have not ended.
    """

    release: str = Field(examples=["3f1c9a7be0d24c55"])
    digest: str
    package_name: str = Field(examples=["orders"])
    version: str = Field(examples=["1.2.0"])
    state: Literal["registering", "active", "inactive", "broken", "draining", "gone"]
    workflows: list[str]
    pinned: bool
    error: str | None
    attempts: int
    next_attempt_at: Instant | None
    source: str
    registered_by: str
    signed_by: str
    registered_at: Instant
    changed_at: Instant
    open_runs: Count

    @classmethod
    def of(cls, info: ReleaseInfo) -> ReleaseBody:
        """Create it from a release."""
        return cls(**_facts(info))


class ReleasePage(Page):
    """Releases by package, the newest first."""

    items: list[ReleaseBody]


class ReleaseDetail(ReleaseBody):
    """A release."""

    tenant_id: str

    @classmethod
    def of_release(cls, tenant_id: str, info: ReleaseInfo) -> ReleaseDetail:
        """Create it from a release."""
        return cls(tenant_id=tenant_id, **_facts(info))


def _facts(info: ReleaseInfo) -> dict[str, object]:
    return {
        "release": info.release,
        "digest": info.digest,
        "package_name": info.package,
        "version": info.version,
        "state": info.state,
        "workflows": list(info.workflows),
        "pinned": info.is_pinned,
        "error": info.error,
        "attempts": info.attempts,
        "next_attempt_at": to_instant(info.next_attempt_at),
        "source": info.source,
        "registered_by": info.registered_by,
        "signed_by": info.signed_by,
        "registered_at": to_instant(info.registered_at),
        "changed_at": to_instant(info.changed_at),
        "open_runs": Count(count=info.open_runs, more=info.open_runs >= MAX_OPEN_RUNS),
    }
