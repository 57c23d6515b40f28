"""Pictures of graphs for pages: drawn, folded, or to be laid out first, as their size asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from markupsafe import Markup

from holdwater.drawing.folded_svg import render_folded
from holdwater.drawing.folding import MAX_DRAWN_BOXES, Level, fold_levels, surroundings_of
from holdwater.drawing.graph_layout import GraphLayout, layout_graph
from holdwater.drawing.graph_state import BoxState, GraphState
from holdwater.drawing.graph_svg import GraphOptions, about_text, arrow_states, box_tooltip, render_graph
from holdwater.drawing.picture import Picture
from holdwater.operations.graph_layouts import GraphLayouts

MAX_BOXES_AT_ONCE: Final = 300
"""drawn with the page; more are laid out after it"""

Mode = Literal["drawn", "laying out", "folded"]


@dataclass(frozen=True, slots=True)
class GraphPicture:
    """A picture as a page shows it.

    `svg`: empty while the layout is not there.  `around`: the surroundings of the selected box, of a folded picture.
    `states`: what the script of the page changes in it, as JSON.
    """

    mode: Mode
    boxes: int
    svg: Markup
    states: Markup
    around: Markup
    hidden: int
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """The picture that a page asks for.

    `state`: None for a workflow.  `selected`: key of a box; `level`: index of a level.
    `link`, `level_link`: addresses behind boxes and levels.  `wait`: make the layout now, however long it takes.
    `states_only`: the page has the picture already; it keeps one that is not folded.
    """

    picture: Picture
    state: GraphState | None = None
    selected: str | None = None
    level: int | None = None
    link: Callable[[str], str] | None = None
    level_link: Callable[[int], str] | None = None
    wait: bool = False
    states_only: bool = False

    @property
    def options(self) -> GraphOptions:
        return GraphOptions(None, self.selected, self.link)


def draw(layouts: GraphLayouts, asked: PictureRequest) -> GraphPicture:
    """Draw a picture as its size asks for.  Raises StoreUnavailable, StoreError."""
    picture = asked.picture
    count = len(picture.boxes)
    if count > MAX_DRAWN_BOXES:
        return _draw_folded(asked)
    is_made_now = asked.wait or count <= MAX_BOXES_AT_ONCE
    layout = (layouts.get if is_made_now else layouts.find)(picture)
    if layout is None:
        return GraphPicture("laying out", count, Markup(), Markup("{}"), Markup(), 0, ())
    svg = "" if asked.states_only else render_graph(picture, layout, asked.state, asked.options)
    return GraphPicture("drawn", count, Markup(svg), _states_json(_states(asked, layout)), Markup(), 0, ())


def _draw_folded(asked: PictureRequest) -> GraphPicture:
    picture, state = asked.picture, asked.state or GraphState()
    levels = fold_levels(picture)
    counts = [level.counts(state) for level in levels]
    around, hidden = "", 0
    svg = render_folded(levels, counts, name=picture.name, selected=asked.level, link=asked.level_link)
    if asked.selected is not None and asked.selected in picture.boxes:
        found = surroundings_of(picture, asked.selected)
        layout = layout_graph(found.picture)
        around, hidden = render_graph(found.picture, layout, asked.state, asked.options), found.hidden
    return GraphPicture("folded", len(picture.boxes), Markup(svg), Markup("{}"), Markup(around), hidden, levels)


# -- what the script of the page changes


def _states(asked: PictureRequest, layout: GraphLayout) -> dict[str, Any]:
    """Return the selected box, the states of boxes by index, and those of arrows by their number in the drawing.

    Of a box: mark, line below its name, tooltip, part that is done (0 to 1; -1: no bar), milliseconds since the epoch
    it waits for (0: none).
    """
    state, picture = asked.state, asked.picture
    found: dict[str, Any] = {"selected": asked.selected}
    if state is None:
        return found
    found["nodes"] = [_box_states(layout, key, state.boxes.get(key)) for key in picture.boxes]
    found["edges"] = arrow_states(picture, layout, state)
    found["turns"] = {
        index: state.turn(routed.arrow)
        for index, routed in layout.routes.items()
        if routed.is_back and state.turn(routed.arrow)
    }
    return found


def _box_states(layout: GraphLayout, key: str, state: BoxState | None) -> list[Any] | None:
    if state is None:
        return None
    placed = layout.placed_boxes[key]
    part = state.done / state.total if state.total and state.mark != "completed" else -1
    until = 0 if state.until is None else state.until // 1000
    return [state.mark, about_text(placed, state), box_tooltip(placed.box, state), round(part, 3), until]


def _states_json(states: dict[str, Any]) -> Markup:
    """Return JSON that can stand in a `<script>` element: no text of a user ends it."""
    text = json.dumps(states, separators=(",", ":"), ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
