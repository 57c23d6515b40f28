"""Findings of a diagnosis: a sentence, facts and the command that helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Severity = Literal["problem", "warning", "info", "ok"]
"""problem: it does not go on before a person acts; warning: it may come to that; info: it goes on by itself;
ok: nothing is wrong"""

_ORDER: Final[dict[str, int]] = {"problem": 0, "warning": 1, "info": 2, "ok": 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    `code`: a word for programs.  `sentence`: for people.  `facts`: plain JSON values; instants are RFC 3339 texts, and
    durations seconds.  `command`: the words after `holdwater` of the command that helps, empty if none does; `MODULE`
    and `ANSWER` in it stand for those of the user, and all but `demo` take `--database`.  `run_id`: the run it is
    about; None: the database.
    """

    code: str
    severity: Severity
    sentence: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    run_id: str | None = None


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings, the worst first; those of one severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))
