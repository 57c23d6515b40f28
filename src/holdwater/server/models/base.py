"""Parts of the bodies of requests and responses of every noun."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from holdwater.model.time import Micros, to_rfc3339

Instant = Annotated[str, Field(examples=["2026-11-21T05:00:00.000000Z"], json_schema_extra={"format": "date-time"})]
"""RFC 3339, in UTC"""

GivenInstant = Annotated[
    str, Field(max_length=64, examples=["2026-11-21T05:00:00Z"], json_schema_extra={"format": "date-time"})
]
"""RFC 3339 or ISO 8601, as a caller writes it"""


class RequestBody(BaseModel, extra="forbid", strict=True):  # type: ignore[call-arg]
    """Base of bodies of requests: unknown fields are errors, and nothing is converted."""


class Page(BaseModel):
    """Base of pages of lists.  `total`: items of this page; `next_cursor`: of the next one, null on the last."""

    tenant_id: str
    total: int
    next_cursor: str | None = None


def to_instant(at: Micros | None) -> str | None:
    """Write an instant, if there is one."""
    return None if at is None else to_rfc3339(at)
