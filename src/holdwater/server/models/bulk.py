"""Bulk jobs: requests for many runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.errors import InvalidArgument
from holdwater.model.bulk_jobs import BulkJob
from holdwater.operations.bulk_jobs import SelectedRuns
from holdwater.operations.run_filters import check_filter
from holdwater.server.models.base import Instant, RequestBody, shown_as, to_instant
from holdwater.server.models.execution_query import ExecutionFilter
from holdwater.server.models.executions import Count, ExecutionStatus

Verb = Literal["cancel", "pause", "resume", "retry", "forget"]
MAX_IDS = 10_000


class BulkSelection(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(filter={"status": ["failed"], "workflow": ["orders"]})
):
    """Runs of a request: a list of `ids`, or all that match a `filter` at this instant."""

    ids: list[str] | None = Field(None, max_length=MAX_IDS)
    filter: ExecutionFilter | None = None

    def to_selection(self) -> SelectedRuns:
        """Create the selection of operations.  Raises InvalidArgument, RequestError."""
        if (self.ids is None) == (self.filter is None):
            raise InvalidArgument("body: give either `ids` or `filter`")
        if self.filter is None:
            return SelectedRuns(tuple(self.ids or ()))
        which = self.filter.to_run_filter()
        check_filter(which)
        return SelectedRuns(which=which)


class BulkBody(  # type: ignore[call-arg]
    BulkSelection,
    json_schema_extra=shown_as(
        verb="retry", filter={"status": ["failed"], "workflow": ["orders"]}, reason="the payment service is up again"
    ),
):
    """A request for many runs, 100,000 at most.  `forget`: runs that have ended are deleted with their children."""

    verb: Verb
    reason: str = Field("", max_length=10_000, examples=["the payment service is up again"])


class BulkPreview(BaseModel):
    """The selected runs by status.  Those that a verb does not fit are left as they are."""

    tenant_id: str
    counts: dict[ExecutionStatus, Count]


class BulkStatus(BaseModel):
    """A bulk job.  `matched`: the selected runs; `more`: more matched than one job takes: ask again for the rest.

    `refused`: runs it did not fit; `refusals`: reasons by id, of the first ones.
    """

    tenant_id: str
    bulk_id: str = Field(examples=["019f3c4e-7a51-7c33-8a52-0d6c1b9a77e1"])
    verb: Verb
    state: Literal["running", "completed", "stopped"]
    matched: int
    more: bool
    done: int
    refused: int
    refusals: dict[str, str]
    reason: str
    by: str
    created_at: Instant
    completed_at: Instant | None

    @classmethod
    def of(cls, tenant_id: str, job: BulkJob) -> BulkStatus:
        """Create it from a bulk job."""
        return cls(
            tenant_id=tenant_id,
            bulk_id=job.id,
            verb=job.verb,
            state=job.state,
            matched=job.matched_count,
            more=job.has_more,
            done=job.done_count,
            refused=job.refused_count,
            refusals=dict(job.refusals),
            reason=job.reason,
            by=job.by,
            created_at=to_instant(job.created_at),
            completed_at=to_instant(job.ended_at),
        )


class BulkList(BaseModel):
    """Bulk jobs, the newest first; those that ended more than 30 days ago may be gone."""

    tenant_id: str
    items: list[BulkStatus]
    total: int
