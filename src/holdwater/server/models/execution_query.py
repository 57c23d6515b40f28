"""Filters of lists of runs, as query parameters."""

from __future__ import annotations

from pydantic import BaseModel, Field

from holdwater.server.models.executions import ExecutionStatus
from holdwater.server.paging import DEFAULT_LIMIT, MAX_CURSOR_CHARS, MAX_LIMIT, MAX_OFFSET

MAX_NAME_CHARS = 512


class ExecutionQuery(BaseModel, extra="forbid"):  # type: ignore[call-arg]
    """Selection of runs; unknown parameters are errors.

    `children`: also runs that other runs have started.  `since`: started at this instant or later.
    """

    status: ExecutionStatus | None = None
    workflow: str | None = Field(None, max_length=MAX_NAME_CHARS)
    since: str | None = Field(None, max_length=64, examples=["2026-11-21T05:00:00Z"])
    children: bool = False
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    cursor: str | None = Field(None, max_length=MAX_CURSOR_CHARS)
    count: bool = Field(False, description="with `counts`, by status")
