"""The layout of graphs in which a run is shown: from left to right, boxes of one height.

Boxes that stand in parallel between the same others are laid out as a grid, with one arrow to and one from all of
them: a column of a thousand boxes cannot be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Final

from holdwater.drawing.layout import PictureLayout, PlacedBox, RoutedArrow, Spacing, compute_layout
from holdwater.drawing.parallel_boxes import find_parallel_boxes
from holdwater.drawing.picture import Arrow, Box, Picture
from holdwater.drawing.text_size import fit_text, text_width

BOX_HEIGHT: Final = 44.0
MIN_BOX_WIDTH: Final = 176.0
"""room for the line below the name"""
MAX_NAME_WIDTH: Final = 200.0
MAX_BOX_WIDTH: Final = 280.0
NAME_X: Final = 36.0
"""of the name in its box; the mark is before it"""
PADDING_RIGHT: Final = 14.0
GLYPH_WIDTH: Final = 16.0
"""room at the right for the sign of its kind; of every box, because some kinds are known only while a run goes on"""
NAME_PX: Final = 13.0
LABEL_PX: Final = 11.0
BOLD: Final = 1.06
"""width of bold text"""

MIN_GRID_BOXES: Final = 12
"""parallel boxes that are laid out as a grid"""
GRID_GAP_X: Final = 16.0
GRID_GAP_Y: Final = 10.0
GRID_PADDING: Final = 12.0
GRID_TITLE_HEIGHT: Final = 20.0

_SPACING: Final = Spacing(beside=20.0, between=52.0, equal_up_to=MAX_BOX_WIDTH)


@dataclass(slots=True)
class Grid:
    """The frame of parallel boxes: its upper left corner, its size, and how many boxes are in it."""

    x: float
    y: float
    width: float
    height: float
    count: int


@dataclass(slots=True)
class GraphLayout:
    """The layout of a graph, in pixels.

    `routes`: arrow that is drawn, by its index in the picture -> its route.  `drawn_as`: by arrow, the index of the one
    that is drawn for it: those of the boxes of a grid share one.
    """

    width: float
    height: float
    placed_boxes: dict[str, PlacedBox]
    routes: dict[int, RoutedArrow]
    drawn_as: list[int]
    grids: list[Grid]


def layout_graph(picture: Picture) -> GraphLayout:
    """Lay out a picture from left to right."""
    is_reserved = any([key.startswith(_GRID_KEY) for key in picture.boxes])
    groups = [] if is_reserved else find_parallel_boxes(picture, MIN_GRID_BOXES)
    reduced, drawn_as = _with_grids_as_boxes(picture, groups)
    sizes = {id(reduced.boxes[_grid_key(n)]): _grid_size(picture, keys) for n, keys in enumerate(groups)}
    layout = compute_layout(
        reduced, lambda box, _: sizes.get(id(box)) or _box_size(box), _label_size, "right", _SPACING
    )
    return _with_boxes_of_grids(picture, groups, layout, drawn_as)


def box_name(box: Box) -> str:
    """Return the name of a box as far as there is room for it."""
    return fit_text(box.title, NAME_PX * BOLD, MAX_NAME_WIDTH)


def _box_size(box: Box) -> tuple[float, float]:
    width = NAME_X + text_width(box_name(box), NAME_PX * BOLD) + PADDING_RIGHT + GLYPH_WIDTH
    return float(round(min(MAX_BOX_WIDTH, max(MIN_BOX_WIDTH, width)))), BOX_HEIGHT


def _label_size(text: str) -> tuple[float, float]:
    return text_width(fit_text(text, LABEL_PX, MAX_NAME_WIDTH), LABEL_PX) + 8, 18.0


# -- grids


_GRID_KEY: Final = "\0grid "
"""beginning of the keys of grids; where a box has such a key, there are none"""


def _grid_key(number: int) -> str:
    return f"{_GRID_KEY}{number}"


def _with_grids_as_boxes(picture: Picture, groups: Sequence[Sequence[str]]) -> tuple[Picture, list[int]]:
    """Return the picture with one box per grid, and by arrow the index of the one that is drawn for it."""
    grid_of = {key: _grid_key(number) for number, keys in enumerate(groups) for key in keys}
    reduced = Picture(picture.name)
    for key, box in picture.boxes.items():
        place = grid_of.get(key, key)
        reduced.boxes.setdefault(place, box if place == key else Box("", "function"))
    first: dict[tuple[str, str, str], int] = {}
    drawn_as = []
    for index, arrow in enumerate(picture.arrows):
        source, target = grid_of.get(arrow.source, arrow.source), grid_of.get(arrow.target, arrow.target)
        is_shared = (source, target) != (arrow.source, arrow.target)
        drawn_as.append(first.setdefault((source, target, arrow.kind), index) if is_shared else index)
        if drawn_as[index] == index:
            reduced.arrows.append(Arrow(source, target, arrow.kind, arrow.label, arrow.names))
    return reduced, drawn_as


def _columns(count: int) -> int:
    return max(1, round(sqrt(count * 0.37)))


def _cell_width(picture: Picture, keys: Sequence[str]) -> float:
    return max([_box_size(picture.boxes[key])[0] for key in keys])


def _grid_size(picture: Picture, keys: Sequence[str]) -> tuple[float, float]:
    columns = _columns(len(keys))
    rows = ceil(len(keys) / columns)
    width = columns * (_cell_width(picture, keys) + GRID_GAP_X) - GRID_GAP_X + 2 * GRID_PADDING
    return width, rows * (BOX_HEIGHT + GRID_GAP_Y) - GRID_GAP_Y + 2 * GRID_PADDING + GRID_TITLE_HEIGHT


def _with_boxes_of_grids(
    picture: Picture, groups: Sequence[Sequence[str]], layout: PictureLayout, drawn_as: list[int]
) -> GraphLayout:
    grids, inside = [], {}
    for number, keys in enumerate(groups):
        place = layout.placed_boxes[_grid_key(number)]
        grids.append(Grid(place.x, place.y, place.width, place.height, len(keys)))
        width, columns = _cell_width(picture, keys), _columns(len(keys))
        rows = ceil(len(keys) / columns)
        for i, key in enumerate(keys):  # downwards first, as in a column
            x = place.x + GRID_PADDING + i // rows * (width + GRID_GAP_X)
            y = place.y + GRID_PADDING + GRID_TITLE_HEIGHT + i % rows * (BOX_HEIGHT + GRID_GAP_Y)
            inside[key] = PlacedBox(picture.boxes[key], x, y, width, BOX_HEIGHT)
    placed = {key: inside.get(key) or layout.placed_boxes[key] for key in picture.boxes}
    drawn = [index for index, other in enumerate(drawn_as) if index == other]
    routes = {
        index: replace(routed, arrow=picture.arrows[index])
        for index, routed in zip(drawn, layout.routed_arrows, strict=True)
    }
    return GraphLayout(layout.width, layout.height, placed, routes, drawn_as, grids)
