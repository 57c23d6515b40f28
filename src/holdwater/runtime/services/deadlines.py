"""Time is up: attempts that run too long, and runs past their deadline.

Nothing is scheduled per attempt or per run: there is one instant to look next, never later than the first that can be
due, and a look goes through what is running now.  So a million tasks that end in time leave nothing behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.internal_errors import logger

if TYPE_CHECKING:
    from holdwater.runtime.ports import Runs


class Deadlines:
    """The driver's watch.  Instants in microseconds since the epoch."""

    def __init__(self, driver: Runs, task_timeout_seconds: float) -> None:
        self._driver = driver
        self._attempts_due_at: Micros | None = None
        self._runs_due_at: Micros | None = None
        self._shortest_timeout_us = int(task_timeout_seconds * 1e6)
        self._deferred_attempts: dict[str, set[Attempt]] = {}
        """run -> those of its attempts whose bodies are deferred"""

    @property
    def has_work(self) -> bool:
        """What it does has its instant."""
        return False

    def due_times(self, now: Micros) -> list[Micros]:
        """When to look next."""
        return [at for at in (self._attempts_due_at, self._runs_due_at) if at is not None]

    def watch_attempt(self, run: ActiveRun, attempt: Attempt, now: Micros) -> None:
        """An attempt was handed over; it may begin now."""
        if run.deadline_stopped_at:
            self._stop_or_resume_deadline(run, now)
        timeout_us = int(attempt.timeout_seconds * 1e6)
        self._shortest_timeout_us = min(self._shortest_timeout_us, timeout_us)
        self._attempts_due_at = _earlier(self._attempts_due_at, Micros(now + timeout_us))

    def watch_run(self, run: ActiveRun) -> None:
        """A run became live."""
        self._runs_due_at = _earlier(self._runs_due_at, run.row.deadline_at)

    def on_clock_jump(self, jump_us: int) -> None:
        """The clock was set forward, or (below 0) back, by so much: whatever runs has as long left as before."""
        for attempt in list(self._driver.dispatcher.running):
            attempt.deferred_us += jump_us
        now = self._driver.clock.now()
        for run in self._driver.active_runs.values():
            if run.row.deadline_at is not None:
                run.row = replace(run.row, deadline_at=Micros(run.row.deadline_at + jump_us))
                run.paused_us += jump_us
            if run.deadline_stopped_at:
                run.deadline_stopped_at = Micros(run.deadline_stopped_at + jump_us)
            for attempt in run.attempts.values():
                attempt.not_before = max(attempt.not_before, Micros(now - jump_us))
        self._attempts_due_at = self._runs_due_at = now

    def run_due(self, now: Micros) -> None:
        """Fail what is due."""
        if self._attempts_due_at is not None and self._attempts_due_at <= now:
            self._expire_attempts(now)
        if self._runs_due_at is not None and self._runs_due_at <= now:
            self._expire_runs(now)

    def _expire_attempts(self, now: Micros) -> None:
        executor = self._driver.dispatcher
        next_look: Micros | None = None
        for attempt in list(executor.running):
            due = attempt.times_out_at()
            if due is not None and due <= now:
                self._expire_attempt(attempt)
            else:
                next_look = _earlier(next_look, due)
        if executor.running or executor.queue_length:  # what begins from now on is not due before this
            next_look = _earlier(next_look, Micros(now + self._shortest_timeout_us))
        self._attempts_due_at = next_look

    def _expire_attempt(self, attempt: Attempt) -> None:
        attempt.handle.request_cancel(f"it ran longer than {attempt.timeout_seconds:g} s")
        if attempt.try_end():
            attempt.executor.detach(attempt)
            text = f"TimeoutError: task {attempt.name!r} ran longer than {attempt.timeout_seconds:g} s"
            self._driver.finish_attempt(attempt, attempt.failure_entry(None, "TIMEOUT", text))

    def _expire_runs(self, now: Micros) -> None:
        next_look: Micros | None = None
        for run in list(self._driver.active_runs.values()):
            due = run.row.deadline_at
            if due is None or run.deadline_stopped_at or run.machine.status != "running":
                continue
            if run.row.paused_at is not None or run.row.finished_at is not None:
                continue  # it goes on, and gets its time back with the commit that says so
            if due <= now:
                self.expire_run(run, due)
            else:
                next_look = _earlier(next_look, due)
        self._runs_due_at = next_look

    def expire_run(self, run: ActiveRun, deadline_at: Micros) -> None:
        """The run's deadline has passed: it fails, whatever still runs.  For a paused run it stands still."""
        if run.row.paused_at is not None:
            return
        limit_seconds = (deadline_at - run.started_at - run.paused_us) / 1e6
        event = ev.TimedOut(f"TIMEOUT: the workflow ran longer than {limit_seconds:g} s")
        if run.machine.accepts(event):
            logger.warning(
                "run %s of %s ran longer than %g s, and is ended", run.row.id, run.row.workflow, limit_seconds
            )
            run.changed_nodes.update(run.work_rows)
            self._driver.apply_entry(run, JournalEntry(event))

    def on_deferral_changed(self, attempt: Attempt, is_deferred: bool, now: Micros) -> None:
        """A body is deferred, or is no more."""
        self._attempts_due_at = now
        run = self._driver.active_runs.get(attempt.run_id)
        if is_deferred and run is not None and run.attempts.get(attempt.node) is attempt:
            self._deferred_attempts.setdefault(attempt.run_id, set()).add(attempt)
        elif not is_deferred:
            self._discard_deferred(attempt)
        if run is not None:
            self._stop_or_resume_deadline(run, now)

    def on_attempt_detached(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt is no longer one of the run's; the bodies that are left may all be deferred."""
        if run.row.id in self._deferred_attempts:
            self._discard_deferred(attempt)
            self._stop_or_resume_deadline(run, self._driver.clock.now())

    def on_committed(self, run: ActiveRun) -> None:
        """It may be paused now, or go on: a pause gives back its time by itself."""
        if run.row.id in self._deferred_attempts:
            self._stop_or_resume_deadline(run, self._driver.clock.now())

    def _discard_deferred(self, attempt: Attempt) -> None:
        waiting = self._deferred_attempts.get(attempt.run_id)
        if waiting is not None:
            waiting.discard(attempt)
            if not waiting:
                del self._deferred_attempts[attempt.run_id]

    def _stop_or_resume_deadline(self, run: ActiveRun, now: Micros) -> None:
        """While all bodies of a run are deferred, its deadline stands still."""
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
