"""Control of runs by people and by parent runs: cancel, pause, resume, retry and answer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Protocol

from holdwater.errors import HoldwaterError, StoreUnavailable
from holdwater.kernel.compiled_plan import RUN_INDEX
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import RunRow
from holdwater.model.time import add_seconds
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import Decider, StoredRuns
from holdwater.runtime.store_status import StoreStatus


class ChildResumer(Protocol):
    """The child runs of a run that goes on, and its parents."""

    def resume_ancestors(self, row: RunRow) -> None: ...
    def start_requested(self, run: ActiveRun) -> None: ...


class Interruptions(Protocol):
    """Runs that were paused because their callers were interrupted."""

    def resolve_interruption(self, run_id: str) -> None: ...
    def interrupted_children(self, run: ActiveRun) -> list[RunRow]: ...
    def is_awaited_child(self, run: ActiveRun, child: RunRow) -> bool: ...


class RunControl:
    """Applies requests to runs, active or stored.  Only the driver's thread is in here."""

    children: ChildResumer
    """set by the driver: child runs are controlled, too, and so each knows the other"""
    interruptions: Interruptions

    def __init__(
        self,
        store: Store,
        store_status: StoreStatus,
        clock: Clock,
        table: RunTable,
        run_loader: RunLoader,
        stored_runs: StoredRuns,
        decisions: Decider,
        hooks: RunHooks,
        timers: Timers,
        cancel_grace_seconds: float,
    ) -> None:
        self._store, self._store_status, self._clock, self._table = store, store_status, clock, table
        self._run_loader, self._stored_runs, self._decisions = run_loader, stored_runs, decisions
        self._hooks, self._timers = hooks, timers
        self._cancel_grace_seconds = cancel_grace_seconds
        self.retry_counts: dict[str, int] = {}
        """run -> times it was retried from here after it had ended"""

    # -- cancellation of tasks that run

    def cancel_running(self, run: ActiveRun) -> None:
        """Tell the task functions of a run that was cancelled or timed out to stop.

        Tasks that have not begun end at once; if the run timed out, all of them do.
        """
        at_once = RUN_INDEX in run.machine.errors
        nodes, run.to_cancel = run.to_cancel, []
        for node in nodes:
            attempt = run.attempts.get(node)
            command = run.machine.todo.get(node)
            if attempt is None:
                if type(command) is Execute and (at_once or not self._is_executed_elsewhere(run, node)):
                    run.apply_entry(JournalEntry(ev.Cancelled(node, command.fence)), self._clock)
                continue
            attempt.handle.request_cancel("its run timed out" if at_once else "its run was cancelled")
            if attempt.cancel_if_queued() or at_once:
                self._detach_running(run, attempt)
            else:
                detach = partial(self._detach_running, run, attempt)
                self._timers.call_at(add_seconds(self._clock.now(), self._cancel_grace_seconds), detach)

    def _is_executed_elsewhere(self, run: ActiveRun, node: int) -> bool:
        """Another runner has the work of the node: it, or the one that takes it over, reads what this one writes."""
        row = run.work_rows.get(node)
        return row is not None and row.owner not in (None, self._table.owner) and row.lease_until > self._clock.now()

    def _detach_running(self, run: ActiveRun, attempt: Attempt) -> None:
        """End an attempt whose task function does not stop."""
        if run.attempts.get(attempt.node) is not attempt:
            return
        self._table.detach(run, attempt)
        attempt.try_end()
        attempt.executor.detach(attempt)
        self._decisions.apply_entry(run, attempt.cancelled_entry())

    # -- requests

    def apply(self, run_id: str, event: Event, future: Future[bool], *, retry: bool = False) -> None:
        """Apply a request; `future` is set when it is on disk, to False if the run does not take it.

        `retry`: `Resumed` is meant for a run that has ended; otherwise for one that is paused, and for no other.
        Raises RunNotFound, StructureChanged, DecodingError, StoreError, StoreUnavailable.
        """
        run = self._find_run(run_id, event, retry)
        if retry and run.machine.ended:
            self._run_loader.check_structure(_moved_row(run.row, event))
        if not self._takes(run, event, retry):
            future.set_result(False)
            return
        if retry:
            self.retry_counts[run_id] = self.retry_counts.get(run_id, 0) + 1
        self._table.add(run)
        self._hooks.deadline_set(run)
        if isinstance(event, (ev.InputProvided, ev.Resumed)):
            self.children.resume_ancestors(run.row)
        if type(event) is ev.Resumed and _is_parked(run):
            self._resume_parked(run, future)
            return
        if type(event) is ev.Paused:
            self._table.unqueue_attempts(run)
        if type(event) is ev.CancelRequested:
            if any([row.owner is None for row in run.work_rows.values()]):  # other runners may have claimed it since
                run.work_rows = {row.node: row for row in self._store.work_of_run(run_id)}
            run.changed_nodes.update(run.work_rows)
        run.confirmations.append((event, future))
        if type(event) is ev.Resumed:
            self._resume(run, event)
        else:
            self._decisions.apply_entry(run, JournalEntry(event))

    def _find_run(self, run_id: str, event: Event, retry: bool) -> ActiveRun:
        """Find the run of a request; one that is to be moved to another release is read by that one's definition."""
        run = self._stored_runs.find_run(run_id, lambda run: self._takes(run, event, retry))
        if type(event) is ev.Resumed and event.release is not None and run.ended and not run.has_unsaved_changes:
            return self._run_loader.load_run(run_id, event.release)
        return run

    def _takes(self, run: ActiveRun, event: Event, retry: bool) -> bool:
        """The request fits the run as it is known here."""
        if type(event) is not ev.Resumed:
            return run.machine.accepts(event)
        if run.machine.ended != retry:
            return False
        is_outdated = run.definition is None and event.release is None and run.row.reason
        if is_outdated and self._run_loader.find_pinned_definition(run.row) is not None:
            return False  # the structure has changed, and the reason says so
        return _is_parked(run) or run.machine.accepts(event)

    def _resume_parked(self, run: ActiveRun, future: Future[bool]) -> None:
        """Now it is read: nothing to journal."""
        self._table.mark_unsaved(run)
        run.reason = None
        run.changed_nodes.update(run.work_rows)
        run.confirmations.append((None, future))

    def _resume(self, run: ActiveRun, event: ev.Resumed) -> None:
        self.interruptions.resolve_interruption(run.row.id)
        children: list[RunRow] = []
        if run.machine.suspended and run.reason == INTERRUPTED_REASON:
            children = self._resume_children(run)  # first, or others would begin in their places
        self._decisions.apply_entry(run, JournalEntry(event))
        if children:  # not watched since they were paused
            run.awaiting_children.update(run.machine.fan_outs)
            self.children.start_requested(run)
        for child in children:
            if not self.interruptions.is_awaited_child(run, child):
                self.cancel_child(child.id, "its parent run goes on without it")

    def _resume_children(self, run: ActiveRun) -> list[RunRow]:
        """Resume the children that were interrupted with the run.  Raises StoreUnavailable."""
        children = self.interruptions.interrupted_children(run)
        for child in children:
            self.apply(child.id, ev.Resumed(), Future())
        return children

    def cancel_child(self, run_id: str, reason: str = "its parent run has ended") -> None:
        """Cancel a run that its parent needs no more, as soon as the store answers."""
        try:
            self.apply(run_id, ev.CancelRequested(reason), Future())
        except StoreUnavailable:
            self._timers.call_at(self._store_status.back_off(), lambda: self.cancel_child(run_id, reason))
        except HoldwaterError:  # never written, or not to be read here: then nothing of it runs here
            return


def _moved_row(row: RunRow, event: Event) -> RunRow:
    """The row of a run as a request leaves it, as to its release."""
    if type(event) is ev.Resumed and event.release is not None:
        return replace(row, release=event.release or None)
    return row


def _is_parked(run: ActiveRun) -> bool:
    """The run was parked by its row alone, because it could not be read."""
    return run.row.paused_at is not None and run.machine.status == "running"
