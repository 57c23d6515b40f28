"""Storage of layouts of drawings."""

from __future__ import annotations

from typing import Final, Protocol

from holdwater.model.time import Micros

MAX_LAYOUT_BYTES: Final = 4_000_000
"""of one layout; a larger one is not kept"""
MAX_LAYOUTS_BYTES: Final = 64_000_000
"""of all layouts of a database; beyond it the oldest are deleted"""


class DrawingStore(Protocol):
    """The part of a store for layouts: a cache, from which any may be missing."""

    def get_layout(self, digest: str, layout_format: int) -> str | None:
        """Return the text kept for a picture in this format, None if there is none."""
        ...

    def put_layout(self, digest: str, layout_format: int, text: str, now: Micros) -> None:
        """Keep a text of at most `MAX_LAYOUT_BYTES`; what is there already stays.

        Deletes what is in other formats, and the oldest beyond `MAX_LAYOUTS_BYTES`.
        Raises StoreUnavailable, StoreError, StoreReadOnly.
        """
        ...
