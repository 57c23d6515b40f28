"""Deadlines: attempts that run too long, and runs past their deadline.

Nothing is scheduled per attempt or per run: there is one instant of the next check, never later than the first deadline
that can pass, and a check goes through everything that runs.  So a million tasks that end in time leave nothing behind.
"""

from __future__ import annotations

from dataclasses import replace

from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.internal_errors import logger
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import AttemptFinisher, Decider


class Deadlines:
    """A service of the loop that uses no store.  Instants in microseconds since the epoch."""

    def __init__(
        self,
        clock: Clock,
        table: RunTable,
        decisions: Decider,
        attempts: AttemptFinisher,
        dispatcher: Dispatcher,
        task_timeout_seconds: float,
    ) -> None:
        self._clock, self._table, self._decisions = clock, table, decisions
        self._attempts, self._dispatcher = attempts, dispatcher
        self._attempts_due_at: Micros | None = None
        self._runs_due_at: Micros | None = None
        self._shortest_timeout_us = int(task_timeout_seconds * 1e6)
        self._deferred_attempts: dict[str, set[Attempt]] = {}
        """run -> its attempts whose task functions are deferred"""

    def due_at(self, now: Micros) -> Micros | None:
        return _earlier(self._attempts_due_at, self._runs_due_at)

    def watch_attempt(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt was handed over; it may begin now."""
        now = self._clock.now()
        if run.deadline_stopped_at:
            self._stop_or_resume_deadline(run, now)
        timeout_us = int(attempt.timeout_seconds * 1e6)
        self._shortest_timeout_us = min(self._shortest_timeout_us, timeout_us)
        self._attempts_due_at = _earlier(self._attempts_due_at, Micros(now + timeout_us))

    def watch_run(self, run: ActiveRun) -> None:
        """A run became active, or its deadline moved."""
        self._runs_due_at = _earlier(self._runs_due_at, run.row.deadline_at)

    def on_clock_jump(self, jump_us: int) -> None:
        """The clock was set forward, or (below 0) back, by so much: everything that runs keeps the time it has left."""
        for attempt in list(self._dispatcher.running):
            attempt.deferred_us += jump_us
        now = self._clock.now()
        for run in self._table.active.values():
            if run.row.deadline_at is not None:
                run.row = replace(run.row, deadline_at=Micros(run.row.deadline_at + jump_us))
                run.paused_us += jump_us
            if run.deadline_stopped_at:
                run.deadline_stopped_at = Micros(run.deadline_stopped_at + jump_us)
            for attempt in run.attempts.values():
                attempt.not_before = max(attempt.not_before, Micros(now - jump_us))
        self._attempts_due_at = self._runs_due_at = now

    def run(self, now: Micros) -> None:
        """Fail attempts and runs whose time is over."""
        if self._attempts_due_at is not None and self._attempts_due_at <= now:
            self._expire_attempts(now)
        if self._runs_due_at is not None and self._runs_due_at <= now:
            self._expire_runs(now)

    def _expire_attempts(self, now: Micros) -> None:
        dispatcher = self._dispatcher
        next_check: Micros | None = None
        for attempt in list(dispatcher.running):
            due = attempt.times_out_at()
            if due is not None and due <= now:
                self._expire_attempt(attempt)
            else:
                next_check = _earlier(next_check, due)
        if dispatcher.running or dispatcher.queue_length:  # attempts that begin from now on are not due before this
            next_check = _earlier(next_check, Micros(now + self._shortest_timeout_us))
        self._attempts_due_at = next_check

    def _expire_attempt(self, attempt: Attempt) -> None:
        attempt.handle.request_cancel(f"it ran longer than {attempt.timeout_seconds:g} s")
        if attempt.try_end():
            attempt.executor.detach(attempt)
            text = f"TimeoutError: task {attempt.name!r} ran longer than {attempt.timeout_seconds:g} s"
            self._attempts.finish_attempt(attempt, attempt.failure_entry(None, "TIMEOUT", text))

    def _expire_runs(self, now: Micros) -> None:
        next_check: Micros | None = None
        for run in list(self._table.active.values()):
            due = run.row.deadline_at
            if due is None or run.deadline_stopped_at or run.machine.status != "running":
                continue
            if run.row.paused_at is not None or run.row.finished_at is not None:
                continue  # it goes on, and gets its time back with the commit that says so
            if due <= now:
                self.expire_run(run, due)
            else:
                next_check = _earlier(next_check, due)
        self._runs_due_at = next_check

    def expire_run(self, run: ActiveRun, deadline_at: Micros) -> None:
        """End a run whose deadline has passed, with everything that runs of it.

        The deadline of a paused run stands still.
        """
        if run.row.paused_at is not None:
            return
        limit_seconds = (deadline_at - run.started_at - run.paused_us) / 1e6
        event = ev.TimedOut(f"TIMEOUT: the workflow ran longer than {limit_seconds:g} s")
        if run.machine.accepts(event):
            logger.warning(
                "run %s of %s ran longer than %g s, and is ended", run.row.id, run.row.workflow, limit_seconds
            )
            run.changed_nodes.update(run.work_rows)
            self._decisions.apply_entry(run, JournalEntry(event))

    def on_deferral_changed(self, attempt: Attempt, is_deferred: bool) -> None:
        """A task function is deferred, or goes on."""
        now = self._clock.now()
        self._attempts_due_at = now
        run = self._table.get(attempt.run_id)
        if is_deferred and run is not None and run.attempts.get(attempt.node) is attempt:
            self._deferred_attempts.setdefault(attempt.run_id, set()).add(attempt)
        elif not is_deferred:
            self._discard_deferred(attempt)
        if run is not None:
            self._stop_or_resume_deadline(run, now)

    def on_attempt_detached(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt is no longer one of the run's; the task functions that are left may all be deferred."""
        if run.row.id in self._deferred_attempts:
            self._discard_deferred(attempt)
            self._stop_or_resume_deadline(run, self._clock.now())

    def on_run_saved(self, run: ActiveRun) -> None:
        """The run may be paused now, or go on: a pause gives back its time by itself."""
        if run.row.id in self._deferred_attempts:
            self._stop_or_resume_deadline(run, self._clock.now())

    def _discard_deferred(self, attempt: Attempt) -> None:
        waiting = self._deferred_attempts.get(attempt.run_id)
        if waiting is not None:
            waiting.discard(attempt)
            if not waiting:
                del self._deferred_attempts[attempt.run_id]

    def _stop_or_resume_deadline(self, run: ActiveRun, now: Micros) -> None:
        """The deadline of a run stands still while all its task functions are deferred."""
        waiting = self._deferred_attempts.get(run.row.id)
        if waiting and len(waiting) == len(run.attempts) and run.row.paused_at is None:
            run.deadline_stopped_at = run.deadline_stopped_at or now
        elif run.deadline_stopped_at:
            if run.row.deadline_at is not None:
                stopped_us = now - run.deadline_stopped_at
                run.row = replace(run.row, deadline_at=Micros(run.row.deadline_at + stopped_us))
                run.paused_us += stopped_us
                self.watch_run(run)
            run.deadline_stopped_at = UNSET


def _earlier(a: Micros | None, b: Micros | None) -> Micros | None:
    return b if a is None else a if b is None else min(a, b)
