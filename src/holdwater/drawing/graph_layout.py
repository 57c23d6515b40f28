"""The layout of graphs in which a run is shown: from left to right, boxes of one height, and as data to be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdwater.drawing.layout import PictureLayout, PlacedBox, RoutedArrow, Spacing, compute_layout
from holdwater.drawing.picture import Box, Picture
from holdwater.drawing.text_size import fit_text, text_width

BOX_HEIGHT: Final = 44.0
MIN_BOX_WIDTH: Final = 164.0
"""room for the line below the name"""
MAX_NAME_WIDTH: Final = 200.0
NAME_X: Final = 36.0
"""of the name in its box; the mark is before it"""
PADDING_RIGHT: Final = 14.0
GLYPH_WIDTH: Final = 16.0
"""room at the right for the sign of its kind; of every box, because some kinds are known only while a run goes on"""
NAME_PX: Final = 13.0
LABEL_PX: Final = 11.0
BOLD: Final = 1.06
"""width of bold text"""

LAYOUT_FORMAT: Final = 1
"""number of the form of layouts as data, and of the rules they are made by; to be raised with each change of either"""

_SPACING: Final = Spacing(beside=20.0, between=52.0, same_height=True)


def layout_graph(picture: Picture) -> PictureLayout:
    """Lay out a picture from left to right."""
    return compute_layout(picture, _box_size, _label_size, "right", _SPACING)


def box_name(box: Box) -> str:
    """Return the name of a box as far as there is room for it."""
    return fit_text(box.title, NAME_PX * BOLD, MAX_NAME_WIDTH)


def _box_size(box: Box, _: PictureLayout | None) -> tuple[float, float]:
    width = NAME_X + text_width(box_name(box), NAME_PX * BOLD) + PADDING_RIGHT + GLYPH_WIDTH
    return float(round(max(MIN_BOX_WIDTH, width))), BOX_HEIGHT


def _label_size(text: str) -> tuple[float, float]:
    return text_width(fit_text(text, LABEL_PX, MAX_NAME_WIDTH), LABEL_PX) + 8, 18.0


# -- as data


def layout_to_data(layout: PictureLayout) -> dict[str, Any]:
    """Return a layout as JSON data: numbers only, in the order of the boxes and arrows of its picture."""
    return {
        "size": [_round(layout.width), _round(layout.height)],
        "boxes": [[_round(n) for n in (b.x, b.y, b.width, b.height)] for b in layout.placed_boxes.values()],
        "arrows": [
            [
                int(a.is_back),
                None if a.label_at is None else [_round(n) for n in a.label_at],
                [_round(n) for point in a.points for n in point],
            ]
            for a in layout.routed_arrows
        ],
    }


def layout_from_data(picture: Picture, data: Mapping[str, Any]) -> PictureLayout | None:
    """Return the layout that `layout_to_data` wrote for this picture; None if it does not fit it."""
    try:
        width, height = map(float, data["size"])
        boxes, arrows = data["boxes"], data["arrows"]
        if len(boxes) != len(picture.boxes) or len(arrows) != len(picture.arrows):
            return None
        placed = {
            key: PlacedBox(box, float(x), float(y), float(wide), float(high))
            for (key, box), (x, y, wide, high) in zip(picture.boxes.items(), boxes, strict=True)
        }
        routed = [
            RoutedArrow(
                arrow,
                list(zip(map(float, points[::2]), map(float, points[1::2]), strict=True)),
                bool(back),
                None if label is None else (float(label[0]), float(label[1])),
            )
            for arrow, (back, label, points) in zip(picture.arrows, arrows, strict=True)
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return PictureLayout(width, height, placed, routed)


def _round(number: float) -> float:
    return round(number, 1)
