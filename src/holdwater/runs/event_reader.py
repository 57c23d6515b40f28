"""Reads the events of a run from a store, from any process, without the code of its workflow."""

from __future__ import annotations

import json
from typing import Any

from holdwater.errors import RunNotFound
from holdwater.events.run_events import EventPosition, RunEvent
from holdwater.events.stream import RunEventStream, is_behind
from holdwater.model import journal as journal_format
from holdwater.model.ports.store import Store
from holdwater.runs.authoring_styles import STYLES
from holdwater.runtime.run_loader import StoredRunLoader


class RunEventReader:
    """Reads one run on from where it was read before.

    `after`: a journal number, or the position of an event.  Raises RunNotFound, StoreError, StoreUnavailable.
    """

    def __init__(self, store: Store, run_id: str, after: int | EventPosition = 0) -> None:
        row = store.get_run(run_id)
        if row is None:
            raise RunNotFound(f"there is no run {run_id!r} in {store.url}")
        self._store, self._run_id, self._after = store, run_id, after
        loader = StoredRunLoader(store, STYLES)
        self._style = loader.style_of(row)
        self._stream = RunEventStream(row, loader.plan_of(row), self._style)
        self.has_more = False
        """there was more than the limit when it was read last"""

    @property
    def has_ended(self) -> bool:
        """The run had ended when it was read last."""
        return self._stream.has_ended

    @property
    def seq(self) -> int:
        """The number of journal entries that were read."""
        return self._stream.seq

    def read(self, limit: int | None = None) -> list[RunEvent]:
        """Read the events after those read before; of about `limit` rows of the journal at most: see `has_more`.

        Raises RunNotFound if the run was deleted since, StoreError, StoreUnavailable.
        """
        stream, events = self._stream, list[RunEvent]()
        rows = self._store.read_journal(self._run_id, after_seq=stream.seq, limit=limit)
        self.has_more = limit is not None and len(rows) >= limit
        if not rows and self._store.get_run(self._run_id) is None:
            raise RunNotFound(f"run {self._run_id!r} was deleted")
        for row in rows:
            trees: list[Any] = json.loads(row.entries)
            for tree in trees[stream.seq + 1 - row.seq :]:
                entry = journal_format.decode_entry(tree, self._style.decode_value, row.at)
                events += [event for event in stream.append(entry) if is_behind(event, self._after)]
        return events
