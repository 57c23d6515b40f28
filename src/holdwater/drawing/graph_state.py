"""States of the boxes and arrows of a picture: those of one run, at one instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from holdwater.drawing.marks import MarkName
from holdwater.drawing.picture import Arrow
from holdwater.model.time import Micros

ArrowState = Literal["", "taken", "faded"]


@dataclass(frozen=True, slots=True)
class BoxState:
    """State of one box.  `about`: the line below its name.  `detail`: more of it, for a tooltip.

    `done`, `total`: items of a map or child runs; 0: it has none.  `turn`: of a loop, from 1; 0: it has not run.
    `until`: what it waits for is due at this instant (microseconds since the epoch).
    """

    mark: MarkName
    about: str = ""
    detail: str = ""
    done: int = 0
    total: int = 0
    turn: int = 0
    until: Micros | None = None


@dataclass(frozen=True, slots=True)
class GraphState:
    """States of boxes by key.  `decisions`: gate -> the targets its latest decision has opened."""

    boxes: Mapping[str, BoxState] = field(default_factory=dict)
    decisions: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def counts(self) -> dict[MarkName, int]:
        """Count the boxes by mark."""
        return dict(Counter([box.mark for box in self.boxes.values()]))

    def arrow_state(self, arrow: Arrow) -> ArrowState:
        """Return "taken" for the way a gate or a rule has opened, "faded" for one that is not gone any more."""
        decision = self.decisions.get(arrow.source)
        if arrow.kind == "control" and decision is not None:
            return "taken" if arrow.target in decision else "faded"
        source, target = self.boxes.get(arrow.source), self.boxes.get(arrow.target)
        marks = {box.mark for box in (source, target) if box is not None}
        if "skipped" in marks:
            return "faded"
        is_over = source is not None and source.mark in ("completed", "failed")
        if arrow.kind == "control" and is_over and target is not None and target.mark != "pending":
            return "taken"
        return ""

    def turn(self, arrow: Arrow) -> int:
        """Return the turn of the loop that the arrow closes, 0 if it has not been gone yet."""
        target = self.boxes.get(arrow.target)
        return target.turn if target is not None and target.turn > 1 else 0
