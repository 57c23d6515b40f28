"""SVG of a folded picture: one box per level, with a bar of the states of its boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from holdwater.drawing.colours import Theme
from holdwater.drawing.folding import Level
from holdwater.drawing.graph_colours import make_graph_stylesheet
from holdwater.drawing.marks import MARKS, MarkName
from holdwater.drawing.xml_text import escape_xml

COLUMNS: Final = 5
BOX_WIDTH: Final = 176.0
BOX_HEIGHT: Final = 68.0
GAP_X: Final = 32.0
GAP_Y: Final = 36.0
MARGIN: Final = 16.0
PADDING: Final = 12.0
BAR_HEIGHT: Final = 6.0
MIN_SEGMENT_WIDTH: Final = 2.0

URGENCY: Final[tuple[MarkName, ...]] = (
    "failed", "orphaned", "awaiting_input", "paused", "running", "waiting", "queued", "cancelled", "skipped",
    "completed", "pending",
)  # fmt: skip
"""marks, the one that is to be told of first"""
_BAR_ORDER: Final[tuple[MarkName, ...]] = (
    "completed", "skipped", "cancelled", "failed", "orphaned", "awaiting_input", "paused", "waiting", "running",
    "queued", "pending",
)  # fmt: skip

_WHOLE: Final = 'width="100%" height="100%"'

Counts = Mapping[MarkName, int]


def render_folded(
    levels: Sequence[Level],
    counts: Sequence[Counts],
    *,
    name: str = "graph",
    selected: int | None = None,
    link: Callable[[int], str] | None = None,
    theme: Theme | None = None,
) -> str:
    """Render levels in reading order, `COLUMNS` to a row.  `counts`: by level; without any state they are empty.

    `selected`: index of a level.  `link`: index of a level -> the address behind it.
    `theme`: None leaves the colours to the style sheet of the page.
    """
    rows = -(-len(levels) // COLUMNS)
    columns = min(COLUMNS, len(levels))
    width = 2 * MARGIN + columns * (BOX_WIDTH + GAP_X) - GAP_X if levels else 2 * MARGIN
    height = 2 * MARGIN + rows * (BOX_HEIGHT + GAP_Y) - GAP_Y if levels else 2 * MARGIN
    style = "" if theme is None else f'<style>{make_graph_stylesheet(theme)}</style><rect class="hw-page" {_WHOLE}/>'
    parts = "".join([style, *_arrows(len(levels)), *_boxes(levels, counts, selected, link)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="hw-graph hw-folded" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="group" aria-label="{escape_xml(f"Levels of {name}")}">{parts}</svg>'
    )


def counts_text(counts: Counts, limit: int = 2) -> str:
    """Return `3 failed, 1,180 completed`: the most urgent states, `limit` at most."""
    shown = [mark for mark in URGENCY if counts.get(mark)][:limit]
    return ", ".join([f"{counts[mark]:,} {MARKS[mark].word.lower()}" for mark in shown])


def bar_segments(counts: Counts, width: float) -> Iterator[tuple[MarkName, float, float]]:
    """Yield (mark, x, width) of the parts of a bar; what is there at all can be seen."""
    total = sum(counts.values())
    shown = [mark for mark in _BAR_ORDER if counts.get(mark)]
    spare = width - MIN_SEGMENT_WIDTH * len(shown)
    x = 0.0
    for mark in shown:
        part = MIN_SEGMENT_WIDTH + spare * counts[mark] / total
        yield mark, x, part
        x += part


def _place(index: int) -> tuple[float, float]:
    row, column = divmod(index, COLUMNS)
    return MARGIN + column * (BOX_WIDTH + GAP_X), MARGIN + row * (BOX_HEIGHT + GAP_Y)


def _arrows(count: int) -> Iterator[str]:
    for index in range(count - 1):
        (x0, y0), (x1, y1) = _place(index), _place(index + 1)
        if y0 == y1:
            way = f"M{x0 + BOX_WIDTH:g} {y0 + BOX_HEIGHT / 2:g}H{x1 - 6:g}"
        else:  # to the next row, through the gap between the two
            middle = y0 + BOX_HEIGHT + GAP_Y / 2
            way = (
                f"M{x0 + BOX_WIDTH / 2:g} {y0 + BOX_HEIGHT:g}V{middle:g}H{x1 - MARGIN / 2:g}"
                f"V{y1 + BOX_HEIGHT / 2:g}H{x1 - 6:g}"
            )
        y = y1 + BOX_HEIGHT / 2
        head = f"M{x1:g} {y:g}L{x1 - 6:g} {y - 3.5:g}V{y + 3.5:g}z"
        yield f'<g class="edge data"><path class="way" d="{way}"/><path class="arrowhead" d="{head}"/></g>'


def _boxes(
    levels: Sequence[Level], counts: Sequence[Counts], selected: int | None, link: Callable[[int], str] | None
) -> Iterator[str]:
    room = BOX_WIDTH - 2 * PADDING
    for index, (level, found) in enumerate(zip(levels, counts, strict=True)):
        x, y = _place(index)
        tag, href = ("g", "") if link is None else ("a", f' href="{escape_xml(link(index))}"')
        said = counts_text(found, limit=len(URGENCY))
        classes = "node level selected" if index == selected else "node level"
        bar = "".join(
            f'<rect class="segment state-{mark}" x="{PADDING + at:.1f}" y="{BOX_HEIGHT - 18:g}" width="{part:.1f}"'
            f' height="{BAR_HEIGHT:g}"/>'
            for mark, at, part in bar_segments(found, room)
        )
        yield (
            f'<{tag} class="{classes}" data-level="{index}"{href} transform="translate({x:g} {y:g})"'
            f"><title>{level.title}\n{said}</title>"
            f'<rect class="card" width="{BOX_WIDTH:g}" height="{BOX_HEIGHT:g}" rx="6"/>'
            f'<text class="name" x="{PADDING:g}" y="21">{level.title}</text>'
            f'<text class="about size" x="{BOX_WIDTH - PADDING:g}" y="21" text-anchor="end">{len(level.keys):,}</text>'
            f'<text class="about" x="{PADDING:g}" y="40">{counts_text(found)}</text>'
            f'<g class="level-bar">{bar}</g></{tag}>'
        )
