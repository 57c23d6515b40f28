"""The memory store: layouts of drawings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from holdwater.model.ports.drawings import MAX_LAYOUTS_BYTES
from holdwater.model.time import Micros
from holdwater.storage.sql.drawings import layout_bytes


class MemoryDrawings:
    """The layouts of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]]) -> None:
        """Begin without any layout."""
        self._locked_for_drawings = locked
        self._layouts: Final[dict[str, tuple[int, int, str]]] = {}
        """digest -> format, bytes and text; the oldest first"""

    def get_layout(self, digest: str, layout_format: int) -> str | None:
        """Return the text kept for a picture in this format, None if there is none."""
        with self._locked_for_drawings():
            kept_format, _, text = self._layouts.get(digest, (None, 0, None))
            return text if kept_format == layout_format else None

    def put_layout(self, digest: str, layout_format: int, text: str, now: Micros) -> None:
        """Keep a layout in place of one in another format, and delete the oldest beyond the limit."""
        size = layout_bytes(text)
        with self._locked_for_drawings():
            if self._layouts.get(digest, (None,))[0] == layout_format:
                return
            self._layouts.pop(digest, None)
            self._layouts[digest] = (layout_format, size, text)
            while sum([kept for _, kept, _ in self._layouts.values()]) > MAX_LAYOUTS_BYTES:
                del self._layouts[next(iter(self._layouts))]
