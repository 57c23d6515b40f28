"""Items of a recorded map: one row each, besides the run of the map itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from holdwater.model.plan import Plan
from holdwater.model.time import Micros

MAX_ITEM_PAGE_ROWS: Final = 1_000
"""rows of one page"""
MAX_ITEM_BYTES: Final = 64_000_000
"""of the outputs of one item, as they are stored"""

MAP_NODE: Final = "items"
"""the one node in the plan of a map's run"""
MAP_INPUT: Final = "map"
MAP_OUTPUTS: Final = ("total", "completed", "failed")
MAP_SUFFIX: Final = ".map"
"""of the names of workflows whose runs are maps"""
MAP_VARIANT: Final = "map:"
"""prefix of the variant of such a plan; the structure of the graph is behind it"""

ItemStatus = Literal["completed", "failed"]


@dataclass(frozen=True, slots=True)
class MapItemRow:
    """An item of a map that has ended.  An item without a row is missing: it has not ended yet.

    `digest`: of its inputs, 32 hex digits.  `outputs`: a JSON object of its outputs by name, None if it failed.
    `error`: `Type: message` and the traceback behind it, and `inputs`: a JSON object of its own inputs; both only of
    one that failed.
    """

    run_id: str
    index: int
    digest: str
    status: ItemStatus
    ended_at: Micros
    outputs: str | None = None
    error: str | None = None
    traceback: str | None = None
    inputs: str | None = None

    @property
    def size_bytes(self) -> int:
        """Size of its texts, roughly."""
        return sum([len(text) for text in (self.outputs, self.error, self.traceback, self.inputs) if text is not None])


@dataclass(frozen=True, slots=True)
class ItemHead:
    """An item that has ended, as far as another call of the map must know it."""

    index: int
    digest: str
    status: ItemStatus


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Counts of the items of a map that have ended."""

    completed: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        return self.completed + self.failed


@dataclass(frozen=True, slots=True)
class MapProgress:
    """Progress of a map.  `total`: number of its items, None while the inputs do not tell it."""

    total: int | None
    completed: int
    failed: int

    @property
    def remaining(self) -> int | None:
        """Number of items that have not ended; None while the total is unknown."""
        return None if self.total is None else max(0, self.total - self.completed - self.failed)

    def __str__(self) -> str:
        """`812 of 1,000 items completed, 3 failed`."""
        of = "" if self.total is None else f" of {self.total:,}"
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.completed:,}{of} {'item' if self.total == 1 else 'items'} completed{failed}"


def map_workflow_name(graph_name: str) -> str:
    """Return the name of the workflow whose runs are maps over a graph."""
    return graph_name + MAP_SUFFIX


def is_map(plan: Plan) -> bool:
    """Return True for the plan of a map's run."""
    return plan.style == "graphs" and plan.variant.startswith(MAP_VARIANT)
