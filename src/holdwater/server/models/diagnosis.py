"""Findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, Field

from holdwater.operations.doctor import Finding


class FindingBody(BaseModel):
    """One finding.  `command`: the words of the command that helps; `facts`: plain values by name."""

    code: str = Field(examples=["no_runner"])
    severity: Literal["problem", "warning", "info", "ok"]
    sentence: str
    facts: dict[str, Any]
    command: list[str]
    execution_id: str | None


class Diagnosis(BaseModel):
    """Findings, worst first."""

    tenant_id: str
    items: list[FindingBody]
    total: int

    @classmethod
    def of(cls, tenant_id: str, findings: Iterable[Finding]) -> Diagnosis:
        """Create it."""
        items = [
            FindingBody(
                code=one.code,
                severity=one.severity,
                sentence=one.sentence,
                facts=dict(one.facts),
                command=["holdwater", *one.command] if one.command else [],
                execution_id=one.run_id,
            )
            for one in findings
        ]
        return cls(tenant_id=tenant_id, items=items, total=len(items))
