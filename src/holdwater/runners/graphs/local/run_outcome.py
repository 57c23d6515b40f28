"""How a run of a graph came to rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdwater.model.statuses import RunStatus
from holdwater.runners.graphs.local.error_location import note_item_location
from holdwater.runners.graphs.local.pending_inputs import PauseInfo


@dataclass(slots=True)
class RunOutcome:
    """How a run of a graph came to rest.  `pauses`: what it waits for; `iterations`: supersteps of its loops.

    `item_index`: of the item of a map that did not complete.
    """

    outputs: dict[str, Any]
    error: BaseException | None = None
    pauses: tuple[PauseInfo, ...] = ()
    iterations: int = 0
    item_index: int | None = None

    def for_item(self, index: int) -> RunOutcome:
        """That of an item of a map: its error says which one, if it has one."""
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
