"""JSON values as trees of HTML lists that open and close without a script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from holdwater.server.presentation import pluralize, visible

OPEN_LINES: Final = 100
"""a tree of more lines begins closed"""
MAX_LINES: Final = 2_000
"""of one tree; what comes behind is counted"""
MAX_TEXT_CHARACTERS: Final = 2_000
"""of one text in a tree"""
MAX_DEPTH: Final = 60
SHOWN_BYTES: Final = 65_536
"""a larger value is shown on request only"""


def json_tree(value: Any, *, whole: bool = False) -> Markup:
    """Render a value that JSON knows.  `whole`: also if it is larger than `SHOWN_BYTES`.

    Other values are shown by their `repr`.
    """
    size = _estimated_bytes(value)
    if size > SHOWN_BYTES and not whole:
        return Markup('<div class="json"><span class="muted">{}, not shown here</span></div>').format(_summary(value))
    writer = _Writer(is_open=_count_lines(value) <= OPEN_LINES)
    return Markup('<div class="json">{}</div>').format(Markup("").join(writer.write(value, 0)))


class _Writer:
    def __init__(self, *, is_open: bool) -> None:
        self._open = Markup(" open") if is_open else Markup("")
        self._lines_left = MAX_LINES

    def write(self, value: Any, depth: int) -> Iterator[Markup]:
        """Yield the HTML of a value."""
        if isinstance(value, Mapping) and value:
            yield from self._write_items(value, ((str(key), item) for key, item in value.items()), depth)
        elif _is_list(value) and value:
            yield from self._write_items(value, ((str(k), item) for k, item in enumerate(value)), depth)
        else:
            yield _scalar(value)

    def _write_items(self, value: Any, items: Iterable[tuple[str, Any]], depth: int) -> Iterator[Markup]:
        if depth >= MAX_DEPTH:
            yield Markup('<span class="muted">{}, nested too deeply</span>').format(_summary(value))
            return
        is_open = self._open if depth else Markup(" open")
        yield Markup('<details{}><summary class="muted">{}</summary><ul>').format(is_open, _summary(value))
        for k, (key, item) in enumerate(items):
            if self._lines_left <= 0:
                yield Markup('<li class="muted">and {} more</li>').format(f"{len(value) - k:,}")
                break
            self._lines_left -= 1
            yield Markup('<li><span class="k">{}:</span> ').format(visible(key))
            yield from self.write(item, depth + 1)
            yield Markup("</li>")
        yield Markup("</ul></details>")


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _scalar(value: Any) -> Markup:
    match value:
        case None | bool():
            return Markup('<span class="b">{}</span>').format(json.dumps(value))
        case int() | float():
            return Markup('<span class="n">{}</span>').format(repr(value))
        case str():
            cut = value[:MAX_TEXT_CHARACTERS]
            more = f" … {len(value) - len(cut):,} more characters" if len(cut) < len(value) else ""
            return Markup('<span class="s">"{}"</span><span class="muted">{}</span>').format(visible(cut), more)
        case Mapping():
            return Markup('<span class="muted">{{}}</span>').format()
        case _ if _is_list(value):
            return Markup('<span class="muted">[]</span>')
    return Markup('<span class="s">{}</span>').format(visible(repr(value)[:MAX_TEXT_CHARACTERS]))


def _summary(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{pluralize(len(value), 'key')}}}"
    if _is_list(value):
        return f"[{pluralize(len(value), 'item')}]"
    return f"{_estimated_bytes(value):,} bytes"


def _count_lines(value: Any) -> int:
    """Count the lines of a tree, no further than needed."""
    count, pending = 0, [value]
    while pending and count <= OPEN_LINES:
        one = pending.pop()
        count += 1
        if isinstance(one, Mapping):
            pending += list(one.values())[: OPEN_LINES + 1]
        elif _is_list(one):
            pending += list(one[: OPEN_LINES + 1])
    return count


def _estimated_bytes(value: Any) -> int:
    """Estimate the bytes of a value as JSON, no further than needed."""
    size, pending = 0, [value]
    while pending and size <= SHOWN_BYTES:
        one = pending.pop()
        if isinstance(one, Mapping):
            size += 2 + sum(len(str(key)) + 4 for key in one)
            pending += list(one.values())
        elif _is_list(one):
            size += 2 + 2 * len(one)
            pending += list(one)
        else:
            size += len(one) if isinstance(one, (str, bytes, bytearray)) else 8
    return size
