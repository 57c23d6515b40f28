"""Pictures that are too large to be drawn whole: levels with counts by state, and the surroundings of one box."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.graph_state import GraphState
from holdwater.drawing.layering import LayerEdge, assign_layers
from holdwater.drawing.marks import MarkName
from holdwater.drawing.picture import Picture
from holdwater.drawing.reachability import neighbours

MAX_DRAWN_BOXES: Final = 3000
"""a picture of more is folded"""
MAX_LEVELS: Final = 48
"""boxes of a folded picture; consecutive levels are put together beyond it"""
MAX_NEIGHBOURS: Final = 150
"""boxes of the picture of one box's surroundings"""
NEIGHBOUR_HOPS: Final = 2


@dataclass(frozen=True, slots=True)
class Level:
    """Boxes at the same distance from the beginning, or at several consecutive ones: `first` to `last`, from 1."""

    first: int
    last: int
    keys: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"Level {self.first:,}" if self.first == self.last else f"Levels {self.first:,} – {self.last:,}"

    def counts(self, state: GraphState) -> dict[MarkName, int]:
        """Count its boxes by mark."""
        return dict(Counter([state.boxes[key].mark for key in self.keys if key in state.boxes]))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The picture of a box with those around it.  `hidden`: how many within the same distance were left out."""

    picture: Picture
    hidden: int


def fold_levels(picture: Picture, max_levels: int = MAX_LEVELS) -> tuple[Level, ...]:
    """Return the levels of a picture, in order; as many consecutive ones are put together as it takes.

    O(boxes + arrows).
    """
    number = {key: i for i, key in enumerate(picture.boxes)}
    edges = [LayerEdge(number[arrow.source], number[arrow.target]) for arrow in picture.arrows]
    rows: dict[int, list[str]] = {}
    for key, row in zip(picture.boxes, assign_layers(len(number), edges)):
        rows.setdefault(row, []).append(key)
    ordered = [rows[row] for row in sorted(rows)]
    per_level = -(-len(ordered) // max_levels) if ordered else 1
    return tuple(
        [
            Level(
                start + 1,
                min(start + per_level, len(ordered)),
                tuple([key for keys in ordered[start : start + per_level] for key in keys]),
            )
            for start in range(0, len(ordered), per_level)
        ]
    )


def surroundings_of(
    picture: Picture, key: str, hops: int = NEIGHBOUR_HOPS, max_boxes: int = MAX_NEIGHBOURS
) -> Surroundings:
    """Return the picture of a box and those at most `hops` arrows away, the nearest first.  Raises KeyError."""
    before, behind = neighbours(picture)
    found, edge = {key: None}, [key]
    hidden = 0
    for _ in range(hops):
        around = dict.fromkeys([other for one in edge for other in (*before[one], *behind[one]) if other not in found])
        edge = list(around)[: max_boxes - len(found)]
        hidden += len(around) - len(edge)
        found.update(dict.fromkeys(edge))
    boxes = {one: box for one, box in picture.boxes.items() if one in found}
    arrows = [arrow for arrow in picture.arrows if arrow.source in found and arrow.target in found]
    return Surroundings(Picture(picture.name, boxes, arrows, picture.sequence), hidden)
