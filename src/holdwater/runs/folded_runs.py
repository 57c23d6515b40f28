"""Runs folded once and kept: looking again at a run costs the entries it has got since, not its whole journal."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.run_loader import advance_run

MAX_RUNS: Final = 64
MAX_ENTRIES: Final = 500_000
"""journal entries of all kept runs together; the run looked at last is kept in any case"""


@dataclass(slots=True)
class _Kept:
    """One run.  `lock`: held while it is folded, so that requests at the same time fold it once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    run: ActiveRun | None = None
    view: RunView | None = None


class FoldedRuns(RunReader):
    """A reader that keeps the runs it was asked for last.  Thread-safe; the views it gives out never change."""

    def __init__(self, store: Store, clock: Clock, *, max_runs: int = MAX_RUNS, max_entries: int = MAX_ENTRIES) -> None:
        """Keep nothing yet.  `max_entries`: journal entries of the kept runs together."""
        super().__init__(store, clock)
        self._max_runs, self._max_entries = max_runs, max_entries
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def view(self, run_id: str) -> RunView:
        """Read a run as it is now.  Raises RunNotFound, InvalidArgument, StoreError, StoreUnavailable."""
        row = self.row(run_id)
        with self._lock:
            kept = self._kept.setdefault(run_id, _Kept())
            self._kept.move_to_end(run_id)
        with kept.lock:
            view = self._read(kept, row)
        self._evict()
        return view

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._kept

    def _read(self, kept: _Kept, row: RunRow) -> RunView:
        """Read a run on from where it was read before."""
        earlier = kept.run
        if earlier is not None and row.seq < earlier.row.seq:  # others have read it on while this waited for the lock
            row = self.row(row.id)
        if earlier is None or not _is_same_run(earlier, row):
            kept.run, kept.view = self.fold(row), None
        else:
            kept.run = advance_run(earlier, self.store)
        view = self.view_of(kept.run)
        if kept.view is not None and earlier is not None and _shows_the_same(earlier, kept.run):
            view = view.with_parts_of(kept.view)
        kept.view = view
        return view

    def _evict(self) -> None:
        with self._lock:
            sizes = {run_id: 0 if kept.run is None else kept.run.row.seq for run_id, kept in self._kept.items()}
            total = sum(sizes.values())
            for run_id in list(self._kept)[:-1]:
                if len(self._kept) <= self._max_runs and total <= self._max_entries:
                    return
                del self._kept[run_id]
                total -= sizes[run_id]


def _is_same_run(kept: ActiveRun, row: RunRow) -> bool:
    """Return False for a run that was deleted and started again under its id."""
    return (kept.row.created_at, kept.row.structure) == (row.created_at, row.structure) and kept.row.seq <= row.seq


def _shows_the_same(earlier: ActiveRun, now: ActiveRun) -> bool:
    """Return True if neither the journal nor the queue says anything new; a renewed lease is nothing new."""
    return earlier.machine is now.machine and _outstanding_work(earlier) == _outstanding_work(now)


def _outstanding_work(run: ActiveRun) -> list[tuple[int, int, str, str | None, bool]]:
    return [(w.node, w.fence, w.kind, w.owner, w.started) for w in run.work_rows.values()]
