"""Text for people: harmless, short, aligned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from click import unstyle

from holdwater.model.duration_text import format_duration as format_duration

# Control characters, and those that reorder or hide what stands next to them; lone surrogates cannot be printed at all.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_GENERATED_ID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def escape_unsafe(text: object) -> str:
    """Escape line breaks and control characters, which could control a terminal."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def truncate(text: object, limit: int = 100) -> str:
    """Escape a text and cut it to `limit` characters."""
    whole = str(text)
    shown = escape_unsafe(whole[: limit + 1])  # a value may have megabytes: only what may be shown is looked at
    return shown if len(whole) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"


def first_line(text: object, limit: int = 100) -> str:
    """Return the first line of a text, escaped and cut to `limit` characters; an ellipsis stands for further lines."""
    first, *more = str(text).strip().splitlines() or [""]
    return truncate(f"{first} …" if more else first, limit)


def truncate_lines(text: object, limit: int = 500) -> list[str]:
    """Return the lines of a text without indentation, each escaped and cut to `limit` characters."""
    return [truncate(line.strip(), limit) for line in str(text).splitlines() if line.strip()]


def short_id(run_id: str) -> str:
    """Enough of a run's id to name it: the random end of a generated one (its beginning is a time), all of another."""
    return run_id[-8:] if _GENERATED_ID.fullmatch(run_id) else escape_unsafe(run_id)


def format_instant(text: str | None) -> str:
    """Format an instant as RFC 3339 in UTC, to the second; empty for None."""
    return "" if not text else text[:19].replace("T", " ") + "Z"


def align_columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as lines with their columns under each other, also where cells have colours."""
    table = [[(cell, len(unstyle(cell))) for cell in row] for row in rows]
    if not table:
        return
    widths = [max(row[k][1] for row in table) for k in range(len(table[0]))]
    for row in table:
        cells = zip(row, widths, strict=True)
        yield "  ".join([f"{cell}{' ' * (width - shown)}" for (cell, shown), width in cells]).rstrip()


def pluralize(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
