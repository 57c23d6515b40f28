"""What people and parents want of runs (cancel, pause, resume, retry, answer), and carrying it to bodies that run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdwater.errors import HoldwaterError, StoreUnavailable
from holdwater.kernel.compiled_plan import RUN
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.records import RunRow
from holdwater.model.time import add_seconds
from holdwater.runtime.active_run import INTERRUPTED_REASON, ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver


class RunControl:
    """The driver's.  Only its thread is in here."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def cancel_running(self, run: ActiveRun) -> None:
        """The run was cancelled or timed out: tell its bodies; end what has not begun, and, timed out, everything."""
        at_once = RUN in run.machine.errors
        nodes, run.to_cancel = run.to_cancel, []
        for node in nodes:
            attempt = run.attempts.get(node)
            command = run.machine.todo.get(node)
            if attempt is None:
                if type(command) is Execute and (at_once or not self._is_executed_elsewhere(run, node)):
                    run.apply_entry(JournalEntry(ev.Cancelled(node, command.fence)), self._driver.clock)
                continue
            attempt.handle.request_cancel("its run timed out" if at_once else "its run was cancelled")
            if attempt.cancel_if_queued() or at_once:
                self._detach_running(run, attempt)
            else:
                detach = partial(self._detach_running, run, attempt)
                self._driver.timers.call_at(
                    add_seconds(self._driver.clock.now(), self._driver.config.cancel_grace_seconds), detach
                )

    def _is_executed_elsewhere(self, run: ActiveRun, node: int) -> bool:
        """Another runner has the node's work and hears of what this one writes; or whoever takes it over does."""
        row = run.work_rows.get(node)
        return (
            row is not None
            and row.owner not in (None, self._driver.owner)
            and row.lease_until > self._driver.clock.now()
        )

    def _detach_running(self, run: ActiveRun, attempt: Attempt) -> None:
        """The engine wins over a body that does not stop."""
        if run.attempts.get(attempt.node) is not attempt:
            return
        self._driver.detach_attempt(run, attempt)
        attempt.try_end()
        attempt.executor.detach(attempt)
        self._driver.apply_entry(run, attempt.cancelled_entry())

    def handle_control_request(self, run_id: str, event: Event, retry: bool, future: Future[bool]) -> None:
        self.apply(run_id, event, future, retry=retry)

    def apply(self, run_id: str, event: Event, promise: Future[bool], *, retry: bool = False) -> None:
        """`control`, from the loop's own thread.

        Raises RunNotFound, StructureChanged, DecodingError, StoreError, StoreUnavailable.
        """
        run = self._driver.active_runs.get(run_id) or self._driver.run_loader.load_run(run_id)
        if run.machine.accepts(event) and isinstance(event, (ev.InputProvided, ev.Resumed)):
            self._driver.active_runs[run_id] = run
            self._driver.fan_out_children.resume_ancestors(run.row)
        if retry and run.machine.ended:
            self._driver.run_loader.check_structure(run.row)
            self._driver.retry_counts[run_id] = self._driver.retry_counts.get(run_id, 0) + 1
        self._driver.deadlines.watch_run(run)
        if type(event) is ev.Resumed:
            changed = run.definition is None and self._driver.run_loader.find_definition(run.row.workflow) is not None
            if run.machine.ended != retry or (changed and run.row.reason):
                promise.set_result(False)
                return
        if type(event) is ev.Resumed and run.row.paused_at and run.machine.status == "running":
            # Parked by its head alone, because it could not be read then: nothing to journal, it is read now.
            self._driver.fan_out_children.resume_ancestors(run.row)
            self._driver.active_runs[run_id] = self._driver.unsaved_runs[run_id] = run
            run.reason = None
            run.changed_nodes.update(run.work_rows)
            run.confirmations.append((None, promise))
            return
        if not run.machine.accepts(event):
            promise.set_result(False)
            return
        self._driver.active_runs[run_id] = run
        if type(event) is ev.Paused:
            self.unqueue_attempts(run)
        if type(event) is ev.CancelRequested:
            if any([row.owner is None for row in run.work_rows.values()]):  # others may have taken it since
                run.work_rows = {row.node: row for row in self._driver.store.work_of_run(run_id)}
            run.changed_nodes.update(run.work_rows)
        run.confirmations.append((event, promise))
        if type(event) is ev.Resumed:
            self._resume_run(run, event)
        else:
            self._driver.apply_entry(run, JournalEntry(event))

    def _resume_run(self, run: ActiveRun, event: ev.Resumed) -> None:
        interrupting = self._driver.interruptions
        interrupting.resolve_interruption(run.row.id)
        children: list[RunRow] = []
        if run.machine.suspended and run.reason == INTERRUPTED_REASON:  # first, or others would begin in their places
            children = interrupting.resume_children(run)
        self._driver.apply_entry(run, JournalEntry(event))
        if children:  # followed no more since they rested
            run.awaiting_children.update(run.machine.fan_outs)
            self._driver.fan_out_children.start_requested(run)
        for child in children:
            if not interrupting.is_awaited_child(run, child):
                self.cancel_child(child.id, "its parent run goes on without it")

    def cancel_child(self, run_id: str, reason: str = "its parent run has ended") -> None:
        """Cancel a run whose parent has ended, as soon as the store answers."""
        try:
            self.apply(run_id, ev.CancelRequested(reason), Future())
        except StoreUnavailable:
            self._driver.timers.call_at(self._driver.back_off_store(), lambda: self.cancel_child(run_id, reason))
        except HoldwaterError:  # never born, or not to be read here: then nothing of it runs here
            return

    def unqueue_attempts(self, run: ActiveRun) -> None:
        """Take back the attempts of a run whose bodies have not begun."""
        for attempt in [a for a in run.attempts.values() if a.cancel_if_queued()]:
            self._driver.detach_attempt(run, attempt)
            run.changed_nodes.add(attempt.node)
        for node, row in run.work_rows.items():  # held back here, or about to go back to the queue
            if row.kind == "execute" and row.owner == self._driver.owner and node not in run.attempts:
                run.changed_nodes.add(node)
