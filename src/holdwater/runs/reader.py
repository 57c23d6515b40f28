"""Reading runs of a store: rows, views, activities, open questions.  Needs no code of a user and changes nothing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdwater.errors import RunNotFound, StoreError, StoreUnavailable
from holdwater.model import validation
from holdwater.model.child_ids import is_run_or_fan_out
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import RunFilter, RunRow
from holdwater.model.statuses import FINAL_STATUSES, RunStatus
from holdwater.runs import open_pauses
from holdwater.runs.activity import Activity, read_activities
from holdwater.runs.authoring_styles import STYLES
from holdwater.runs.info import RunInfo
from holdwater.runs.open_pauses import Pause
from holdwater.runs.progress import MAX_ENTRIES, RunProgress
from holdwater.runs.view import RunView
from holdwater.runs.waiting_runs import read_waiting
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.run_loader import StoredRunLoader

PAGE_RUNS: Final = 1000
"""a store gives so many rows at once, at most"""
PROGRESS_BATCH_RUNS: Final = 100
"""runs whose journals are read with one question"""


@dataclass(frozen=True, slots=True)
class ChangeChannel:
    """Waits for changes of one store.  `has_notifications`: False if those of other processes must be looked for."""

    watchers: JournalWatchers
    has_notifications: bool


class RunReader:
    """The runs of one store.  Thread-safe as far as the store is; `clock`: its time, by which leases are judged."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self._loader = StoredRunLoader(store, STYLES)
        self._channel: ChangeChannel | None = None
        self._channel_lock = threading.Lock()

    def use_channel(self, channel: ChangeChannel) -> None:
        """Wait for changes by this channel: that of the engine which has the store."""
        self._channel = channel

    def listen(self) -> ChangeChannel:
        """Return the channel of the store.  It listens once, from the first call on, until it is closed.

        Raises StoreUnavailable.
        """
        with self._channel_lock:
            if self._channel is None:
                watchers = JournalWatchers()
                self._channel = ChangeChannel(watchers, self.store.listen(watchers.on_notification))
            return self._channel

    def row(self, run_id: str) -> RunRow:
        """Read the row of a run.  Raises RunNotFound, InvalidArgument."""
        row = self.store.get_run(validation.check_search_text("the id of a run", run_id))
        if row is None:
            raise RunNotFound(
                f"there is no run {run_id!r} in {self.store.url}",
                hint="give its whole id; `find_run` of a runner finds a run by the beginning or the end of one",
            )
        return row

    def info(self, run_id: str) -> RunInfo:
        """Read the facts of a run, with its activity.  Raises RunNotFound, InvalidArgument."""
        return self.with_activities([self.row(run_id)])[0]

    def find_info(self, run_id: str) -> RunInfo | None:
        """Find the facts of a run, without its activity.  Raises InvalidArgument."""
        row = self.store.get_run(validation.check_search_text("the id of a run", run_id))
        return None if row is None else RunInfo.from_row(row)

    def view(self, run_id: str) -> RunView:
        """Read a run.  Raises RunNotFound, InvalidArgument, StoreError."""
        return self.view_of(self.fold(self.row(run_id)))

    def find(self, run_id: str) -> RunView | None:
        """Find a run.  Raises InvalidArgument, StoreError."""
        row = self.store.get_run(validation.check_search_text("the id of a run", run_id))
        return None if row is None else self.view_of(self.fold(row))

    def view_of(self, run: ActiveRun) -> RunView:
        """Create the view of a run in memory."""
        return RunView.of(run, self)

    def fold(self, row: RunRow) -> ActiveRun:
        """Fold the journal of a run, for the engine.  Raises StoreError."""
        return self._loader.fold(row)

    def list_runs(self, run_filter: RunFilter) -> tuple[RunInfo, ...]:
        """One page of runs with their activities, newest first.  Raises RunNotFound for an unknown `before_id`."""
        return self.with_activities(self.store.list_runs(run_filter))

    def iter_runs(self, run_filter: RunFilter, limit: int) -> Iterator[RunInfo]:
        """Up to `limit` runs with their activities, newest first, page by page."""
        while limit > 0:
            run_filter = replace(run_filter, limit=min(limit, PAGE_RUNS))
            page = self.store.list_runs(run_filter)
            yield from self.with_activities(page)
            if len(page) < run_filter.limit:
                return
            limit -= len(page)
            run_filter = replace(run_filter, before_id=page[-1].id, offset=0)

    def with_activities(self, rows: Sequence[RunRow]) -> tuple[RunInfo, ...]:
        """Read the activities of runs.  Raises StoreUnavailable."""
        found = self._activities(rows)
        return tuple([RunInfo.from_row(row, found[row.id]) for row in rows])

    def activity(self, run_id: str) -> Activity:
        """Read the activity of a run.  Raises RunNotFound, InvalidArgument."""
        return self._activities([self.row(run_id)])[run_id]

    def _activities(self, rows: Sequence[RunRow]) -> dict[str, Activity]:
        found = read_activities(self.store, rows, self.clock.now())
        return found | read_waiting(self.store, self._loader, rows)

    def read_progress(self, runs: Iterable[RunInfo], *, max_entries: int = MAX_ENTRIES) -> dict[str, RunProgress]:
        """Read the progress of runs, by id, several with one question.

        Left out are runs whose journals would make it more than `max_entries`, and those that cannot be read.
        Raises StoreUnavailable.
        """
        chosen: list[str] = []
        for run in runs:
            if run.journal_length <= max_entries:
                max_entries -= run.journal_length
                chosen.append(run.id)
        found: dict[str, RunProgress] = {}
        for first in range(0, len(chosen), PROGRESS_BATCH_RUNS):
            for run_id, stored in self.store.read_runs(chosen[first : first + PROGRESS_BATCH_RUNS]).items():
                try:
                    states = self._loader.fold(stored.row, stored).machine.node_states
                except StoreUnavailable:
                    raise
                except StoreError:
                    continue  # of another version; its page says so
                found[run_id] = RunProgress.of_states(states)
        return found

    # -- questions

    def pauses(self, run_id: str) -> tuple[Pause, ...]:
        """List the open questions of a run and its children.  Raises RunNotFound, InvalidArgument, StoreError."""
        return self.open_pauses(self.fold(self.row(run_id)))

    def find_pause(self, run_id: str, key: str | None) -> Pause:
        """Find an open question, by its pause id or the name of its answer; None: the only one.

        That of a child run that a task function waits for is found by the id of the child, too (`CHILD/QUESTION`).
        Raises PauseNotFound, RunNotFound, InvalidArgument, StoreError.
        """
        run = self.fold(self.row(run_id))
        found = None if key is None else open_pauses.find_pause(key, run, self._find_run)
        if found is not None:
            return found
        if key is not None and "/" in key:
            for row in self.called_children(run.row):
                if key.startswith(f"{row.id}/"):
                    return replace(self.find_pause(row.id, key.removeprefix(f"{row.id}/")), pause_id=key)
        pauses = self.open_pauses(run)
        exact = next((pause for pause in pauses if pause.pause_id == key), None)
        return open_pauses.single_pause(pauses, key, run_id) if exact is None else exact

    # -- what a view looks up

    def activity_of(self, run: ActiveRun) -> Activity:
        """Read the activity of a run in memory.  Raises StoreUnavailable."""
        return self._activities([run.row])[run.row.id]

    def open_pauses(self, run: ActiveRun) -> tuple[Pause, ...]:
        """List the open questions of a run in memory and its children.  Raises StoreError.

        Those of a child run that a task function waits for are named after the child's workflow, or after its id if
        several children of that workflow wait.
        """
        found = open_pauses.find_open_pauses(run, self._find_run)
        waiting = [(row, self.open_pauses(self.fold(row))) for row in self.called_children(run.row)]
        same_workflow = Counter([row.workflow for row, pauses in waiting if pauses])
        for row, pauses in waiting:
            name = row.workflow if same_workflow[row.workflow] == 1 else row.id
            found += [replace(pause, pause_id=f"{name}/{pause.pause_id}") for pause in pauses]
        return tuple(found)

    def called_children(self, parent: RunRow | RunInfo) -> Iterator[RunRow]:
        """List unfinished children started by task functions, without those that nodes have fanned out to.

        Raises StoreUnavailable.
        """
        if parent.status in FINAL_STATUSES:
            return
        for status in (RunStatus.RUNNING, RunStatus.PAUSED):
            run_filter = RunFilter(parent_id=parent.id, status=status, limit=PAGE_RUNS)
            while page := self.store.list_runs(run_filter):
                yield from [row for row in page if not is_run_or_fan_out(row.id, parent.id)]
                run_filter = replace(run_filter, before_id=page[-1].id)

    def children_of(self, run_id: str) -> tuple[RunInfo, ...]:
        """All runs that a run has started, the oldest first.  Raises StoreUnavailable."""
        return tuple(self.iter_runs(RunFilter(parent_id=run_id), 1 << 62))[::-1]

    def _find_run(self, run_id: str) -> ActiveRun | None:
        row = self.store.get_run(run_id)
        return None if row is None else self.fold(row)
