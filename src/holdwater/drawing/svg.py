"""SVG that needs nothing besides itself."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise
from typing import Final

from holdwater.drawing.colours import Theme, style
from holdwater.drawing.layout import GAP_X, Layout, Place, Way, layout
from holdwater.drawing.picture import Box, Picture
from holdwater.drawing.text_size import shortened, width_of

TITLE_PX: Final = 13.0
LINE_PX: Final = 12.0
LABEL_PX: Final = 11.0
LINE_HEIGHT: Final = 17.0
LINES_LIMIT: Final = 12
PADDING_X: Final = 14.0
PADDING_Y: Final = 8.0
CORNER: Final = 7.0
SLANT: Final = 12.0
FRAME_TITLE_HEIGHT: Final = 24.0
HEAD_LENGTH: Final = 7.0
HEAD_WIDTH: Final = 8.0


def svg(picture: Picture, theme: Theme = "auto") -> str:
    """The drawing of a picture, about as large as it should be shown."""
    whole = layout(picture, _box_size, _label_size)
    width, height = f"{whole.width:.0f}", f"{whole.height:.0f}"
    body = "".join(_drawn(whole))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pk" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img"><title>{escape(picture.name)}</title>'
        f'<style>{style(theme)}</style><rect class="page" width="100%" height="100%" rx="8"/>{body}</svg>'
    )


# -- sizes


def _box_size(box: Box, inner: Layout | None) -> tuple[float, float]:
    if inner is not None:
        return max(inner.width, width_of(shortened(box.title), TITLE_PX) + 2 * PADDING_X), (
            inner.height + FRAME_TITLE_HEIGHT
        )
    width = max([width_of(shortened(line), LINE_PX) for line in _lines(box)], default=0.0)
    if box.title:
        width = max(width, width_of(shortened(box.title), TITLE_PX) * 1.06)  # it is bold
    lines = len(_lines(box)) + bool(box.title)
    slanted = SLANT if box.kind in ("route", "choice", "question") else 0.0
    return max(36.0, width + 2 * (PADDING_X + slanted)), lines * LINE_HEIGHT + 2 * PADDING_Y


def _lines(box: Box) -> tuple[str, ...]:
    """What is written below the title."""
    if len(box.lines) <= LINES_LIMIT:
        return box.lines
    return (*box.lines[: LINES_LIMIT - 1], f"and {len(box.lines) - LINES_LIMIT + 1} more")


def _label_size(text: str) -> tuple[float, float]:
    return max(GAP_X, width_of(shortened(text), LABEL_PX) + 8), LINE_HEIGHT


# -- drawing


def _drawn(whole: Layout) -> Iterator[str]:
    """Frames before what is in them, ways below boxes."""
    pending = [(whole, 0.0, 0.0)]
    while pending:
        part, left, top = pending.pop()
        ground = "" if part is whole else ' class="framed"'
        yield f'<g{ground} transform="translate({left:.1f} {top:.1f})">'
        for place in part.places.values():
            if place.inner is not None:
                yield _frame(place)
                x = place.x + (place.width - place.inner.width) / 2
                pending.append((place.inner, left + x, top + place.y + FRAME_TITLE_HEIGHT))
        yield from map(_way, part.ways)
        yield from (_box(place) for place in part.places.values() if place.inner is None)
        yield from (_label(way) for way in part.ways if way.label_at)
        yield "</g>"


def _frame(place: Place) -> str:
    title = _text(place.x + 12, place.y + 17, place.box.title, "title", anchor="start")
    return f'<g class="frame">{_rectangle(place, CORNER)}{title}</g>'


def _box(place: Place) -> str:
    box = place.box
    y = place.y + PADDING_Y + LINE_HEIGHT * 0.73
    texts = []
    if box.title:
        texts.append(_text(place.x + place.width / 2, y, box.title, "title"))
        y += LINE_HEIGHT
    for line in _lines(box):
        texts.append(_text(place.x + place.width / 2, y, line, "" if box.kind == "input" else "line"))
        y += LINE_HEIGHT
    tip = escape("\n".join(text for text in (box.title, *box.lines) if text))
    return f'<g class="{box.kind}"><title>{tip}</title>{_shape(place)}{"".join(texts)}</g>'


def _shape(place: Place) -> str:
    x, y, width, height = place.x, place.y, place.width, place.height
    match place.box.kind:
        case "input" | "end":
            return _rectangle(place, min(height / 2, 17.0))
        case "route" | "choice":  # a hexagon
            corners = [(SLANT, 0), (width - SLANT, 0), (width, height / 2), (width - SLANT, height), (SLANT, height)]
            return _polygon([(x + dx, y + dy) for dx, dy in [*corners, (0, height / 2)]])
        case "question":  # a parallelogram
            corners = [(SLANT, 0), (width, 0), (width - SLANT, height), (0, height)]
            return _polygon([(x + dx, y + dy) for dx, dy in corners])
        case "graph":
            line = f"M{x + 5:.1f} {y:.1f}v{height:.1f}M{x + width - 5:.1f} {y:.1f}v{height:.1f}"
            return f'{_rectangle(place, 3)}<path class="shape" d="{line}"/>'
        case "function":
            return _rectangle(place, CORNER)


def _rectangle(place: Place, corner: float) -> str:
    return (
        f'<rect class="shape" x="{place.x:.1f}" y="{place.y:.1f}" width="{place.width:.1f}"'
        f' height="{place.height:.1f}" rx="{corner:.1f}"/>'
    )


def _polygon(corners: list[tuple[float, float]], kind: str = "shape") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon class="{kind}" stroke-linejoin="round" points="{points}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(shortened(text))}</text>'


def _way(way: Way) -> str:
    arrow = way.arrow
    (x, y), (before_x, before_y) = way.points[-1], way.points[-2]
    sideways = before_y == y
    sign = 1.0 if (x > before_x if sideways else y > before_y) else -1.0
    if sideways:
        tail, wings = (x - sign * HEAD_LENGTH, y), [(x - sign * HEAD_LENGTH, y - d * HEAD_WIDTH / 2) for d in (-1, 1)]
    else:
        tail, wings = (x, y - sign * HEAD_LENGTH), [(x - d * HEAD_WIDTH / 2, y - sign * HEAD_LENGTH) for d in (-1, 1)]
    kinds = f"{arrow.kind} back" if way.back else arrow.kind
    tip = escape(", ".join(arrow.names) or arrow.label)
    return (
        f'<g class="{kinds}">{f"<title>{tip}</title>" if tip else ""}<path class="way" d="{_path(way, tail)}"/>'
        f"{_polygon([(x, y), *wings], 'head')}</g>"
    )


def _path(way: Way, tail: tuple[float, float]) -> str:
    """Straight where one point is above the other, else a curve that leaves and arrives upright."""
    points = [*way.points[:-1], tail]
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5 or y0 == y1:
            parts.append(f"L{x1:.1f} {y1:.1f}")
        else:
            bend = (y1 - y0) * 0.55
            parts.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
    return "".join(parts)


def _label(way: Way) -> str:
    if way.label_at is None:
        return ""
    x, y = way.label_at
    width, _ = _label_size(way.arrow.label)
    return (
        f'<rect class="page" x="{x - width / 2:.1f}" y="{y - 8:.1f}" width="{width:.1f}" height="16" rx="4"/>'
        f"{_text(x, y + 4, way.arrow.label, 'label')}"
    )
