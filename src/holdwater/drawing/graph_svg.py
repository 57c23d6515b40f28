"""SVG of a graph with the states of a run: no styles inside, unless a theme is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from holdwater.drawing.colours import Theme
from holdwater.drawing.graph_colours import make_graph_stylesheet
from holdwater.drawing.graph_layout import (
    LABEL_PX,
    MAX_NAME_WIDTH,
    NAME_X,
    PADDING_RIGHT,
    GraphLayout,
    Grid,
    box_name,
)
from holdwater.drawing.graph_state import ArrowState, BoxState, GraphState
from holdwater.drawing.layout import PlacedBox, RoutedArrow
from holdwater.drawing.marks import MARKS, mark_symbols
from holdwater.drawing.picture import Box, BoxKind, Picture
from holdwater.drawing.reachability import related_to
from holdwater.drawing.text_size import cut_text, fit_text
from holdwater.drawing.xml_text import escape_xml

HEAD_LENGTH: Final = 6.0
HEAD_WIDTH: Final = 7.0
CORNER: Final = 6.0
SIDE_WIDTH: Final = 4.0
ABOUT_PX: Final = 11.5
WIDE_FONT: Final = 1.08
"""factor: the text of some systems is wider than estimated"""

_GLYPHS: Final[dict[BoxKind, str]] = {
    "function": "M5 5h6v6h-6z",
    "route": "M8 2.5L13.5 8L8 13.5L2.5 8z",
    "choice": "M8 2.5L13.5 8L8 13.5L2.5 8z",
    "question": "M2.5 3h11v8H8l-3 2.7V11H2.5z",
    "graph": "M2.5 5.5h8v8h-8zM5.5 5.5v-3h8v8h-3",
    "wait": "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11zM8 5v3l2 1.5",
}
_KIND_WORDS: Final[dict[BoxKind, str]] = {
    "route": "gate",
    "choice": "gate",
    "question": "question",
    "graph": "child runs",
    "wait": "timer",
}


@dataclass(frozen=True, slots=True)
class GraphOptions:
    """`theme`: None leaves the colours to the style sheet of the page.  `selected`: key of the selected box.

    `link`: key of a box -> the address behind it.
    """

    theme: Theme | None = None
    selected: str | None = None
    link: Callable[[str], str] | None = None


def render_graph(
    picture: Picture,
    layout: GraphLayout,
    state: GraphState | None = None,
    options: GraphOptions = GraphOptions(),
) -> str:
    """Render a graph as SVG, sized in pixels.

    Groups of boxes have `data-node`, their key; those of arrows `data-edge`, the index of the arrow in the picture.
    `data-arrows` of the whole: all arrows as `source,target,edge`, boxes by their index.
    """
    width, height = f"{layout.width:.0f}", f"{layout.height:.0f}"
    related = None if options.selected is None else related_to(picture, options.selected)
    parts = "".join(_parts(picture, layout, state, options, related))
    style = f"<style>{make_graph_stylesheet(options.theme)}</style>" if options.theme is not None else ""
    page = '<rect class="hw-page" width="100%" height="100%"/>' if options.theme is not None else ""
    classes = "hw-graph has-selection" if related else "hw-graph"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{classes}" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="group" aria-label="{escape_xml(f"Graph of {picture.name}")}"'
        f' data-arrows="{_arrow_table(picture, layout)}">'
        f"{style}<defs>{mark_symbols()}</defs>{page}{parts}</svg>"
    )


def _parts(
    picture: Picture,
    layout: GraphLayout,
    state: GraphState | None,
    options: GraphOptions,
    related: frozenset[str] | None,
) -> Iterator[str]:
    """Yield the elements in drawing order: arrows below boxes, labels above arrows."""
    inside = related or frozenset()
    yield "".join(map(_render_grid, layout.grids))
    yield '<g class="edges">'
    is_related = dict.fromkeys(layout.routes, False)
    for arrow, drawn in zip(picture.arrows, layout.drawn_as, strict=True):
        is_related[drawn] |= arrow.source in inside and arrow.target in inside
    states = arrow_states(picture, layout, state)
    for index, routed in layout.routes.items():
        turn = state.turn(routed.arrow) if state is not None and routed.is_back else 0
        yield _render_arrow(index, routed, states.get(index, ""), turn, is_related[index])
    yield '</g><g class="nodes">'
    for key, placed in layout.placed_boxes.items():
        box_state = None if state is None else state.boxes.get(key)
        yield _render_node(key, placed, box_state, options, key in inside)
    yield "</g>"


def _arrow_table(picture: Picture, layout: GraphLayout) -> str:
    number = {key: i for i, key in enumerate(picture.boxes)}
    return " ".join(
        f"{number[arrow.source]},{number[arrow.target]},{drawn}"
        for arrow, drawn in zip(picture.arrows, layout.drawn_as, strict=True)
    )


def arrow_states(picture: Picture, layout: GraphLayout, state: GraphState | None) -> dict[int, ArrowState]:
    """Map drawn arrows that are taken or faded to this; one that stands for several is faded only if all are."""
    if state is None:
        return {}
    found: dict[int, set[ArrowState]] = {}
    for arrow, drawn in zip(picture.arrows, layout.drawn_as, strict=True):
        found.setdefault(drawn, set()).add(state.arrow_state(arrow))
    return {
        drawn: "taken" if "taken" in several else "faded"
        for drawn, several in found.items()
        if "taken" in several or several == {"faded"}
    }


def _render_grid(grid: Grid) -> str:
    return (
        f'<g class="parallel"><rect class="frame" x="{grid.x:g}" y="{grid.y:g}" width="{grid.width:g}"'
        f' height="{grid.height:g}" rx="8"/><text class="label" x="{grid.x + 12:g}" y="{grid.y + 20:g}">'
        f"{grid.count:,} in parallel</text></g>"
    )


# -- boxes


def _render_node(key: str, placed: PlacedBox, state: BoxState | None, options: GraphOptions, is_related: bool) -> str:
    box = placed.box
    classes = ["node", f"kind-{box.kind}"]
    classes += [f"state-{state.mark}"] if state is not None else []
    classes += ["selected"] if key == options.selected else []
    classes += ["related"] if is_related else []
    tag, href = "g", ' role="img"'
    if options.link is not None and box.kind != "end":
        tag, href = "a", f' href="{escape_xml(options.link(key))}" data-node-link=""'
    return (
        f'<{tag} class="{" ".join(classes)}" data-node="{escape_xml(key)}"{href}'
        f' transform="translate({placed.x:g} {placed.y:g})">'
        f"<title>{escape_xml(box_tooltip(box, state))}</title>{_render_card(placed, state)}</{tag}>"
    )


def box_tooltip(box: Box, state: BoxState | None) -> str:
    """Return the lines of a box's tooltip: its whole name, its state, and why it is in it."""
    word = "" if state is None else MARKS[state.mark].word
    lines = [box.title, word, about_line(box, state), box.note, "" if state is None else state.detail]
    return "\n".join(dict.fromkeys(line for line in lines if line))


def about_line(box: Box, state: BoxState | None) -> str:
    """Return the line below the name of a box: what its state says, without a state what it is."""
    if state is not None:
        return state.about
    return box.note or ", ".join(box.lines) or _KIND_WORDS.get(box.kind, "")


def about_text(placed: PlacedBox, state: BoxState | None) -> str:
    """Return the line below the name of a box as far as there is room for it."""
    return cut_text(about_line(placed.box, state), ABOUT_PX * WIDE_FONT, placed.width - NAME_X - 8)


def _render_card(placed: PlacedBox, state: BoxState | None) -> str:
    box, width, height = placed.box, placed.width, placed.height
    if box.kind == "end":
        return (
            f'<rect class="card" width="{width:g}" height="{height:g}" rx="{height / 2:g}"/>'
            f'<text class="name" x="{width / 2:g}" y="26.5" text-anchor="middle">{escape_xml(box_name(box))}</text>'
        )
    about = about_text(placed, state)
    name_y = 19.0 if about else 26.5
    below = f'<rect class="card below" x="3" y="3" width="{width:g}" height="{height:g}" rx="{CORNER:g}"/>'
    return (
        f"{below if box.kind == 'graph' else ''}"
        f'<rect class="card" width="{width:g}" height="{height:g}" rx="{CORNER:g}"/>'
        f"{_render_side(height)}{_render_mark(box, state)}{_render_glyph(placed) if state is not None else ''}"
        f'<text class="name" x="{NAME_X:g}" y="{name_y:g}">{escape_xml(box_name(box))}</text>'
        f'<text class="about" x="{NAME_X:g}" y="34">{escape_xml(about)}</text>'
        f"{_render_bar(placed, state)}"
    )


def _render_side(height: float) -> str:
    """Render the left edge, in the colour of the state."""
    r = CORNER
    return (
        f'<path class="side" d="M{r:g} 0H{SIDE_WIDTH:g}V{height:g}H{r:g}A{r:g} {r:g} 0 0 1 0 {height - r:g}'
        f'V{r:g}A{r:g} {r:g} 0 0 1 {r:g} 0z"/>'
    )


def _render_mark(box: Box, state: BoxState | None) -> str:
    if state is None:
        return f'<path class="glyph" transform="translate(12 14)" d="{_GLYPHS.get(box.kind, _GLYPHS["function"])}"/>'
    # around the origin, so that it can be turned
    use = f'<use class="mark" href="#mark-{state.mark}" x="-8" y="-8" width="16" height="16"/>'
    return f'<g transform="translate(20 22)">{use}</g>'


def _render_glyph(placed: PlacedBox) -> str:
    """Render the sign of a special kind, small, in the upper right corner."""
    kind = placed.box.kind
    if kind == "function" or kind not in _GLYPHS:
        return ""
    return f'<path class="glyph" transform="translate({placed.width - 20:g} 7) scale(.8)" d="{_GLYPHS[kind]}"/>'


def _render_bar(placed: PlacedBox, state: BoxState | None) -> str:
    """Render the progress of child runs."""
    if state is None or not state.total or state.mark == "completed":
        return ""
    room = placed.width - NAME_X - PADDING_RIGHT
    part = room * min(1.0, state.done / state.total)
    y = placed.height - 6
    return (
        f'<rect class="track" x="{NAME_X:g}" y="{y:g}" width="{room:g}" height="2.5" rx="1.2"/>'
        f'<rect class="done" x="{NAME_X:g}" y="{y:g}" width="{part:.1f}" height="2.5" rx="1.2"/>'
    )


# -- arrows


def _render_arrow(index: int, routed: RoutedArrow, state: ArrowState, turn: int, is_related: bool) -> str:
    arrow = routed.arrow
    classes = ["edge", arrow.kind, "back" if routed.is_back else "", state, "related" if is_related else ""]
    tip = ", ".join(arrow.names) or arrow.label
    texts = _render_label(routed, turn) if arrow.label else _render_turn(routed, turn)
    return (
        f'<g class="{" ".join(filter(None, classes))}" data-edge="{index}">'
        f"{f'<title>{escape_xml(tip)}</title>' if tip else ''}{_render_way(routed.points)}{texts}</g>"
    )


def _render_way(points: list[tuple[float, float]]) -> str:
    (x, y), (before_x, before_y) = points[-1], points[-2]
    if before_x == x and before_y > y:
        return _render_loop_below(points)
    sign = 1.0 if x > before_x else -1.0
    tail = x - sign * HEAD_LENGTH
    head = f"M{x:g} {y:g}L{tail:g} {y - HEAD_WIDTH / 2:g}V{y + HEAD_WIDTH / 2:g}z"
    return f'<path class="way" d="{_curve([*points[:-1], (tail, y)])}"/><path class="arrowhead" d="{head}"/>'


def _render_loop_below(points: list[tuple[float, float]]) -> str:
    """Render the arrow of a box to itself, which leaves and enters it at its lower edge."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    low, wide = points[1][1] + 6, (x0 - x1) / 2
    way = f"M{x0:g} {y0:g}C{x0 + wide:g} {low:g} {x1 - wide:g} {low:g} {x1:g} {y1 + HEAD_LENGTH:g}"
    head = f"M{x1:g} {y1:g}L{x1 - HEAD_WIDTH / 2:g} {y1 + HEAD_LENGTH:g}h{HEAD_WIDTH:g}z"
    return f'<path class="way" d="{way}"/><path class="arrowhead" d="{head}"/>'


def _curve(points: list[tuple[float, float]]) -> str:
    """Build the path: a line between points of one y or x, else a curve with horizontal ends."""
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y0 - y1) < 0.5 or x0 == x1:
            parts.append(f"L{x1:g} {y1:g}")
        else:
            bend = (x1 - x0) * 0.5
            parts.append(f"C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}")
    return "".join(parts)


def _render_label(routed: RoutedArrow, turn: int) -> str:
    if routed.label_at is None:
        return ""
    x, y = routed.label_at
    text = fit_text(routed.arrow.label, LABEL_PX, MAX_NAME_WIDTH) + (f", {_turn_text(turn)}" if turn else "")
    return f'<text class="label" x="{x:g}" y="{y + 4:g}" text-anchor="middle">{escape_xml(text)}</text>'


def _render_turn(routed: RoutedArrow, turn: int) -> str:
    """Render the turn of a loop in the middle of the arrow that closes it; empty as long as there is none."""
    if not routed.is_back or routed.arrow.source == routed.arrow.target:
        return ""
    points = routed.points
    (x0, y0), (x1, y1) = points[(len(points) - 1) // 2], points[len(points) // 2]
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 + 4
    return f'<text class="turn" x="{x:g}" y="{y:g}" text-anchor="middle">{_turn_text(turn)}</text>'


def _turn_text(turn: int) -> str:
    return f"turn {turn}" if turn else ""
