"""Layouts of the pictures of plans: made once per structure, and kept in the database and in this process."""

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
        """structure -> layout as data, the one looked up last at the end"""

    def find(self, structure: str, picture: Picture) -> GraphLayout | None:
        """Return the layout of a plan's picture if it has been made.  Raises StoreUnavailable, StoreError."""
        with self._lock:
            data = self._kept.get(structure)
        if data is None:
            text = self.database.store.get_layout(structure, LAYOUT_FORMAT)
            if text is None:
                return None
            data = json.loads(text)
        layout = layout_from_data(picture, data)
        if layout is not None:
            self._keep(structure, data)
        return layout

    def get(self, structure: str, picture: Picture) -> GraphLayout:
        """Return the layout of a plan's picture, made now if it is not there.  Raises StoreUnavailable, StoreError."""
        found = self.find(structure, picture)
        if found is not None:
            return found
        with self._making:
            found = self.find(structure, picture)  # another thread may have made it meanwhile
            return self._make(structure, picture) if found is None else found

    def _make(self, structure: str, picture: Picture) -> GraphLayout:
        layout = layout_graph(picture)
        data = layout_to_data(layout)
        self._keep(structure, data)
        text = json.dumps(data, separators=(",", ":"))
        if len(text) <= MAX_LAYOUT_BYTES:
            # It is kept in this process in any case: to look at a run, nothing has to be written.
            with contextlib.suppress(StoreReadOnly, StoreUnavailable):
                self.database.store.put_layout(structure, LAYOUT_FORMAT, text, self.database.clock.now())
        return layout

    def _keep(self, structure: str, data: dict[str, Any]) -> None:
        with self._lock:
            self._kept[structure] = data
            self._kept.move_to_end(structure)
            while len(self._kept) > MAX_KEPT_LAYOUTS:
                self._kept.popitem(last=False)
