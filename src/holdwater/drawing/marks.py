"""Marks of states: one word, one shape and one character for each, in drawings, lists and on the command line.

A shape is drawn in `currentColor` on a square of 16 units; the colour comes from the style sheet, by the class
`mark-NAME`.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final, Literal, get_args

MarkName = Literal[
    "pending", "queued", "running", "waiting", "awaiting_input", "paused", "completed", "failed", "skipped",
    "cancelled", "orphaned",
]  # fmt: skip
"""`pending`: what comes before has not settled.  `waiting`: for an instant.  `awaiting_input`: for a person.
`orphaned`: the process that executed it is gone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a state.  `character`: one cell of a terminal; `ascii`: where its encoding lacks that.

    `shape`: SVG elements.
    """

    name: MarkName
    word: str
    character: str
    ascii: str
    shape: str


def _ring(radius: float, width: float, more: str = "") -> str:
    return f'<circle cx="8" cy="8" r="{radius:g}" fill="none" stroke="currentColor" stroke-width="{width:g}"{more}/>'


def _stroke(path: str, width: float) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{width:g}"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _filled(path: str) -> str:
    return f'<path d="{path}" fill="currentColor" fill-rule="evenodd"/>'


_DISC: Final = "M8 1a7 7 0 1 1 0 14a7 7 0 1 1 0-14z"
_CHECK: Final = "M3.9 8.5L5.1 7.3L6.95 9.1L10.85 4.8L12.1 5.95L7 11.55z"
_BUBBLE: Final = "M3.5 2.5h9a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H8l-3.2 2.9v-2.9H3.5a2 2 0 0 1-2-2v-5a2 2 0 0 1 2-2z"
_SQUARE: Final = "M4.5 3h7A1.5 1.5 0 0 1 13 4.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 3 11.5v-7A1.5 1.5 0 0 1 4.5 3z"
_THREE_DOTS: Final = "M4.2 6.2h1.6v1.6h-1.6zM7.2 6.2h1.6v1.6h-1.6zM10.2 6.2h1.6v1.6h-1.6z"

_ALL: Final = (
    Mark("pending", "Not started", "·", ".", '<circle cx="8" cy="8" r="2" fill="currentColor"/>'),
    Mark("queued", "Queued", "○", "o", _ring(5.5, 1.6)),
    Mark("running", "Running", "◐", ">", _ring(5.8, 2, ' opacity=".3"') + _stroke("M8 2.2A5.8 5.8 0 0 1 13.8 8", 2)),
    Mark("waiting", "Waiting", "◷", "@", _ring(6, 1.6) + _stroke("M8 4.6V8l2.4 1.6", 1.6)),
    Mark("awaiting_input", "Waiting for a person", "?", "?", _filled(_BUBBLE + _THREE_DOTS)),
    Mark("paused", "Paused", "‖", "=", _filled("M4 3h3v10h-3zM9 3h3v10h-3z")),
    Mark("completed", "Completed", "✓", "+", _filled(_DISC + _CHECK)),
    Mark("failed", "Failed", "✗", "x", _stroke("M4 4l8 8M12 4l-8 8", 2.6)),
    Mark("skipped", "Skipped", "–", "-", _stroke("M4 8h8", 2)),
    Mark("cancelled", "Cancelled", "■", "#", _filled(_SQUARE)),
    Mark("orphaned", "Orphaned", "◌", "!", _ring(5.8, 2, ' stroke-dasharray="7 5.15" stroke-dashoffset="2"')),
)  # fmt: skip

MARKS: Final[dict[MarkName, Mark]] = {mark.name: mark for mark in _ALL}
"""name -> mark, in the order of a node's life"""
assert tuple(MARKS) == get_args(MarkName)

RUN_MARKS: Final[dict[str, MarkName]] = {
    **{name: name for name in ("queued", "running", "waiting", "paused", "completed", "failed", "cancelled")},
    "waiting for child runs": "running",
    "waiting for an answer": "awaiting_input",
    "orphaned": "orphaned",
    "stopped": "paused",
    "partial": "failed",
}
"""status of a run, or state of its activity -> name of its mark"""


def mark_of_run(state: str) -> Mark:
    """Return the mark of a run, by its status or the state of its activity.  Raises KeyError for another word."""
    return MARKS[RUN_MARKS[state]]


def character_of(name: MarkName, encoding: str | None = "utf-8") -> str:
    """Return the character of a mark, for a terminal with this encoding."""
    mark = MARKS[name]
    try:
        mark.character.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return mark.ascii
    return mark.character


def mark_symbols() -> str:
    """Return all marks as SVG symbols `mark-NAME`, to be put into a document once, inside an `<svg>`."""
    return "".join(
        f'<symbol id="mark-{mark.name}" viewBox="0 0 16 16">{mark.shape}</symbol>' for mark in MARKS.values()
    )


def mark_icon(name: MarkName, *, titled: bool = False) -> str:
    """Return a mark as an `<svg>` that uses the symbol of the document; the style sheet gives `svg.mark` its size.

    `titled`: with its word as its name, where no word stands beside it; else it is hidden from screen readers.
    """
    mark = MARKS[name]
    said = f' role="img" aria-label="{escape(mark.word)}"' if titled else ' aria-hidden="true"'
    title = f"<title>{escape(mark.word)}</title>" if titled else ""
    return f'<svg class="mark mark-{mark.name}"{said}>{title}<use href="#mark-{mark.name}"/></svg>'
