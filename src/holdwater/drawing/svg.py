"""Self-contained SVG."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from holdwater.drawing.colours import Theme, make_stylesheet
from holdwater.drawing.layout import GAP_X, PictureLayout, PlacedBox, RoutedArrow, compute_layout
from holdwater.drawing.picture import Box, Picture
from holdwater.drawing.text_size import shorten, text_width
from holdwater.drawing.xml_text import escape_xml

TITLE_PX: Final = 13.0
LINE_PX: Final = 12.0
LABEL_PX: Final = 11.0
LINE_HEIGHT: Final = 17.0
MAX_LINES: Final = 12
PADDING_X: Final = 14.0
PADDING_Y: Final = 8.0
CORNER: Final = 7.0
SLANT: Final = 12.0
FRAME_TITLE_HEIGHT: Final = 24.0
HEAD_LENGTH: Final = 7.0
HEAD_WIDTH: Final = 8.0


def render_svg(picture: Picture, theme: Theme | None = "auto") -> str:
    """Render a picture as SVG, sized in pixels.  `theme`: None leaves the colours to the style sheet of the page."""
    whole = compute_layout(picture, _box_size, _label_size)
    width, height = f"{whole.width:.0f}", f"{whole.height:.0f}"
    body = "".join(_render_layout(whole))
    style = "" if theme is None else f"<style>{make_stylesheet(theme)}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="hw" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img"><title>{escape_xml(picture.name)}</title>'
        f'{style}<rect class="page" width="100%" height="100%" rx="8"/>{body}</svg>'
    )


# -- sizes


def _box_size(box: Box, inner: PictureLayout | None) -> tuple[float, float]:
    if inner is not None:
        return max(inner.width, text_width(shorten(box.title), TITLE_PX) + 2 * PADDING_X), (
            inner.height + FRAME_TITLE_HEIGHT
        )
    width = max([text_width(shorten(line), LINE_PX) for line in _visible_lines(box)], default=0.0)
    if box.title:
        width = max(width, text_width(shorten(box.title), TITLE_PX) * 1.06)  # bold is wider
    lines = len(_visible_lines(box)) + bool(box.title)
    slanted = SLANT if box.kind in ("route", "choice", "question") else 0.0
    return max(36.0, width + 2 * (PADDING_X + slanted)), lines * LINE_HEIGHT + 2 * PADDING_Y


def _visible_lines(box: Box) -> tuple[str, ...]:
    """Return the note and the lines shown below the title, `MAX_LINES` at most."""
    lines = (box.note, *box.lines) if box.note else box.lines
    if len(lines) <= MAX_LINES:
        return lines
    return (*lines[: MAX_LINES - 1], f"and {len(lines) - MAX_LINES + 1} more")


def _label_size(text: str) -> tuple[float, float]:
    return max(GAP_X, text_width(shorten(text), LABEL_PX) + 8), LINE_HEIGHT


# -- drawing


def _render_layout(whole: PictureLayout) -> Iterator[str]:
    """Yield elements in drawing order: frames before their contents, arrows below boxes."""
    pending = [(whole, 0.0, 0.0)]
    while pending:
        part, left, top = pending.pop()
        ground = "" if part is whole else ' class="framed"'
        yield f'<g{ground} transform="translate({left:.1f} {top:.1f})">'
        for place in part.placed_boxes.values():
            if place.inner is not None:
                yield _render_frame(place)
                x = place.x + (place.width - place.inner.width) / 2
                pending.append((place.inner, left + x, top + place.y + FRAME_TITLE_HEIGHT))
        yield from map(_render_arrow, part.routed_arrows)
        yield from (_render_box(place) for place in part.placed_boxes.values() if place.inner is None)
        yield from (_render_label(way) for way in part.routed_arrows if way.label_at)
        yield "</g>"


def _render_frame(placed: PlacedBox) -> str:
    title = _render_text(placed.x + 12, placed.y + 17, placed.box.title, "title", anchor="start")
    return f'<g class="frame">{_render_rectangle(placed, CORNER)}{title}</g>'


def _render_box(placed: PlacedBox) -> str:
    box = placed.box
    y = placed.y + PADDING_Y + LINE_HEIGHT * 0.73
    texts = []
    if box.title:
        texts.append(_render_text(placed.x + placed.width / 2, y, box.title, "title"))
        y += LINE_HEIGHT
    for line in _visible_lines(box):
        texts.append(_render_text(placed.x + placed.width / 2, y, line, "" if box.kind == "input" else "line"))
        y += LINE_HEIGHT
    tip = escape_xml("\n".join(text for text in (box.title, box.note, *box.lines) if text))
    return f'<g class="{box.kind}"><title>{tip}</title>{_render_shape(placed)}{"".join(texts)}</g>'


def _render_shape(placed: PlacedBox) -> str:
    x, y, width, height = placed.x, placed.y, placed.width, placed.height
    match placed.box.kind:
        case "input" | "end":
            return _render_rectangle(placed, min(height / 2, 17.0))
        case "route" | "choice":  # a hexagon
            corners = [(SLANT, 0), (width - SLANT, 0), (width, height / 2), (width - SLANT, height), (SLANT, height)]
            return _render_polygon([(x + dx, y + dy) for dx, dy in [*corners, (0, height / 2)]])
        case "question":  # a parallelogram
            corners = [(SLANT, 0), (width, 0), (width - SLANT, height), (0, height)]
            return _render_polygon([(x + dx, y + dy) for dx, dy in corners])
        case "graph":
            line = f"M{x + 5:.1f} {y:.1f}v{height:.1f}M{x + width - 5:.1f} {y:.1f}v{height:.1f}"
            return f'{_render_rectangle(placed, 3)}<path class="shape" d="{line}"/>'
        case "function" | "wait":
            return _render_rectangle(placed, CORNER)


def _render_rectangle(placed: PlacedBox, corner: float) -> str:
    return (
        f'<rect class="shape" x="{placed.x:.1f}" y="{placed.y:.1f}" width="{placed.width:.1f}"'
        f' height="{placed.height:.1f}" rx="{corner:.1f}"/>'
    )


def _render_polygon(corners: list[tuple[float, float]], css_class: str = "shape") -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon class="{css_class}" stroke-linejoin="round" points="{points}"/>'


def _render_text(x: float, y: float, text: str, css_class: str, anchor: str = "middle") -> str:
    name = f' class="{css_class}"' if css_class else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape_xml(shorten(text))}</text>'


def _render_arrow(routed: RoutedArrow) -> str:
    arrow = routed.arrow
    (x, y), (before_x, before_y) = routed.points[-1], routed.points[-2]
    sideways = before_y == y
    sign = 1.0 if (x > before_x if sideways else y > before_y) else -1.0
    if sideways:
        tail, wings = (x - sign * HEAD_LENGTH, y), [(x - sign * HEAD_LENGTH, y - d * HEAD_WIDTH / 2) for d in (-1, 1)]
    else:
        tail, wings = (x, y - sign * HEAD_LENGTH), [(x - d * HEAD_WIDTH / 2, y - sign * HEAD_LENGTH) for d in (-1, 1)]
    kinds = f"{arrow.kind} back" if routed.is_back else arrow.kind
    tip = escape_xml(", ".join(arrow.names) or arrow.label)
    return (
        f'<g class="{kinds}">{f"<title>{tip}</title>" if tip else ""}'
        f'<path class="way" d="{_arrow_path(routed, tail)}"/>'
        f"{_render_polygon([(x, y), *wings], 'head')}</g>"
    )


def _arrow_path(routed: RoutedArrow, tail: tuple[float, float]) -> str:
    """Build the path: a line between points of one x, else a curve with vertical ends."""
    points = [*routed.points[:-1], tail]
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(x0 - x1) < 0.5 or y0 == y1:
            parts.append(f"L{x1:.1f} {y1:.1f}")
        else:
            bend = (y1 - y0) * 0.55
            parts.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
    return "".join(parts)


def _render_label(routed: RoutedArrow) -> str:
    if routed.label_at is None:
        return ""
    x, y = routed.label_at
    width, _ = _label_size(routed.arrow.label)
    return (
        f'<rect class="page" x="{x - width / 2:.1f}" y="{y - 8:.1f}" width="{width:.1f}" height="16" rx="4"/>'
        f"{_render_text(x, y + 4, routed.arrow.label, 'label')}"
    )
