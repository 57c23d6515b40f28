"""Claims: work that this runner did not create itself, from runners that died or had no room for it.

Claims are level-triggered (claim_requests.py): a wake-up can come too often and never too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from holdwater.errors import StoreUnavailable
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.journal import JournalEntry
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.store import Store
from holdwater.model.records import WorkRow
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.claim_limits import FAR_FUTURE, ClaimLimits
from holdwater.runtime.claim_requests import ClaimRequests
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.executors.throughput import SURPLUS_CHECK_US
from holdwater.runtime.internal_errors import InternalErrors, describe_recorded, logger
from holdwater.runtime.known_limits import KnownLimits
from holdwater.runtime.other_versions import OtherVersions
from holdwater.runtime.parking import Parking, structure_changed_reason
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.run_table import RunTable
from holdwater.runtime.service_protocols import Decider, StoredRuns, WorkStarter
from holdwater.runtime.workflows import ExecutableWorkflows

MAX_ROWS_OF_RUN: Final = 1_000_000
PREFETCH_RUNS: Final = 32
"""runs read together when many are taken over: few queries, and not all their data in memory at once"""


class WorkClaimer:
    """A service of the loop.  Raises StoreUnavailable; what was to be done is remembered and done later."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: DriverConfig,
        table: RunTable,
        claim_requests: ClaimRequests,
        limits: ClaimLimits,
        workflows: ExecutableWorkflows,
        dispatcher: Dispatcher,
        crash_suspects: CrashSuspects,
        continuation: ClaimedWork,
        stored_runs: StoredRuns,
        decisions: Decider,
        other_versions: OtherVersions,
        known_limits: KnownLimits,
    ) -> None:
        self._store, self._clock, self._config, self._table = store, clock, config, table
        self._requests, self._limits, self._workflows = claim_requests, limits, workflows
        self._dispatcher, self._crash_suspects, self._continuation = dispatcher, crash_suspects, continuation
        self._stored_runs, self._decisions, self._other_versions = stored_runs, decisions, other_versions
        self._known_limits = known_limits
        self._surplus_check_at = clock.now()

    def due_at(self, now: Micros) -> Micros | None:
        if self._requests.pending or self._continuation.rows:
            return now
        recheck_at = self._requests.recheck_at
        if self._config.recover and self._dispatcher.queue_length:
            surplus_at = min(self._surplus_check_at, Micros(now + SURPLUS_CHECK_US))
            return surplus_at if recheck_at is None else min(surplus_at, recheck_at)
        return recheck_at

    def run(self, now: Micros) -> None:
        """Do what was requested, and go on with the work that was claimed."""
        requests = self._requests
        if requests.limits_changed:
            self._known_limits.read()
            requests.limits_changed = False
        if requests.check_owned_work or (requests.recheck_at is not None and requests.take_recheck(now)):
            self._claim_unknown_work()
            requests.on_owned_work_checked()
        if requests.stale_runs:
            self._reload_stale_runs()
        if self._config.recover and self._dispatcher.queue_length:
            self._unqueue_surplus(now)
        if requests.rows_to_release:
            self._release_rows()
        if requests.claim_needed and not self._continuation.rows:
            self._claim_work(now)
        self._continuation.continue_all()

    def _claim_unknown_work(self) -> None:
        """Go on with work that is this runner's on disk and unknown here."""
        owner = self._table.owner
        for row in self._store.work_of_owner(owner):
            run = self._table.get(row.run_id)
            known = None if run is None else run.work_rows.get(row.node)
            if run is None or (not run.has_unsaved_changes and (known is None or known.owner != owner)):
                self._continuation.rows.append(row)

    def _reload_stale_runs(self) -> None:
        """Read what other runners wrote to runs that are active here."""
        for run_id, seq in self._store.journal_lengths(self._requests.stale_runs).items():
            run = self._table.get(run_id)
            # one with something to write meets the conflict, and reads then
            if run is not None and not run.has_unsaved_changes and not run.is_new and run.row.seq != seq:
                try:
                    self._stored_runs.reload(run)
                except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
                    self._decisions.report_internal_error(run, error)
        self._requests.stale_runs.clear()

    def _unqueue_surplus(self, now: Micros) -> None:
        """Take back what waits for a slot and will not have one soon: task functions may have turned out slow."""
        if now < self._surplus_check_at <= now + SURPLUS_CHECK_US:
            return
        self._surplus_check_at = Micros(now + SURPLUS_CHECK_US)
        self._requests.release_attempts(self._dispatcher.unqueue_surplus(now))

    def _release_rows(self) -> None:
        """Give work back to the queue, for any runner with a slot for it; also for this one, when it has one."""
        ours = [row for row in self._requests.rows_to_release if self._is_unstarted(row)]
        self._store.release_work(self._table.owner, ours)
        self._requests.rows_to_release.clear()
        executors: set[Executor] = set()
        for row in ours:
            row.owner, row.lease_until, row.started = None, UNSET, False
            definition = self._table.active[row.run_id].definition
            if definition is not None:
                executors.add(self._dispatcher.executor_for_node(definition, row.node))
        self._requests.claim_when_free(executors)

    def _is_unstarted(self, row: WorkRow) -> bool:
        """The work is still as it was when it was to be given back."""
        run = self._table.get(row.run_id)
        return run is not None and run.work_rows.get(row.node) is row and row.node not in run.attempts

    # -- claims

    def _claim_work(self, now: Micros) -> None:
        """Claim work for the slots that are free, or soon will be; timers and parents of children need none."""
        requests, config = self._requests, self._config
        if not (config.recover or requests.backlog_left or requests.has_limited_work):
            requests.claim_needed = False
            return
        names = self._other_versions.claimable(self._workflows.claim_keys())
        if self._crash_suspects.active:  # what needs a slot is for other runners, or for when the suspect has ended
            requests.claim_needed = requests.included_runs is None and self._claim_rows(
                now, config.prefetch_tasks, names, include_tasks=False
            )
            requests.backlog_left = True
            return
        slots, ahead = self._dispatcher.free_slots(), self._limits.prefetch_slots(now)
        room = {e: max(0, slots[e]) + max(0, ahead[e]) for e in slots}
        full = [e for e in room if not room[e]]
        limit = min([n for n in room.values() if n], default=0)  # whichever they are for, none has to wait
        if not full:
            requests.claim_needed = requests.backlog_left = self._claim_rows(now, limit, names)
            return
        again = self._claim_rows(now, config.prefetch_tasks, names, include_tasks=False)
        startable, passed_over = self._workflows.not_routed_to(full)
        if limit and startable:
            startable_names = self._other_versions.claimable(startable)
            again |= self._claim_rows(now, limit, startable_names, passed_over)
        requests.claim_needed = again
        requests.claim_when_free(full)

    def _claim_rows(
        self,
        now: Micros,
        limit: int,
        workflows: Collection[str],
        excluded_nodes: Collection[tuple[str, int]] = (),
        *,
        include_tasks: bool = True,
    ) -> bool:
        """Claim rows; returns whether there may be more."""
        until, more = Micros(now + self._config.lease_us), False
        included = self._requests.included_runs
        for run_id in (None,) if included is None else tuple(included):
            try:
                rows = self._store.claim_work(
                    self._table.owner, until, until, limit, workflows, run_id,
                    excluded_nodes=excluded_nodes, include_tasks=include_tasks or run_id is not None,
                )  # fmt: skip
            except StoreUnavailable:
                self._requests.outcome_unknown()
                raise
            self._continuation.add_claimed(rows, until)
            more |= len(rows) >= limit
        return more

    def claim_run(self, run_id: str) -> int:
        """Claim all work of a run and its children that no runner has; returns how much.  Raises StoreUnavailable."""
        config, now = self._config, self._clock.now()
        self._store.reclaim_expired(now, self._clock.monotonic(), config.lease_us)
        until = Micros(now + config.lease_us)
        try:
            rows = self._store.claim_work(
                self._table.owner, until, FAR_FUTURE, MAX_ROWS_OF_RUN, self._workflows.claim_keys(), run_id
            )
        except StoreUnavailable:
            self._requests.outcome_unknown()
            raise
        self._continuation.add_claimed(rows, until)
        return len(rows)


class ClaimedWork:
    """Work rows that were claimed, one after the other read and gone on with."""

    def __init__(
        self,
        table: RunTable,
        run_loader: RunLoader,
        stored_runs: StoredRuns,
        decisions: Decider,
        work: WorkStarter,
        crash_suspects: CrashSuspects,
        parking: Parking,
        error_log: InternalErrors,
        other_versions: OtherVersions,
        claim_requests: ClaimRequests,
        known_limits: KnownLimits,
    ) -> None:
        self._table, self._run_loader, self._stored_runs = table, run_loader, stored_runs
        self._decisions, self._work, self._crash_suspects = decisions, work, crash_suspects
        self._parking, self._error_log, self._other_versions = parking, error_log, other_versions
        self._claim_requests, self._known_limits = claim_requests, known_limits
        self.rows: deque[WorkRow] = deque()

    def add_claimed(self, rows: Sequence[WorkRow], lease_until: Micros) -> None:
        """Add rows, suspects of crashes first."""
        for row in rows:
            row.lease_until = lease_until
        self.rows.extend(sorted(rows, key=lambda row: not row.suspect))

    def continue_all(self) -> None:
        """Go on with all rows.  Raises StoreUnavailable; the rest stays."""
        while self.rows:
            with self._run_loader.prefetch(self._inactive_runs()):
                for _ in range(min(PREFETCH_RUNS, len(self.rows))):
                    self._continue_or_park(self.rows[0])
                    self.rows.popleft()

    def _inactive_runs(self) -> set[str]:
        """The runs of the next rows that have to be read."""
        return {row.run_id for row in islice(self.rows, PREFETCH_RUNS)} - self._table.active.keys()

    def _continue_or_park(self, row: WorkRow) -> None:
        """Raises StoreUnavailable; any other error is this run's, and no other's."""
        try:
            self._continue(row)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001
            run = self._table.get(row.run_id)
            if run is not None:
                self._decisions.report_internal_error(run, error)
            else:
                self._error_log.add(f"taking over run {row.run_id}", error)
                reason = f"cannot be taken over because of an internal error: {describe_recorded(error)}"
                self._parking.park_unreadable(row.run_id, reason)

    def _continue(self, row: WorkRow) -> None:
        run = self._table.get(row.run_id)
        if run is None:
            run = self._stored_runs.adopt(row.run_id)
            if run is None:
                return
        elif row.node in run.work_rows:
            held = run.work_rows[row.node]
            held.owner, held.limit_keys = self._table.owner, row.limit_keys
        if run.definition is None:  # it may have been registered since the run was loaded
            run.definition = self._run_loader.executable_definition(run.row)
            if run.definition is not None and run.has_unvalidated_values:
                self._stored_runs.reload(run)  # which converts them, and goes on with what is claimed
                return
        if run.definition is None:
            if self._other_versions.is_announced(run.row):
                self._other_versions.give_back(run, row)
            else:
                self._park_changed_structure(run)
            return
        self._table.mark_unsaved(run)
        if row.reclaimed:
            why = "whose lease expired" if row.expired else "that died"
            logger.info("run %s of %s is taken over from a runner %s", row.run_id, row.workflow, why)
        command = run.machine.todo.get(row.node)
        if type(command) is StartTimer or type(command) is AwaitChildren:
            self._work.start(run, row)
        elif type(command) is not Execute or command.fence != row.fence:
            run.changed_nodes.add(row.node)  # a row the journal knows nothing of any more
        elif row.reclaimed:
            self._continue_lost_attempt(run, row)
        elif row.node not in run.attempts:
            self._start_within_limits(run, row)

    def _start_within_limits(self, run: ActiveRun, row: WorkRow) -> None:
        """Start a task that was counted where it has to be; else give it back, to be counted."""
        limit_keys = self._known_limits.keys_to_add(run, row.node, row.limit_keys)
        if limit_keys is None:
            self._work.start(run, row)
        else:
            run.work_rows[row.node].limit_keys = limit_keys
            self._claim_requests.has_limited_work = True
            self._claim_requests.release_later(run, row)

    def _continue_lost_attempt(self, run: ActiveRun, row: WorkRow) -> None:
        """The task may have begun in a runner that died, or had it for longer than its lease."""
        if row.expired:
            lost = ev.AttemptLost(row.node, row.fence, counts_as_crash=False)
            self._decisions.apply_entry(run, JournalEntry(lost))
        elif row.started and self._crash_suspects.is_culprit(run, row.node):
            times = run.machine.crash_counts[row.node] + 1
            text = f"CRASHED: its process died {times} times while it ran"
            self._decisions.apply_entry(run, JournalEntry(ev.Failed(row.node, row.fence, "CRASHED", text)))
        else:
            run.crash_suspects.add(row.node)
            lost = ev.AttemptLost(row.node, row.fence, counts_as_crash=row.started)
            self._decisions.apply_entry(run, JournalEntry(lost))

    def _park_changed_structure(self, run: ActiveRun) -> None:
        definition = self._run_loader.find_pinned_definition(run.row)
        known = definition.plan.structure if definition is not None else "none"
        run.reason = structure_changed_reason(run.row, known)
        logger.warning("run %s of %s is parked: %s", run.row.id, run.row.workflow, run.reason)
        run.changed_nodes.update(run.work_rows)
        self._decisions.apply_entry(run, JournalEntry(ev.Paused(run.reason)))
