"""The audit log."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.server.control.audit import AuditFilter, AuditRow
from holdwater.server.models.base import GivenInstant, Instant, instant_of_query, to_instant
from holdwater.server.paging import CURSOR_PATTERN

MAX_VERB_CHARS = 100
MAX_AUTHOR_CHARS = 200


class AuditQuery(BaseModel, extra="forbid"):  # type: ignore[call-arg]
    """A page of entries that match a filter; unknown fields are errors.

    `author`: `key:ID`, the id of a key or its name, or `unknown`.  `since`: entries of this instant and later.
    """

    verb: str | None = Field(None, pattern=r"^[A-Za-z0-9_.]+$", max_length=MAX_VERB_CHARS, examples=["key.create"])
    outcome: Literal["asked", "done", "refused", "failed"] | None = None
    author: str | None = Field(None, pattern=r"^[^\x00-\x1f\x7f]+$", max_length=MAX_AUTHOR_CHARS, examples=["deploys"])
    since: GivenInstant | None = None
    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, pattern=CURSOR_PATTERN)

    def to_audit_filter(self) -> AuditFilter:
        """Create the filter of the log.  Raises RequestError."""
        return AuditFilter(self.verb, self.outcome, self.author, instant_of_query("since", self.since))


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
