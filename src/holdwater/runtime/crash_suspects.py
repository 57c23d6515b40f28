"""Task functions that may have killed their process run alone: one at a time, while nothing else runs here.

When a process dies, every task function that had begun in it is a suspect.  Most are innocent, so a suspect is tried
again beside others, at first.  If its processes go on dying it runs alone, and a function that was alone when its
process died is the one that did it: only such a function is failed as CRASHED.  See docs/decisions/0019.
"""

from __future__ import annotations

from typing import Final

from holdwater.model.commands import Execute
from holdwater.model.records import WorkRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.run_table import RunTable

ISOLATED_CRASHES: Final = 3
"""of the crashes a task function is allowed, so many happen while it is alone"""


class CrashSuspects:
    """The place for one suspect.  Only the driver's thread is in here."""

    def __init__(
        self, table: RunTable, dispatcher: Dispatcher, claim_requests: ClaimRequests, max_crashes: int
    ) -> None:
        self._table, self._dispatcher, self._claim_requests = table, dispatcher, claim_requests
        self._max_crashes: Final = max_crashes
        self.isolate_after_crashes: Final = max(1, max_crashes - ISOLATED_CRASHES)
        """a task function that was running in so many crashes runs alone"""
        self._current: tuple[str, int, int] | None = None
        """run, node and fence of the suspect that is next, or runs"""
        self._attempt: Attempt | None = None

    @property
    def active(self) -> bool:
        """A suspect runs, or waits for the others to end: nothing else may begin."""
        return self._current is not None

    def is_culprit(self, run: ActiveRun, node: int) -> bool:
        """The task function, whose process died once more, was alone and has died often enough."""
        crashes = run.machine.crash_counts.get(node, 0)
        return crashes >= self.isolate_after_crashes and crashes + 1 >= self._max_crashes

    def is_suspect(self, run: ActiveRun) -> bool:
        """The run has a suspect to be written now."""
        crashes = run.machine.crash_counts
        return any([crashes.get(node, 0) >= self.isolate_after_crashes for node in run.changed_nodes])

    def may_start(self, run: ActiveRun, row: WorkRow) -> bool:
        """The task may be handed to its executor now; if not, this or another runner comes back to it."""
        crashes = run.machine.crash_counts.get(row.node, 0)
        if crashes < self.isolate_after_crashes:
            if self.active:
                self._claim_requests.release_later(run, row)
                return False
        else:
            wanted = (run.row.id, row.node, row.fence)
            if self._current is None:
                self._current = wanted
                self._claim_requests.release_queued()
            if self._current != wanted:
                self._claim_requests.release_later(run, row)
                return False
            if not self._dispatcher.is_idle_or_notify():
                return False
        if (crashes or row.suspect) and not row.started:  # on disk before it can take the process with it
            run.pending_starts[row.node] = row.fence
            self._table.mark_unsaved(run)
            return False
        return True

    def on_attempt_started(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt was handed to its executor."""
        if self._current == (run.row.id, attempt.node, attempt.fence):
            self._attempt = attempt

    def on_attempt_deferred(self, attempt: Attempt) -> None:
        """An attempt waits in `defer_until` or for a child run, which may need this very runner."""
        if attempt is self._attempt:
            self._clear_current()

    def take_startable(self) -> tuple[ActiveRun, WorkRow] | None:
        """The suspect, if it is alone now and has not begun; ends the turn of one that is over."""
        if self._attempt is not None:
            if self._attempt.state == "over":
                self._clear_current()
        elif self._current is not None:
            run_id, node, fence = self._current
            run = self._table.get(run_id)
            row = None if run is None else run.work_rows.get(node)
            if run is None or row is None or not self._is_outstanding(run, row, fence):
                self._clear_current()
            elif self._dispatcher.is_idle_or_notify():
                return run, row
        return None

    def _is_outstanding(self, run: ActiveRun, row: WorkRow, fence: int) -> bool:
        command = run.machine.todo.get(row.node)
        return (
            type(command) is Execute
            and command.fence == row.fence == fence
            and row.owner == self._table.owner
            and not run.machine.suspended
        )

    def _clear_current(self) -> None:
        self._current = self._attempt = None
        self._claim_requests.request_claim()
