"""The installation: runners, retention, checks, the server itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from holdwater.model.retention import RetentionRule
from holdwater.operations.pruning import StoredRetention
from holdwater.operations.runners import RunnerInfo
from holdwater.server.models.base import GivenInstant, Instant, RequestBody, shown_as, to_instant
from holdwater.server.models.execution_query import LabelTerm
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


Days = Annotated[float, Field(ge=0, le=36_500, examples=[30])]


class RetentionRuleBody(RequestBody):
    """Which ended runs are deleted, with their children, by the runners of the database.

    `days`: age of their ends, null: they are kept.  `days_failed`: that of failed runs, null: as the others.
    `keep_labels`: runs with any of these labels are kept: `KEY` with any value, or `KEY=VALUE`.
    `logs_days`: age at which the logs of ended runs are deleted before the runs, null: they go with their runs.
    """

    days: Days | None = None
    days_failed: Days | None = None
    keep_labels: list[LabelTerm] = Field(default_factory=list, max_length=32, examples=[["audit"]])
    logs_days: Days | None = None

    def to_rule(self) -> RetentionRule:
        """Create the rule of operations."""
        return RetentionRule(self.days, self.days_failed, tuple(self.keep_labels), self.logs_days)


class RetentionBody(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(ended_before="2026-11-21T05:00:00Z")
):
    """Runs to delete: those that ended before an instant, but for those in `keep`; or those of a `rule`.

    Without either: those of the rule of the database.
    """

    ended_before: GivenInstant | None = None
    keep: list[str] = Field(default_factory=list, max_length=1000)
    rule: RetentionRuleBody | None = None


class RetentionStatus(BaseModel):
    """The rule of the database.  `changed_at`: its last change, null if there never was a rule."""

    tenant_id: str
    days: float | None
    days_failed: float | None
    keep_labels: list[str]
    logs_days: float | None
    changed_at: Instant | None
    changed_by: str

    @classmethod
    def of(cls, tenant_id: str, stored: StoredRetention) -> RetentionStatus:
        """Create it from what is stored."""
        return cls(
            tenant_id=tenant_id,
            **stored.rule.to_data(),
            changed_at=to_instant(stored.changed_at),
            changed_by=stored.changed_by,
        )


class RetentionPreviewBody(BaseModel):
    """Top-level runs that would be deleted, by status; their children go with them.

    `bytes`: their journals and logs, children included, before compression; `estimated`: measured by some of the runs.
    """

    tenant_id: str
    counts: dict[str, Count]
    bytes: int
    estimated: bool


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
