"""Layouts of graphs as JSON data, to be kept: numbers only, in the order of the boxes and arrows of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdwater.drawing.graph_layout import GraphLayout, Grid
from holdwater.drawing.layout import PlacedBox, RoutedArrow
from holdwater.drawing.picture import Picture

LAYOUT_FORMAT: Final = 1
"""number of this form, and of the rules by which layouts are made; to be raised with each change of either"""


def layout_to_data(layout: GraphLayout) -> dict[str, Any]:
    """Return a layout as JSON data."""
    return {
        "size": [_round(layout.width), _round(layout.height)],
        "boxes": [[_round(n) for n in (b.x, b.y, b.width, b.height)] for b in layout.placed_boxes.values()],
        "routes": [
            [
                index,
                int(a.is_back),
                None if a.label_at is None else [_round(n) for n in a.label_at],
                [_round(n) for point in a.points for n in point],
            ]
            for index, a in layout.routes.items()
        ],
        "drawn_as": layout.drawn_as,
        "grids": [[*map(_round, (g.x, g.y, g.width, g.height)), g.count] for g in layout.grids],
    }


def layout_from_data(picture: Picture, data: Mapping[str, Any]) -> GraphLayout | None:
    """Return the layout that `layout_to_data` wrote for this picture; None if it does not fit it."""
    try:
        return _read_layout(picture, data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _read_layout(picture: Picture, data: Mapping[str, Any]) -> GraphLayout:
    """Read a layout.  Raises ValueError, TypeError, LookupError or AttributeError for data that do not fit."""
    width, height = map(float, data["size"])
    placed = {
        key: PlacedBox(box, float(x), float(y), float(wide), float(high))
        for (key, box), (x, y, wide, high) in zip(picture.boxes.items(), data["boxes"], strict=True)
    }
    routes = {
        int(index): RoutedArrow(
            picture.arrows[index],
            list(zip(map(float, points[::2]), map(float, points[1::2]), strict=True)),
            bool(back),
            None if label is None else (float(label[0]), float(label[1])),
        )
        for index, back, label, points in data["routes"]
    }
    drawn_as = [int(index) for index in data["drawn_as"]]
    if len(drawn_as) != len(picture.arrows) or not routes.keys() >= set(drawn_as):
        raise ValueError("the arrows are those of another picture")
    grids = [Grid(float(x), float(y), float(wide), float(high), int(n)) for x, y, wide, high, n in data["grids"]]
    return GraphLayout(width, height, placed, routes, drawn_as, grids)


def _round(number: float) -> float:
    return round(number, 1)
