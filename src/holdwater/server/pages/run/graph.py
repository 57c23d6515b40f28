"""The graph of a run: the picture, counts by state, and the same as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from holdwater.drawing.folding import Level
from holdwater.drawing.graph_state import GraphState
from holdwater.drawing.marks import MarkName
from holdwater.drawing.picture import Picture
from holdwater.drawing.reachability import neighbours
from holdwater.operations.graph_layouts import GraphLayouts
from holdwater.operations.graphs import announced_nodes, graph_of_run
from holdwater.server.graph_pictures import GraphPicture, PictureRequest, draw
from holdwater.server.pages.run.query import PageLinks
from holdwater.server.pages.run.shown_run import STATES, ShownRun

MAX_ROWS: Final = 300
"""of the table; the tab of tasks has all"""
MAX_LISTED: Final = 100
"""of a folded picture: the most urgent ones, of the selected level if there is one"""
MAX_NEIGHBOURS: Final = 6
"""names before and behind a node in the table"""


@dataclass(frozen=True, slots=True)
class GraphRow:
    """One node.  `before`, `behind`: names of those directly before and behind it, `MAX_NEIGHBOURS` at most."""

    name: str
    mark: MarkName
    about: str
    before: tuple[str, ...]
    behind: tuple[str, ...]
    more_before: int
    more_behind: int


@dataclass(frozen=True, slots=True)
class GraphTab:
    """The graph of a run.  `counts`: nodes by state, the most urgent first.

    `rows`: of the table; `more_rows`: how many there are besides.  `level`: the selected one of a folded picture.
    """

    picture: GraphPicture
    counts: tuple[tuple[MarkName, int], ...]
    rows: tuple[GraphRow, ...]
    more_rows: int
    level: Level | None


def build_graph_tab(shown: ShownRun, links: PageLinks, layouts: GraphLayouts, *, states_only: bool = False) -> GraphTab:
    """Draw the graph of a run.  `states_only`: the page has the picture already.  Raises StoreError."""
    graph = graph_of_run(shown.view, shown.now, announced_nodes(layouts.database, shown.view))
    level = _index(links.options.get("level"))
    asked = PictureRequest(
        graph.picture,
        graph.state,
        links.node if links.node in graph.picture.boxes else None,
        level,
        lambda key: _query_of(links.to_node(key)),
        lambda index: _query_of(links.with_options(level=index + 1)),
        wait=links.options.get("full") == "1",
        states_only=states_only,
    )
    picture = draw(layouts, asked)
    is_level = level is not None and level < len(picture.levels)
    selected = picture.levels[level] if is_level and level is not None else None
    is_folded = picture.mode == "folded"
    keys = [key for key in (graph.picture.boxes if selected is None else selected.keys) if key in graph.state.boxes]
    if is_folded:
        keys = _by_urgency(keys, graph.state)
    limit = MAX_LISTED if is_folded else MAX_ROWS
    counts = graph.state.counts()
    return GraphTab(
        picture,
        tuple([(mark, counts[mark]) for mark in STATES if counts.get(mark)]),
        _rows(keys[:limit], graph.picture, graph.state),
        max(0, len(keys) - limit),
        selected,
    )


def _query_of(url: str) -> str:
    """Return the part of a URL of this page that differs: thousands of links have the rest in common."""
    return f"?{url.partition('?')[2]}"


def _index(text: str | None) -> int | None:
    """Return the index of a level by its number from 1; None for any other text."""
    return int(text) - 1 if text and text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) else None


def _by_urgency(keys: Iterable[str], state: GraphState) -> list[str]:
    return sorted(keys, key=lambda key: STATES.index(state.boxes[key].mark))


def _rows(keys: Sequence[str], picture: Picture, state: GraphState) -> tuple[GraphRow, ...]:
    before, behind = neighbours(picture)
    return tuple([_row(key, state, list(dict.fromkeys(before[key])), list(dict.fromkeys(behind[key]))) for key in keys])


def _row(key: str, state: GraphState, before: list[str], behind: list[str]) -> GraphRow:
    box = state.boxes[key]
    return GraphRow(
        key,
        box.mark,
        box.about,
        tuple(before[:MAX_NEIGHBOURS]),
        tuple(behind[:MAX_NEIGHBOURS]),
        max(0, len(before) - MAX_NEIGHBOURS),
        max(0, len(behind) - MAX_NEIGHBOURS),
    )
