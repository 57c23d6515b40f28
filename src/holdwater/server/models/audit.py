"""The audit log."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.server.control.audit import AuditRow
from holdwater.server.models.base import Instant, to_instant


class AuditEntry(BaseModel):
    """A change that was asked for, or a refusal.  `tenant_id`: null for the server itself.

    `by`: `key:ID`, or `unknown`.  `outcome`: `asked` while it is under way, or if the server died meanwhile.
    `code`: of the error, empty without one.
    """

    number: int
    at: Instant
    by: str = Field(examples=["key:3k9fxq2m7wzt"])
    tenant_id: str | None
    verb: str = Field(examples=["cancel_execution"])
    target: str
    outcome: Literal["asked", "done", "refused", "failed"]
    code: str
    request_id: str
    address: str

    @classmethod
    def of(cls, row: AuditRow) -> AuditEntry:
        """Create it from its row."""
        return cls(
            number=row.number,
            at=to_instant(row.at),
            by=row.by,
            tenant_id=row.tenant,
            verb=row.verb,
            target=row.target,
            outcome=row.outcome,
            code=row.code,
            request_id=row.request_id,
            address=row.address,
        )


class AuditPage(BaseModel):
    """Entries of the audit log, the newest first."""

    items: list[AuditEntry]
    total: int
    next_cursor: str | None
