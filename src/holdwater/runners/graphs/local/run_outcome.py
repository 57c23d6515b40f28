"""Outcome of a run of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdwater.model.statuses import RunStatus
from holdwater.runners.graphs.local.error_location import note_item_location
from holdwater.runners.graphs.local.pending_inputs import PauseInfo


@dataclass(slots=True)
class RunOutcome:
    """The outcome of a run: completed, failed or paused.

    `pauses`: open questions.  `iterations`: supersteps of its loops.  `item_index`: of an item of a map that did not
    complete.
    """

    outputs: dict[str, Any]
    error: BaseException | None = None
    pauses: tuple[PauseInfo, ...] = ()
    iterations: int = 0
    item_index: int | None = None

    def for_item(self, index: int) -> RunOutcome:
        """Return the outcome as that of an item of a map, and note the index on its error."""
        if self.error is not None or self.pauses:
            self.item_index = index
            if self.error is not None:
                note_item_location(self.error, index)
        return self

    @property
    def status(self) -> RunStatus:
        if self.error is not None:
            return RunStatus.FAILED
        return RunStatus.PAUSED if self.pauses else RunStatus.COMPLETED
