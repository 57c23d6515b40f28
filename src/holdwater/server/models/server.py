"""The installation: runners, retention, checks, the server itself."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.operations.runners import RunnerInfo
from holdwater.server.models.base import GivenInstant, Instant, RequestBody, to_instant
from holdwater.server.models.executions import Count


class RunnerBody(BaseModel):
    """A runner.  `status`: unresponsive: its process lives and does not answer; gone: others take over its work.

    `executors`: slots by name.  `own_runs_only`: it takes no runs of others.
    """

    id: str
    name: str
    host: str
    pid: int
    version: str
    status: Literal["running", "draining", "unresponsive", "gone"]
    executors: dict[str, int]
    workflows: list[str]
    own_runs_only: bool
    started_at: Instant
    seen_at: Instant

    @classmethod
    def of(cls, runner: RunnerInfo) -> RunnerBody:
        """Create it from a runner of the database."""
        return cls(
            id=runner.owner,
            name=runner.name,
            host=runner.host,
            pid=runner.pid,
            version=runner.version,
            status=runner.status,
            executors=runner.executors,
            workflows=list(runner.workflows),
            own_runs_only=runner.own_runs_only,
            started_at=to_instant(runner.started_at),
            seen_at=to_instant(runner.seen_at),
        )


class RunnerList(BaseModel):
    """Runners, the oldest first."""

    tenant_id: str
    items: list[RunnerBody]
    total: int


class RetentionBody(RequestBody):
    """Runs that ended before an instant, with their children.  `keep`: ids of runs that stay."""

    ended_before: GivenInstant
    keep: list[str] = Field(default_factory=list, max_length=1000)


class RetentionPreview(BaseModel):
    """Top-level runs that would be deleted, by status; their children go with them."""

    tenant_id: str
    counts: dict[str, Count]


class Pruned(BaseModel):
    """Runs that were deleted, children included."""

    tenant_id: str
    pruned: int


class ViolationBody(BaseModel):
    """A violation of an invariant of the engine."""

    execution_id: str
    invariant: str = Field(examples=["I3"])
    message: str


class VerificationStatus(BaseModel):
    """Result of a check.  `unstable`: runs that changed too often to be checked; `items`: the first violations."""

    tenant_id: str
    runs: int
    entries: int
    work: int
    violations: int
    unstable: int
    items: list[ViolationBody]


class ServerInfo(BaseModel):
    """The server that answers."""

    version: str
    database: str = Field(examples=["sqlite:///app.db"])
    tenants: list[str]
    read_only: bool
    streams: int
