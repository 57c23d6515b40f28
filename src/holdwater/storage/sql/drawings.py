"""Layouts of drawings on every SQL database."""

from __future__ import annotations

from typing import Any, Protocol

from holdwater.errors import InvalidArgument
from holdwater.model.ports.drawings import MAX_LAYOUT_BYTES
from holdwater.model.time import Micros
from holdwater.storage.sql import queries


class DrawingStatements(queries.RunQueryStatements, Protocol):
    """The statements of layouts in a dialect's module of statements."""

    GET_LAYOUT: str


class DrawingQueries(queries.RunQueries):
    """The part of a store that reads layouts."""

    _sql: DrawingStatements

    def get_layout(self, digest: str, layout_format: int) -> str | None:
        """Return the text kept for a picture in this format, None if there is none."""
        for (text,) in self._select(self._sql.GET_LAYOUT, (digest, layout_format)):
            return text  # type: ignore[no-any-return]
        return None


def layout_row(digest: str, layout_format: int, text: str, now: Micros) -> tuple[Any, ...]:
    """Return the row of a layout.  Raises InvalidArgument for one that is too large."""
    return digest, layout_format, now, layout_bytes(text), text


def layout_bytes(text: str) -> int:
    """Return the size of a layout.  Raises InvalidArgument for one that is too large."""
    size = len(text.encode())
    if size > MAX_LAYOUT_BYTES:
        raise InvalidArgument(f"a layout of {size:,} bytes is not kept: the limit is {MAX_LAYOUT_BYTES:,}")
    return size
