"""Runs that other runners wrote: read when work of them is taken over, and again when others have advanced them."""

from __future__ import annotations

from collections.abc import Callable

from holdwater.errors import HoldwaterError, StoreUnavailable
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import Execute
from holdwater.model.journal import JournalEntry
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.decisions import Decisions
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.internal_errors import InternalErrors, describe_recorded
from holdwater.runtime.parking import Parking
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.run_table import Accepted, RunTable
from holdwater.runtime.store_status import StoreStatus
from holdwater.runtime.work_starter import Work


class RunAdoption:
    """Makes stored runs active.  Only the driver's thread is in here."""

    def __init__(
        self,
        table: RunTable,
        run_loader: RunLoader,
        decisions: Decisions,
        work: Work,
        parking: Parking,
        hooks: RunHooks,
        store_status: StoreStatus,
        error_log: InternalErrors,
    ) -> None:
        self._table, self._run_loader, self._decisions, self._work = table, run_loader, decisions, work
        self._parking, self._hooks, self._store_status, self._error_log = parking, hooks, store_status, error_log

    def adopt(self, run_id: str) -> ActiveRun | None:
        """Read a run and make it active; one that cannot be read is parked, and None.  Raises StoreUnavailable."""
        try:
            run = self._run_loader.load_run(run_id)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self._parking.park_unreadable(run_id, f"cannot be read: {error.message}")
            return None
        except BaseException as error:  # noqa: BLE001 - its error is no other run's concern
            self._error_log.add(f"reading run {run_id}", error)
            reason = f"cannot be read because of an internal error: {describe_recorded(error)}"
            self._parking.park_unreadable(run_id, reason)
            return None
        self._table.add(run)
        self._hooks.deadline_set(run)
        return run

    def find_run(self, run_id: str, takes: Callable[[ActiveRun], bool]) -> ActiveRun:
        """The run, active or stored, as far as a request is concerned that it takes or not.

        An active one that does not is read again if another runner has written to it: its notification may be late.
        Raises RunNotFound, StoreError, StoreUnavailable, DecodingError.
        """
        run = self._table.get(run_id)
        if run is None:
            return self._run_loader.load_run(run_id)
        if run.is_new or takes(run) or not self._run_loader.is_outdated(run):
            return run
        fresh = self._run_loader.load_run(run_id)
        self._replace(run, fresh)
        return fresh

    def reload(self, run: ActiveRun) -> None:
        """Read a run that another runner has advanced, and decide again what was decided here and is not on disk."""
        try:
            fresh = self._run_loader.load_run(run.row.id)
            if run.release != run.row.release and fresh.ended:  # it was to be moved, and will be
                fresh = self._run_loader.load_run(run.row.id, run.release or ev.CODE_RELEASE)
        except StoreUnavailable:  # it stays undecided: the next commit meets the same conflict
            self._store_status.back_off()
            self._table.mark_unsaved(run)
            return
        except HoldwaterError as error:
            self._table.reject(run, error)
            return
        self._replace(run, fresh)

    def _replace(self, run: ActiveRun, fresh: ActiveRun) -> None:
        """Go on with a run as it was read again.  Raises StoreUnavailable."""
        pending = [e for e in run.unsaved_entries if not _is_derived(e)]
        fresh.attempts, fresh.crash_suspects = run.attempts, run.crash_suspects
        fresh.deadline_stopped_at = run.deadline_stopped_at
        fresh.done, fresh.confirmations = run.done, run.confirmations
        self._table.add(fresh)
        self._table.mark_unsaved(fresh)
        self._table.accept(run.row.id, Accepted(fresh.row, None))
        self._offer_again(pending, run, fresh)
        self._abandon_lost_attempts(fresh)
        self._start_own_work(fresh)
        if not fresh.has_unsaved_changes:
            self._hooks.run_settled(fresh)
        if not fresh.has_unsaved_changes and fresh.machine.status != "running":
            fresh.done.set_result(fresh)
            self.evict_if_idle(fresh)

    def evict_if_idle(self, run: ActiveRun) -> None:
        """Keep a run active only while this process has to do with it."""
        if run.machine.ended:
            self._table.active.pop(run.row.id, None)
            self._hooks.run_ended(run)
        else:
            self._table.evict_if_idle(run)

    def _offer_again(self, pending: list[JournalEntry], run: ActiveRun, fresh: ActiveRun) -> None:
        """Apply to `fresh` the entries that were decided on top of `run` and not written."""
        is_retry = run.row.finished_at is not None
        written = {journal.encode_entry(entry) for entry in fresh.entries[run.row.seq :]}
        for entry in pending:
            meant = type(entry.event) is not ev.Resumed or fresh.machine.ended == is_retry
            if not (meant and self._decisions.apply_entry(fresh, entry)):
                # perhaps because it was written, and the answer of the store was lost
                fresh.resolve_confirmation(entry.event, journal.encode_entry(entry) in written)

    def _abandon_lost_attempts(self, run: ActiveRun) -> None:
        for attempt in list(run.attempts.values()):
            command = run.machine.todo.get(attempt.node)
            if type(command) is not Execute or command.fence != attempt.fence:
                self._work.abandon(run, attempt)
        if run.machine.suspended:
            self._table.unqueue_attempts(run)
        elif run.machine.halted:
            run.to_cancel = [node for node, command in run.machine.todo.items() if type(command) is Execute]
            self._hooks.tasks_to_cancel(run)

    def _start_own_work(self, run: ActiveRun) -> None:
        """Start work that is this runner's by a commit whose answer was lost."""
        for row in list(run.work_rows.values()):
            if row.owner == self._table.owner and row.node not in run.attempts and row.node not in run.changed_nodes:
                self._work.start(run, row)


def _is_derived(entry: JournalEntry) -> bool:
    """It is not offered again after a conflict, but decided again; so is the end of a task that had no attempt."""
    return isinstance(entry.event, (ev.RuleEvaluated, ev.TimerSet)) or (
        type(entry.event) is ev.Cancelled and not entry.ended_at
    )
