"""The inputs of one execution of a node as data, whatever its authoring style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdwater.model.fanout import ChildResult
from holdwater.model.time import Micros
from holdwater.model.values import StoredValue


@dataclass(frozen=True, slots=True)
class NodeInputs:
    """Stored values in named groups; a style makes one of a view, and a view of one.

    `details`: plain JSON beside them.  `child_results`: of the child runs the node has asked for.
    `woken_at`: the instant it has waited until, microseconds since the epoch.
    """

    groups: Mapping[str, Mapping[str, StoredValue]]
    details: Mapping[str, Any] = field(default_factory=dict)
    child_results: tuple[ChildResult | None, ...] | None = None
    woken_at: Micros | None = None

    def stored_values(self) -> Iterator[StoredValue]:
        """Iterate over all values, those of child runs included."""
        for values in self.groups.values():
            yield from values.values()
        for child in self.child_results or ():
            if child is not None:
                yield from child.values.values()
