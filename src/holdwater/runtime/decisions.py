"""Decisions about runs: an event goes in, and what follows from it is written at the end of the turn.

The error boundary of one run is here: what goes wrong for it parks or rejects it, and no other run.
"""

from __future__ import annotations

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError, StoreUnavailable
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.future import Future
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.internal_errors import InternalErrors, describe_recorded, internal_error
from holdwater.runtime.parking import Parking
from holdwater.runtime.run_table import Accepted, RunTable


class Decisions:
    """Applies events to active runs.  Only the driver's thread is in here."""

    def __init__(
        self, table: RunTable, hooks: RunHooks, parking: Parking, clock: Clock, error_log: InternalErrors
    ) -> None:
        self._table, self._hooks, self._parking = table, hooks, parking
        self._clock, self._error_log = clock, error_log
        self._is_closed = False

    def close(self) -> None:
        """From now on, accept no new run."""
        self._is_closed = True

    def add_new_run(self, run: ActiveRun, acceptance: Future[Accepted]) -> None:
        """Have a new run written; `acceptance` is set when it is on disk."""
        if self._is_closed:
            acceptance.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            return
        self._hooks.deadline_set(run)
        self._hooks.run_created(run)
        self._table.add_new(run, acceptance)

    def apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool:
        """Apply an event, with all that follows from it; returns whether the run takes it.  Raises StoreUnavailable.

        A run whose data cannot be read here is parked.
        """
        try:
            return self._apply_entry(run, entry)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self.park_run(run, f"cannot go on here: {error.message}")
        except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
            self.report_internal_error(run, error)
        return False

    def _apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool:
        taken = run.apply_entry(entry, self._clock)
        if taken:
            self._table.mark_unsaved(run)
            if run.done.done and run.machine.status == "running":
                run.done = Future()
            if run.to_cancel:
                self._hooks.tasks_to_cancel(run)
            if run.awaiting_children:
                self._hooks.children_requested(run)
        return taken

    # -- runs that cannot go on here

    def park_run(self, run: ActiveRun, reason: str) -> None:
        """Park a run this process can do nothing more for, with the work it has of it."""
        self._park_run(run, reason, StoreError(f"run {run.row.id} {reason}"))

    def report_internal_error(self, run: ActiveRun, error: BaseException) -> None:
        """Reject or park the run for which the engine has failed."""
        run = self._table.active.get(run.row.id, run)
        self._error_log.add(f"run {run.row.id}", error)
        if run.is_new:
            self._table.reject(run, internal_error(f"run {run.row.id} was not accepted", error))
        else:
            answer = internal_error(f"run {run.row.id} cannot go on here", error)
            self._park_run(run, f"cannot go on because of an internal error: {describe_recorded(error)}", answer)

    def report_recorded_error(self, run: ActiveRun, error: BaseException) -> None:
        """The same just after a commit, which may have been the run's first."""
        self._table.refuse(run.row.id, internal_error(f"run {run.row.id} is recorded, and cannot go on here", error))
        run.is_new = False
        self.report_internal_error(run, error)

    def _park_run(self, run: ActiveRun, reason: str, waiter_error: HoldwaterError) -> None:
        self._table.discard(run)
        self._parking.park(run.row, reason)
        run.reject_waiters(waiter_error)
        for attempt in run.attempts.values():
            try:
                attempt.handle.request_cancel(reason)
                if attempt.try_end():
                    attempt.executor.detach(attempt)
            except BaseException as error:  # noqa: BLE001 - it is parked, and the others have to be told as well
                self._error_log.add(f"telling a task function of run {run.row.id}", error)
