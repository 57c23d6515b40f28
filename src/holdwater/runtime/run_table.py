"""The active runs of a process, those with something to write, and the callers that wait for runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from holdwater.model.records import RunRow, WorkRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future
from holdwater.runtime.hooks import RunHooks

MAX_ACTIVE_RUNS: Final = 10_000
"""runs without work of this runner that are kept in memory all the same, because they may soon have some"""


@dataclass(slots=True)
class Accepted:
    """A run is on disk.  `active_run` is None if an earlier run with the same idempotency key was found instead."""

    row: RunRow
    active_run: ActiveRun | None


class RunTable:
    """Runs by id.  Only the driver's thread changes it."""

    def __init__(self, owner: str, hooks: RunHooks) -> None:
        self.owner: Final = owner
        self._hooks = hooks
        self.active: dict[str, ActiveRun] = {}
        self.unsaved: dict[str, ActiveRun] = {}
        """runs with something to write"""
        self._acceptances: dict[str, Future[Accepted]] = {}
        self._external_waiters: dict[str, list[Future[ActiveRun | None]]] = {}
        """futures of runs that are not active here"""

    # -- runs

    def get(self, run_id: str) -> ActiveRun | None:
        return self.active.get(run_id)

    def add(self, run: ActiveRun) -> None:
        """Make a run that is on disk active."""
        self.active[run.row.id] = run

    def add_new(self, run: ActiveRun, acceptance: Future[Accepted]) -> None:
        """Make a run active that is to be written; `acceptance` is set when it is on disk."""
        self._acceptances[run.row.id] = acceptance
        self.active[run.row.id] = self.unsaved[run.row.id] = run

    def mark_unsaved(self, run: ActiveRun) -> None:
        """Have the run written at the end of this turn."""
        self.unsaved[run.row.id] = run

    def take_unsaved(self) -> list[ActiveRun]:
        """Remove and return the runs with something to write."""
        runs = [run for run in self.unsaved.values() if run.has_unsaved_changes]
        self.unsaved = {}
        return runs

    def has_newer_changes(self, run: ActiveRun) -> bool:
        """More was decided than the change that is on disk: it followed from other changes of that transaction."""
        return run.row.id in self.unsaved and run.has_unsaved_changes

    def discard(self, run: ActiveRun) -> None:
        """Forget a run, with what was to be written of it."""
        self.active.pop(run.row.id, None)
        self.unsaved.pop(run.row.id, None)

    def evict_if_idle(self, run: ActiveRun) -> None:
        """Forget a run without work of this runner if it is paused, has no code here, or too many are active."""
        is_left = run.machine.status == "paused" or run.definition is None or len(self.active) > MAX_ACTIVE_RUNS
        if is_left and not self._has_own_work(run):
            self.active.pop(run.row.id, None)
            run.done.set_result(run)  # callers that wait read the store from now on

    def _has_own_work(self, run: ActiveRun) -> bool:
        return bool(run.attempts) or any([row.owner == self.owner for row in run.work_rows.values()])

    def attempts(self) -> Iterator[Attempt]:
        """The attempts of all active runs."""
        for run in self.active.values():
            yield from run.attempts.values()

    @property
    def has_attempts(self) -> bool:
        return any([run.attempts for run in self.active.values()])

    def detach(self, run: ActiveRun, attempt: Attempt) -> None:
        """Take an attempt from its run: it is over here."""
        del run.attempts[attempt.node]
        self._hooks.attempt_detached(run, attempt)

    def unqueue_attempts(self, run: ActiveRun) -> None:
        """Take back the attempts of a run that have not begun, and have their work rows written anew."""
        for attempt in [a for a in run.attempts.values() if a.cancel_if_queued()]:
            self.detach(run, attempt)
            run.changed_nodes.add(attempt.node)
        for node, row in run.work_rows.items():  # held back here, or about to go back to the queue
            if row.kind == "execute" and row.owner == self.owner and node not in run.attempts:
                run.changed_nodes.add(node)

    def own_work(self) -> list[WorkRow]:
        """The work rows of active runs that are this runner's."""
        return [row for run in self.active.values() for row in run.work_rows.values() if row.owner == self.owner]

    # -- callers that wait

    def accept(self, run_id: str, accepted: Accepted) -> None:
        """Tell the caller that started a run that it is on disk."""
        acceptance = self._acceptances.pop(run_id, None)
        if acceptance is not None:
            acceptance.set_result(accepted)

    def refuse(self, run_id: str, error: BaseException) -> None:
        """Tell the caller that started a run that it cannot be accepted, if it still waits for that."""
        acceptance = self._acceptances.pop(run_id, None)
        if acceptance is not None:
            acceptance.set_exception(error)

    def reject(self, run: ActiveRun, error: BaseException) -> None:
        """Forget a run, and give the error to all callers that wait for it."""
        self.discard(run)
        self.refuse(run.row.id, error)
        run.reject_waiters(error)

    def add_external_waiter(self, run_id: str) -> Future[ActiveRun | None]:
        """A future that is set to None by the next notification of a run that is not executed here."""
        future: Future[ActiveRun | None] = Future()
        self._external_waiters.setdefault(run_id, []).append(future)
        return future

    def resolve_waiters(self, run_ids: Iterable[str]) -> None:
        """Set the futures of these runs to None: their callers read the store."""
        for run_id in run_ids:
            for future in self._external_waiters.pop(run_id, ()):
                future.set_result(None)

    def resolve_notified(self, run_ids: Collection[str] | None) -> None:
        """The same after a notification about these runs; None: about any."""
        known = self._external_waiters.keys()
        self.resolve_waiters([*known] if run_ids is None else known & run_ids)

    def resolve_all_waiters(self) -> None:
        """The same for all runs."""
        self.resolve_notified(None)

    def reject_waiters(self, error: BaseException) -> None:
        """Give the error to all callers that wait for a run on disk; they may wait again."""
        for run in self.active.values():
            if not run.is_new:
                run.reject_waiters(error)
                run.done = Future()

    def refuse_all(self, error: BaseException) -> None:
        """Give the error to all callers whose runs are not on disk."""
        for acceptance in self._acceptances.values():
            acceptance.set_exception(error)
