"""Concurrency limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from holdwater.model.limits import MAX_RUNNING
from holdwater.operations.limits import LimitInfo
from holdwater.server.models.base import Instant, RequestBody, to_instant


class LimitHolderBody(BaseModel):
    """A task that holds a place in a limit.  `runner`: id of the runner that executes it."""

    execution_id: str
    workflow_name: str
    task_name: str
    runner: str
    started: bool
    lease_until: Instant


class LimitBody(BaseModel):
    """A limit.  `max`: tasks that may run at once; null: tasks name it, and there is no limit of it.

    `used`: tasks that hold places; `waiting`: those that wait for one; `holders`: at most 20 of them.
    """

    key: str
    max: int | None
    used: int
    waiting: int
    holders: list[LimitHolderBody]
    set_by: str
    set_at: Instant | None

    @classmethod
    def of(cls, limit: LimitInfo) -> LimitBody:
        """Create it from a limit of operations."""
        holders = [
            LimitHolderBody(
                execution_id=one.run_id,
                workflow_name=one.workflow,
                task_name=one.task,
                runner=one.runner,
                started=one.started,
                lease_until=to_instant(one.lease_until),
            )
            for one in limit.holders
        ]
        return cls(
            key=limit.key,
            max=limit.max_running,
            used=limit.used_count,
            waiting=limit.waiting_count,
            holders=holders,
            set_by=limit.set_by,
            set_at=to_instant(limit.set_at),
        )


class LimitList(BaseModel):
    """Limits, by key."""

    tenant_id: str
    items: list[LimitBody]
    total: int


class LimitSetting(RequestBody):
    """A new limit.  `max`: tasks that may run at once; 0 lets none begin."""

    max: Annotated[int, Field(ge=0, le=MAX_RUNNING, examples=[5])]


class LimitRemoved(BaseModel):
    """A limit that was removed."""

    tenant_id: str
    key: str
    status: Annotated[str, Field(examples=["removed"])] = "removed"
