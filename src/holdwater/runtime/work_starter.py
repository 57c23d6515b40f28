"""Work of this runner: started when it is on disk, and over when its attempt ends or goes to another runner."""

from __future__ import annotations

from holdwater.errors import HoldwaterError
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.records import WorkRow
from holdwater.model.secrets import SecretSource
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.decisions import Decisions
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.handle_protocols import ChildStarter
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.internal_errors import log_attempt_failure
from holdwater.runtime.logs.capture import LogCapture
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.run_table import RunTable


class Work:
    """Timers and attempts of active runs.  Only the driver's thread is in here."""

    def __init__(
        self,
        table: RunTable,
        decisions: Decisions,
        hooks: RunHooks,
        dispatcher: Dispatcher,
        crash_suspects: CrashSuspects,
        timers: Timers,
        clock: Clock,
        task_timeout_seconds: float,
        log_capture: LogCapture,
    ) -> None:
        self._table, self._decisions, self._hooks = table, decisions, hooks
        self._dispatcher, self._crash_suspects = dispatcher, crash_suspects
        self._timers, self._clock, self._task_timeout_seconds = timers, clock, task_timeout_seconds
        self._log_capture = log_capture
        self.child_starter: ChildStarter | None = None
        self.secret_source: SecretSource | None = None

    def start(self, run: ActiveRun, row: WorkRow) -> None:
        """Start work that is on disk as this runner's: a timer, children, or a task function."""
        command = run.machine.todo.get(row.node)
        if type(command) is StartTimer and command.at is not None:
            self._timers.call_at(command.at, lambda: self._fire_timer(run.row.id, row.node, command.at))
        elif type(command) is AwaitChildren:
            self._hooks.children_work_claimed(run, row.node)
        elif type(command) is Execute and run.machine.halted:  # cancelled before it was read here: nothing begins
            self._decisions.apply_entry(run, JournalEntry(ev.Cancelled(row.node, command.fence)))
        elif type(command) is Execute and run.definition is not None and not run.machine.suspended:
            if not self._crash_suspects.may_start(run, row):
                return
            try:
                self._start_attempt(run, row, command, run.definition)
            except HoldwaterError as error:
                text = f"{type(error).__name__}: {error.message}"
                failed = ev.Failed(row.node, command.fence, type(error).__name__, text)
                self._decisions.apply_entry(run, JournalEntry(failed))

    def _start_attempt(self, run: ActiveRun, row: WorkRow, command: Execute, definition: WorkflowDefinition) -> None:
        """Hand a task function to its executor.  Raises HoldwaterError if its inputs cannot be read here."""
        node = row.node
        attempt = Attempt(
            run.row.id,
            node,
            command.fence,
            command.attempt,
            definition,
            run.run_data.view(node),
            self._task_timeout_seconds,
            self._clock,
        )
        attempt.child_starter, attempt.secret_source = self.child_starter, self.secret_source
        attempt.run_started_at, attempt.first_fence = run.started_at, command.first_fence
        if run.is_from_store and run.entries:
            attempt.not_before = run.entries[-1].recorded_at
        self._hooks.attempt_created(attempt, row)
        executor = self._dispatcher.executor_for_node(definition, node)
        attempt.log_sink = self._log_capture.open_log(attempt, is_remote=executor.is_remote)
        run.attempts[node] = attempt
        executor.submit_attempt(attempt)
        self._hooks.attempt_started(run, attempt)

    def _fire_timer(self, run_id: str, node: int, due_at: Micros | None) -> None:
        run = self._table.get(run_id)
        command = None if run is None else run.machine.todo.get(node)
        if run is not None and type(command) is StartTimer and command.at == due_at:
            self._decisions.apply_entry(run, JournalEntry(ev.TimerFired(node)))

    # -- ends of attempts

    def on_attempt_done(self, attempt: Attempt, entry: JournalEntry) -> None:
        """Decide about the end of an attempt; an error of the engine concerns its run alone."""
        try:
            self.finish_attempt(attempt, entry)
        except BaseException as error:
            run = self._table.get(attempt.run_id)
            if run is None:
                raise
            self._decisions.report_internal_error(run, error)

    def finish_attempt(self, attempt: Attempt, entry: JournalEntry) -> None:
        """Apply the event an attempt has ended with."""
        run = self._table.get(attempt.run_id)
        if run is None:
            return
        if run.attempts.get(attempt.node) is attempt:
            self._table.detach(run, attempt)
        if type(entry.event) is ev.Failed:
            log_attempt_failure(attempt, entry.event)
        taken = self._decisions.apply_entry(run, entry)
        if not taken and attempt.interrupted and type(entry.event) is ev.Cancelled:  # it begins again
            lost = ev.AttemptLost(attempt.node, attempt.fence, counts_as_crash=False)
            self._decisions.apply_entry(run, JournalEntry(lost))
        self._hooks.attempt_ended(attempt)

    def abandon(self, run: ActiveRun, attempt: Attempt) -> None:
        """Another runner has the work: its task function is told to stop, and its slot is free."""
        attempt.handle.request_cancel("another runner took it over")
        attempt.try_end()
        attempt.executor.detach(attempt)
        self._table.detach(run, attempt)
