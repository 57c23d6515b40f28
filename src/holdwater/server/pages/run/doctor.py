"""The findings of the doctor about a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from holdwater.drawing.marks import MarkName
from holdwater.operations.doctor import Finding, Severity, diagnose_run
from holdwater.server.command_lines import command_line
from holdwater.server.tenant_database import TenantDatabase

MARKS: Final[dict[Severity, tuple[MarkName, str]]] = {
    "problem": ("failed", "Problem"),
    "warning": ("paused", "Warning"),
    "info": ("waiting", "Goes on by itself"),
    "ok": ("completed", "All is well"),
}
"""severity -> its mark and word"""
MAX_FACT_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding.  `facts`: names and texts.  `command`: the command line that helps, "" if none does.

    `other_run`: id of the run it is about, if that is not the one of the page.
    """

    code: str
    mark: MarkName
    word: str
    sentence: str
    facts: tuple[tuple[str, str], ...]
    command: str
    other_run: str


def diagnose(tenant: TenantDatabase, run_id: str) -> tuple[ShownFinding, ...]:
    """Find everything that holds a run, the worst first.  Raises RunNotFound, StoreUnavailable."""
    database = replace(tenant.database, runs=tenant.folded_runs)
    return tuple([show_finding(tenant, finding, run_id) for finding in diagnose_run(database, run_id)])


def show_finding(tenant: TenantDatabase, finding: Finding, run_id: str = "") -> ShownFinding:
    """Show a finding on the page of a run, or of the database (`run_id` empty)."""
    mark, word = MARKS[finding.severity]
    return ShownFinding(
        finding.code,
        mark,
        word,
        finding.sentence,
        tuple(_facts(finding.facts)),
        command_line(tenant, *finding.command) if finding.command else "",
        finding.run_id if finding.run_id not in (None, run_id) else "",
    )


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return facts as texts; those that say nothing are left out."""
    return [
        (name.replace("_", " "), _fact_text(value))
        for name, value in facts.items()
        if value is not None and value != []
    ]


def _fact_text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_FACT_CHARACTERS else f"{text[: MAX_FACT_CHARACTERS - 1]}…"
