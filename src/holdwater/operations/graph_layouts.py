"""Layouts of the pictures of plans: made once per picture, and kept in the database and in this process."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from typing import Final

from holdwater.drawing.graph_layout import GraphLayout, layout_graph
from holdwater.drawing.layout_data import LAYOUT_FORMAT, layout_from_data, layout_to_data
from holdwater.drawing.picture import Picture
from holdwater.errors import StoreReadOnly, StoreUnavailable
from holdwater.model.ports.drawings import MAX_LAYOUT_BYTES
from holdwater.operations.databases import Database

MAX_KEPT_BYTES: Final = 16_000_000
"""of layouts in memory, besides those in the database; the one looked up last is kept in any case"""


class GraphLayouts:
    """The layouts of one database.  Thread-safe; one layout is made at a time, in the thread that asks for it."""

    def __init__(self, database: Database) -> None:
        """Keep nothing yet."""
        self.database = database
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._kept: OrderedDict[str, str] = OrderedDict()
        """digest of a picture -> layout as JSON in ASCII, the one looked up last at the end"""

    def find(self, picture: Picture) -> GraphLayout | None:
        """Return the layout of a picture if it has been made.  Raises StoreUnavailable, StoreError."""
        return self._find(picture.digest, picture)

    def get(self, picture: Picture) -> GraphLayout:
        """Return the layout of a picture, made now if it is not there.  Raises StoreUnavailable, StoreError."""
        digest = picture.digest
        found = self._find(digest, picture)
        if found is not None:
            return found
        with self._making:
            found = self._find(digest, picture)  # another thread may have made it meanwhile
            return self._make(digest, picture) if found is None else found

    def _find(self, digest: str, picture: Picture) -> GraphLayout | None:
        with self._lock:
            text = self._kept.get(digest)
        if text is None:
            text = self.database.store.get_layout(digest, LAYOUT_FORMAT)
        layout = None if text is None else layout_from_data(picture, json.loads(text))
        if text is not None and layout is not None:
            self._keep(digest, text)
        return layout

    def _make(self, digest: str, picture: Picture) -> GraphLayout:
        layout = layout_graph(picture)
        text = json.dumps(layout_to_data(layout), separators=(",", ":"))
        self._keep(digest, text)
        if len(text) <= MAX_LAYOUT_BYTES:
            # It is kept in this process in any case: to look at a run, nothing has to be written.
            with contextlib.suppress(StoreReadOnly, StoreUnavailable):
                self.database.store.put_layout(digest, LAYOUT_FORMAT, text, self.database.clock.now())
        return layout

    def _keep(self, digest: str, text: str) -> None:
        with self._lock:
            self._kept[digest] = text
            self._kept.move_to_end(digest)
            total = sum([len(kept) for kept in self._kept.values()])
            while total > MAX_KEPT_BYTES and len(self._kept) > 1:
                total -= len(self._kept.popitem(last=False)[1])
