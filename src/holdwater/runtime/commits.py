"""Commits: everything that was decided in a turn is written in one transaction, and acted on when it is on disk.

Everything that waits while a commit is under way joins the next one: alone a change costs one commit, under load they
group by themselves.
"""

from __future__ import annotations

from holdwater.errors import RunnerClosed, StoreError, StoreUnavailable
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import CommitResult, Committed, Duplicate, RunUpdate
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.claim_limits import ClaimLimits
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.decisions import Decisions
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.future import Future
from holdwater.runtime.hooks import RunHooks
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.run_adoption import RunAdoption
from holdwater.runtime.run_table import Accepted, RunTable
from holdwater.runtime.store_status import StoreStatus
from holdwater.runtime.work_starter import Work


class Commits:
    """Writes the unsaved runs of the table.  Only the driver's thread is in here."""

    def __init__(
        self,
        store: Store,
        store_status: StoreStatus,
        clock: Clock,
        table: RunTable,
        decisions: Decisions,
        work: Work,
        adoption: RunAdoption,
        limits: ClaimLimits,
        dispatcher: Dispatcher,
        crash_suspects: CrashSuspects,
        claim_requests: ClaimRequests,
        journal_watchers: JournalWatchers,
        hooks: RunHooks,
    ) -> None:
        self._store, self._store_status, self._clock = store, store_status, clock
        self._table, self._decisions, self._work, self._adoption = table, decisions, work, adoption
        self._limits, self._dispatcher, self._crash_suspects = limits, dispatcher, crash_suspects
        self._claim_requests, self._journal_watchers, self._hooks = claim_requests, journal_watchers, hooks

    def commit_unsaved_runs(self) -> int:
        """Write everything that was decided, and act on it; returns the number of runs written."""
        written = 0
        self._note_started_attempts()
        while self._table.unsaved and self._clock.now() >= self._store_status.retry_at:
            runs = self._table.take_unsaved()
            if not runs:
                break
            if any([run.machine.crash_counts for run in runs]):
                # nothing else begins before a suspect
                runs.sort(key=lambda run: not self._crash_suspects.is_suspect(run))
            now = self._clock.now()
            budget = self._limits.budget(now)
            changes: list[RunUpdate] = []
            accepted_runs: list[ActiveRun] = []
            for run in runs:
                try:
                    update = run.build_update(now, budget)
                    update.is_followed = self._journal_watchers.is_followed_elsewhere(run.row.id)
                    changes.append(update)
                    accepted_runs.append(run)
                except BaseException as error:  # noqa: BLE001 - the others are to be written
                    self._decisions.report_internal_error(run, error)
            if not self._commit_updates(accepted_runs, changes):
                break
            written += len(runs)
            self._limits.note_unclaimed(budget)
        return written

    def _note_started_attempts(self) -> None:
        """Have it written that the task functions of these have begun."""
        for attempt in self._dispatcher.take_newly_started():
            run = self._table.get(attempt.run_id)
            if run is not None and attempt.state == "running" and run.has_unstarted_work(attempt):
                run.newly_started.append(attempt)
                self._table.mark_unsaved(run)

    def reject_unsaved_new_runs(self, error: StoreError) -> None:
        """The store cannot be used: callers that start runs are told, and may ask again."""
        for run in [run for run in self._table.unsaved.values() if run.is_new]:
            self._table.reject(run, error)

    # -- the transaction

    def _commit_updates(self, runs: list[ActiveRun], updates: list[RunUpdate]) -> bool:
        """Returns False if the store cannot be written now.  A batch it refuses is bisected."""
        if not runs:
            return True
        try:
            results = self._store.commit(updates)
        except StoreUnavailable as error:
            self._on_store_unavailable(runs, error)
            return False
        except RunnerClosed:
            raise
        except BaseException as error:  # noqa: BLE001 - it may be about one of them: that one is refused alone
            if len(runs) == 1:
                self._refuse_update(runs[0], error)
                return True
            half = len(runs) // 2
            parts = [slice(0, half), slice(half, None)]
            return all([self._commit_updates(runs[part], updates[part]) for part in parts])
        self._store_status.on_commit()
        for run, update, result in zip(runs, updates, results, strict=True):
            self._act_on_result(run, update, result)
        return True

    def _on_store_unavailable(self, runs: list[ActiveRun], error: StoreUnavailable) -> None:
        """Keep what is to be written; runs that are not on disk are rejected, as their callers may ask again."""
        self._store_status.on_error(error)
        for run in runs:
            if run.is_new:
                self._claim_requests.outcome_unknown()
                self._table.reject(run, error)
            else:
                self._table.mark_unsaved(run)

    def _refuse_update(self, run: ActiveRun, error: BaseException) -> None:
        """The store does not take the change of this run, whatever else it takes."""
        if not isinstance(error, StoreError):
            self._claim_requests.outcome_unknown()
            self._decisions.report_internal_error(run, error)
        elif run.is_new:
            self._table.reject(run, error)
        else:
            self._decisions.park_run(run, f"cannot be written: {error.message}")

    def _act_on_result(self, run: ActiveRun, update: RunUpdate, result: CommitResult) -> None:
        try:
            if isinstance(result, Committed):
                self._on_committed(run, update)
            elif isinstance(result, Duplicate):
                del self._table.active[run.row.id]
                self._claim_requests.on_duplicate(result.run.id)
                self._table.accept(run.row.id, Accepted(result.run, None))
            else:
                self._adoption.reload(run)
        except BaseException as error:  # noqa: BLE001 - the others are on disk, and go on
            if isinstance(result, Committed):
                self._decisions.report_recorded_error(run, error)
            else:
                self._decisions.report_internal_error(run, error)

    # -- what is on disk

    def add_committed_run(self, run: ActiveRun, update: RunUpdate) -> None:
        """Go on with a new run that was written by another transaction than `commit_unsaved_runs`."""
        self._table.add(run)
        try:
            self._hooks.deadline_set(run)
            self._on_committed(run, update)
        except BaseException as error:  # noqa: BLE001 - it is on disk, and so are others
            self._decisions.report_recorded_error(run, error)

    def _on_committed(self, run: ActiveRun, update: RunUpdate) -> None:
        table, deadline = self._table, run.row.deadline_at
        run.mark_saved(update, has_newer_changes=table.has_newer_changes(run))
        if run.row.deadline_at != deadline:
            self._hooks.deadline_set(run)
        self._hooks.run_saved(run, len(update.entries))
        if update.is_new:
            self._limits.note_stored(run.row.structure)
            table.accept(run.row.id, Accepted(run.row, run))
        self._start_committed_work(run, update)
        if table.get(run.row.id) is not run:  # it was parked while its work was started
            return
        if update.parked is False or update.frees_limits:
            self._claim_requests.request_claim()
        if table.has_newer_changes(run):  # callers are told by the commit of these
            return
        if run.machine.status != "running":
            run.done.set_result(run)
            table.resolve_waiters([run.row.id])  # asked for before it came here; the store tells a writer no own news
            self._hooks.status_saved(run)
        elif run.done.done:
            run.done = Future()
        run.confirm_all()
        self._hooks.run_settled(run)
        self._adoption.evict_if_idle(run)

    def _start_committed_work(self, run: ActiveRun, update: RunUpdate) -> None:
        for row in update.work_added:
            if row.owner == self._table.owner:
                self._work.start(run, row)
        for node, _ in update.started:
            if node not in run.attempts and node in run.work_rows:
                self._work.start(run, run.work_rows[node])
