"""Progress of runs: their nodes that are settled, of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.model.rules import SETTLED_OUTCOMES

MAX_ENTRIES: Final = 20_000
"""journal entries that are read for the progress of the runs of a list"""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Nodes of a run that are settled, whichever way, of all."""

    done: int
    total: int

    @classmethod
    def of_states(cls, states: Sequence[str]) -> RunProgress:
        """Count the states of nodes."""
        return cls(sum([state in SETTLED_OUTCOMES for state in states]), len(states))
