"""Layouts of the pictures of plans: made once per picture, and kept in the database and in this process."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from typing import Any, Final

from holdwater.drawing.graph_layout import GraphLayout, layout_graph
from holdwater.drawing.layout_data import LAYOUT_FORMAT, layout_from_data, layout_to_data
from holdwater.drawing.picture import Picture
from holdwater.errors import StoreReadOnly, StoreUnavailable
from holdwater.model.ports.drawings import MAX_LAYOUT_BYTES
from holdwater.operations.databases import Database

MAX_KEPT_LAYOUTS: Final = 16
"""in memory, besides those in the database"""


class GraphLayouts:
    """The layouts of one database.  Thread-safe; one layout is made at a time, in the thread that asks for it."""

    def __init__(self, database: Database) -> None:
        """Keep nothing yet."""
        self.database = database
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()
        """digest of a picture -> layout as data, the one looked up last at the end"""

    def find(self, picture: Picture) -> GraphLayout | None:
        """Return the layout of a picture if it has been made.  Raises StoreUnavailable, StoreError."""
        return self._find(picture.digest, picture)

    def _find(self, digest: str, picture: Picture) -> GraphLayout | None:
        with self._lock:
            data = self._kept.get(digest)
        if data is None:
            text = self.database.store.get_layout(digest, LAYOUT_FORMAT)
            if text is None:
                return None
            data = json.loads(text)
        layout = layout_from_data(picture, data)
        if layout is not None:
            self._keep(digest, data)
        return layout

    def get(self, picture: Picture) -> GraphLayout:
        """Return the layout of a picture, made now if it is not there.  Raises StoreUnavailable, StoreError."""
        digest = picture.digest
        found = self._find(digest, picture)
        if found is not None:
            return found
        with self._making:
            found = self._find(digest, picture)  # another thread may have made it meanwhile
            return self._make(digest, picture) if found is None else found

    def _make(self, digest: str, picture: Picture) -> GraphLayout:
        layout = layout_graph(picture)
        data = layout_to_data(layout)
        self._keep(digest, data)
        text = json.dumps(data, separators=(",", ":"))
        if len(text) <= MAX_LAYOUT_BYTES:
            # It is kept in this process in any case: to look at a run, nothing has to be written.
            with contextlib.suppress(StoreReadOnly, StoreUnavailable):
                self.database.store.put_layout(digest, LAYOUT_FORMAT, text, self.database.clock.now())
        return layout

    def _keep(self, digest: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._kept[digest] = data
            self._kept.move_to_end(digest)
            while len(self._kept) > MAX_KEPT_LAYOUTS:
                self._kept.popitem(last=False)
