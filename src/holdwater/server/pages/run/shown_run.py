"""A run as its page shows it at one instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from holdwater.drawing.marks import MarkName
from holdwater.model.time import Micros
from holdwater.runs.node_marks import node_marks
from holdwater.runs.view import RunView

STATES: Final[tuple[MarkName, ...]] = (
    "failed", "orphaned", "awaiting_input", "paused", "running", "waiting", "queued", "pending", "completed",
    "skipped", "cancelled",
)  # fmt: skip
"""of nodes, the most urgent first"""
SETTLED: Final[frozenset[MarkName]] = frozenset({"completed", "failed", "skipped", "cancelled"})


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run, the states of its nodes by name, and the instant at which it is looked at, by the store's clock."""

    view: RunView
    marks: Mapping[str, MarkName]
    now: Micros

    @classmethod
    def of(cls, view: RunView, now: Micros) -> Self:
        """Show a run.  Raises StoreError."""
        return cls(view, node_marks(view), now)

    def counts(self) -> dict[MarkName, int]:
        """Count nodes by state, the most urgent first; states that no node has are left out."""
        counted = Counter(self.marks.values())
        return {state: counted[state] for state in STATES if counted[state]}

    def count_settled(self) -> int:
        """Count the nodes of which nothing more is to come."""
        return sum([mark in SETTLED for mark in self.marks.values()])

    def next_failed(self, selected: str | None) -> str | None:
        """Return the name of the failed node that comes after the selected one; from the beginning after the last."""
        failed = [name for name, mark in self.marks.items() if mark == "failed"]
        if not failed or selected is None or selected not in self.marks:
            return failed[0] if failed else None
        places = {name: k for k, name in enumerate(self.marks)}
        return next((name for name in failed if places[name] > places[selected]), failed[0])
