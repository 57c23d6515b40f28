"""The state of a database and of its queue, for people."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.inspection import StoreInspection
from holdwater.model.records import WorkRow


class InspectionStore(Protocol):
    """The part of a store that tells how it is."""

    def inspect(self) -> StoreInspection:
        """Look at the database.  Changes nothing."""
        ...

    def list_ready_work(self, limit: int) -> list[WorkRow]:
        """List task attempts that no runner has taken, the oldest first, 1,000 at most."""
        ...
