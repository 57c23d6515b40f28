"""Bodies that may have killed their process run apart: one at a time, while nothing else runs here.

When a process dies, every body that had begun in it is a suspect.  Most are innocent, so a suspect is tried again
beside others, at first.  If its processes go on dying it runs alone, and a body that was alone when its process died is
the one that did it: only such a body is failed as CRASHED.  See docs/decisions/0019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdwater.model.commands import Execute
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver
    from holdwater.runtime.services.claims import WorkClaimer

ISOLATED_CRASHES: Final = 3
"""of the crashes a body is allowed, so many happen while it is alone"""


class CrashSuspects:
    """The driver's place for one suspect.  Only the driver's thread is in here."""

    def __init__(self, driver: Driver, work_claimer: WorkClaimer) -> None:
        self._driver, self._work_claimer = driver, work_claimer
        self._max_crashes: Final = driver.config.max_crashes_per_task
        self.isolate_after_crashes: Final = max(1, self._max_crashes - ISOLATED_CRASHES)
        """a body that was running in so many crashes runs apart"""
        self._current: tuple[str, int, int] | None = None
        """run, node and fence of the suspect whose turn it is"""
        self._attempt: Attempt | None = None

    @property
    def active(self) -> bool:
        """Whether a suspect runs, or waits for the others to end: nothing else may begin."""
        return self._current is not None

    def is_culprit(self, run: ActiveRun, node: int) -> bool:
        """Whether the body, whose process died once more, was alone and has died often enough."""
        crashes = run.machine.crash_counts.get(node, 0)
        return crashes >= self.isolate_after_crashes and crashes + 1 >= self._max_crashes

    def is_suspect(self, run: ActiveRun) -> bool:
        """Whether the run has a suspect to be written now."""
        crashes = run.machine.crash_counts
        return any([crashes.get(node, 0) >= self.isolate_after_crashes for node in run.changed_nodes])

    def may_start(self, run: ActiveRun, row: WorkRow) -> bool:
        """Whether the body may be handed to its executor now; if not, this or another runner comes back to it."""
        crashes = run.machine.crash_counts.get(row.node, 0)
        if crashes < self.isolate_after_crashes:
            if self.active:
                self._work_claimer.release_later(run, row)
                return False
        else:
            child_ref = (run.row.id, row.node, row.fence)
            if self._current is None:
                self._current = child_ref
                self._work_claimer.drain_waiting()
            if self._current != child_ref:
                self._work_claimer.release_later(run, row)
                return False
            if not self._driver.dispatcher.is_idle_or_notify():
                return False
        if (crashes or row.suspect) and not row.started:  # on disk before it can take the process with it
            run.pending_starts[row.node] = row.fence
            self._driver.unsaved_runs[run.row.id] = run
            return False
        return True

    def on_attempt_started(self, attempt: Attempt) -> None:
        """An attempt was handed to its executor."""
        if self._current == (attempt.run_id, attempt.node, attempt.fence):
            self._attempt = attempt

    def on_attempt_deferred(self, attempt: Attempt) -> None:
        """It waits in `defer_until` or for a child run, which may need this very runner."""
        if attempt is self._attempt:
            self._clear_current()

    @property
    def has_work(self) -> bool:
        """Whatever changes something here wakes the loop anyway."""
        return False

    def due_times(self, now: Micros) -> list[Micros]:
        """Nothing here is due at an instant."""
        return []

    def run_due(self, now: Micros) -> None:
        """Begin the suspect as soon as it is alone; go on with the others when it is over."""
        if self._attempt is not None:
            if self._attempt.state == "over":
                self._clear_current()
        elif self._current is not None:
            run_id, node, fence = self._current
            run = self._driver.active_runs.get(run_id)
            row = None if run is None else run.work_rows.get(node)
            if run is None or row is None or not self._is_outstanding(run, row, fence):
                self._clear_current()
            elif self._driver.dispatcher.is_idle_or_notify():
                self._driver.dispatch_work(run, row)

    def _is_outstanding(self, run: ActiveRun, row: WorkRow, fence: int) -> bool:
        command = run.machine.todo.get(row.node)
        return (
            type(command) is Execute
            and command.fence == row.fence == fence
            and row.owner == self._driver.owner
            and not run.machine.suspended
        )

    def _clear_current(self) -> None:
        self._current = self._attempt = None
        self._work_claimer.on_slot_free()
