"""Work this runner did not create itself: what dead or hanging runners left, and what stayed queued for want of room.

Claims are level-triggered: a flag that is looked at again after each fetch, so that a wake-up can come too often and
never too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from holdwater.errors import HoldwaterError, StoreUnavailable
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.journal import JournalEntry
from holdwater.model.records import Conflict, RunRow, RunUpdate, WorkRow
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.executors.throughput import SURPLUS_CHECK_US
from holdwater.runtime.internal_errors import describe_recorded, logger
from holdwater.runtime.services.base import run_timer

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver

FAR_FUTURE: Final = Micros(1 << 62)
MAX_ROWS_OF_RUN: Final = 1_000_000
EXTRA_SCANS: Final = 2
"""what failed may take effect later, when a server that hung goes on: so many scans look for it again"""
PREFETCH_RUNS: Final = 32
"""runs read together when many are taken over: few queries, and not all their data in memory at once"""
EXPIRY_MARGIN_US: Final = 100_000
"""leases are renewed by thirds; one that has run out by more than this was not renewed"""


class WorkClaimer:
    """Scans and claims.  Raises StoreUnavailable; what was to be done is remembered and done later."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        now = driver.clock.now()
        self._scan_interval_us = int(driver.config.scan_interval_seconds * 1e6)
        self._scan_at = now
        self.claim_needed = False
        """there may be work to claim"""
        self.backlog_left = False
        """work stayed in the queue for want of room"""
        self.outcome_unknown = False
        """the store failed in a birth or a claim: perhaps it took effect, and work is ours that nobody here knows"""
        self._extra_scans = 0
        self._claimed_rows: deque[WorkRow] = deque()
        self._rows_to_release: list[WorkRow] = []
        """work that waited for a slot too long; it goes back to the queue"""
        self._surplus_check_at = now
        self._included_runs: set[str] | None = set() if driver.config.own_runs_only else None
        """the runs to take up, with their children; None: all whose workflows are known"""
        self.stale_runs: set[str] = set()
        """live runs that somebody else may have advanced"""

    def due_times(self, now: Micros) -> list[Micros]:
        """When there is something to do next."""
        instants = [min(self._scan_at, Micros(now + self._scan_interval_us))]
        if self._driver.config.recover and self._driver.dispatcher.queue_length:
            instants.append(min(self._surplus_check_at, Micros(now + SURPLUS_CHECK_US)))
        return instants

    @property
    def has_work(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return (
            self.claim_needed
            or self.outcome_unknown
            or bool(self.stale_runs or self._claimed_rows or self._rows_to_release)
        )

    def run_due(self, now: Micros) -> None:
        """Find what was left, go on with it."""
        driver = self._driver
        if not now < self._scan_at <= now + self._scan_interval_us:
            self._scan_at = self._scan()
            now = driver.clock.now()
        if self.outcome_unknown:
            self._resolve_unknown_outcome()
            self._extra_scans = EXTRA_SCANS
            self.outcome_unknown = False
        if self.stale_runs:
            self._reload_stale_runs()
        if driver.config.recover and driver.dispatcher.queue_length:
            self._unqueue_surplus(now)
        if self._rows_to_release:
            self._release_rows()
        if self.claim_needed and not self._claimed_rows:
            self._claim_work(now)
        while self._claimed_rows:
            with driver.run_loader.prefetch(self._is_unknown_workflow()):
                for _ in range(min(PREFETCH_RUNS, len(self._claimed_rows))):
                    self._continue_or_park(self._claimed_rows[0])
                    self._claimed_rows.popleft()

    def claim_when_free(self, executors: Collection[Executor]) -> None:
        """Work stays in the queue for want of room on these: look again when there is some."""
        self.backlog_left = True
        if self._driver.dispatcher.is_free_or_notify(executors):
            self.claim_needed = True

    def include_run(self, run_id: str) -> None:
        """Take up this run, too, where only a runner's own runs are."""
        if self._included_runs is not None:
            self._included_runs.add(run_id)
            self.claim_needed = True

    def _is_included(self, run_id: str) -> bool:
        return self._included_runs is None or run_id in self._included_runs

    def on_slot_free(self) -> None:
        """A slot is free: there may be work for it."""
        self.claim_needed = True

    def on_attempt_ended(self) -> None:
        """What was leased ahead may run out: have more before a slot is idle."""
        driver = self._driver
        if self.backlog_left and not self.claim_needed:
            limits = driver.config
            self.claim_needed = driver.dispatcher.is_running_low(
                driver.clock.now(), limits.prefetch_tasks, by_throughput=limits.recover
            )

    def _unqueue_surplus(self, now: Micros) -> None:
        """Bodies may have turned out slow: take back what waits for a slot and will not have one soon."""
        if now < self._surplus_check_at <= now + SURPLUS_CHECK_US:
            return
        self._surplus_check_at = Micros(now + SURPLUS_CHECK_US)
        self._release_attempts(self._driver.dispatcher.unqueue_surplus(now))

    def drain_waiting(self) -> None:
        """Nothing that waits for a slot here will have one for a while."""
        self._release_attempts(self._driver.dispatcher.unqueue_surplus(UNSET, everything=True))

    def release_later(self, run: ActiveRun, row: WorkRow) -> None:
        """Work that is this runner's on disk, and not for it to begin now."""
        held = run.work_rows.get(row.node)
        if held is not None and held.fence == row.fence and held.owner == self._driver.owner:
            self._rows_to_release.append(held)
        else:  # others have advanced the run; what is ours of it comes up again when that is read
            self.stale_runs.add(run.row.id)

    def _release_attempts(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            run = self._driver.active_runs.get(attempt.run_id)
            if run is not None and run.attempts.get(attempt.node) is attempt:
                self._driver.detach_attempt(run, attempt)
                row = run.work_rows.get(attempt.node)
                if row is not None and row.fence == attempt.fence and row.owner == self._driver.owner:
                    self._rows_to_release.append(row)

    def _release_rows(self) -> None:
        """Give back what was taken from the line, for whoever has a slot for it; this runner, too, when it has one."""
        driver = self._driver
        ours = [row for row in self._rows_to_release if self._is_unstarted(row)]
        driver.store.release_work(driver.owner, ours)
        self._rows_to_release.clear()
        executors: set[Executor] = set()
        for row in ours:
            row.owner, row.lease_until, row.started = None, UNSET, False
            definition = driver.active_runs[row.run_id].definition
            if definition is not None:
                executors.add(driver.dispatcher.executor_for_node(definition, row.node))
        self.claim_when_free(executors)

    def _is_unstarted(self, row: WorkRow) -> bool:
        """It is still as it was when it was taken from the line."""
        run = self._driver.active_runs.get(row.run_id)
        return run is not None and run.work_rows.get(row.node) is row and row.node not in run.attempts

    def _scan(self) -> Micros:
        """What notifications may have missed: dead owners, due timers nobody holds, deadlines of sleeping runs.

        Returns when to scan next.
        """
        driver = self._driver
        self.claim_needed = True
        driver.sample_clock()
        now = driver.clock.now()  # the clock may have been set, and the store may have taken its time
        self.stale_runs.update(driver.active_runs)
        if self._extra_scans:
            self._resolve_unknown_outcome()
            self._extra_scans -= 1
        following = Micros(now + self._scan_interval_us)
        if not driver.config.recover:
            return following
        expiry = driver.store.next_lease_expiry(driver.owner)
        if expiry is not None and self._reclaim_expired(now):
            expiry = driver.store.next_lease_expiry(driver.owner)
        if expiry is not None:  # looked at then, so that what a dead runner left does not wait for a whole interval
            following = min(following, Micros(max(expiry + EXPIRY_MARGIN_US, now + driver.lease_us // 6)))
        known = driver.executable_workflows()
        for run_id, workflow in driver.store.orphaned_children():
            if workflow in known and self._is_included(run_id):
                driver.run_control.cancel_child(run_id)
        for run_id, workflow, due in driver.store.overdue_runs(now):
            if workflow in known and run_id not in driver.active_runs and self._is_included(run_id):
                run = self._load_or_park(run_id)
                if run is not None:
                    driver.deadlines.expire_run(run, due)
        return following

    def _reclaim_expired(self, now: Micros) -> int:
        driver = self._driver
        return driver.store.reclaim_expired(now, driver.clock.monotonic(), driver.lease_us)

    def _reload_stale_runs(self) -> None:
        """Read what somebody else wrote to runs that are live here."""
        driver = self._driver
        for run_id, seq in driver.store.journal_lengths(self.stale_runs).items():
            run = driver.active_runs.get(run_id)
            # one with something to write meets the conflict, and reads then
            if run is not None and not run.has_unsaved_changes and not run.is_new and run.row.seq != seq:
                try:
                    driver.reload_run(run)
                except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
                    driver.report_internal_error(run, error)
        self.stale_runs.clear()

    def _resolve_unknown_outcome(self) -> None:
        """Take up what is ours on disk and unknown here."""
        driver = self._driver
        for row in driver.store.work_of_owner(driver.owner):
            run = driver.active_runs.get(row.run_id)
            known = None if run is None else run.work_rows.get(row.node)
            if run is None or (not run.has_unsaved_changes and (known is None or known.owner != driver.owner)):
                self._claimed_rows.append(row)

    def _claim_work(self, now: Micros) -> None:
        """Take what there is a slot for, or soon will be; timers and parents of children need none."""
        driver = self._driver
        if not (driver.config.recover or self.backlog_left):
            self.claim_needed = False
            return
        if driver.crash_suspects.active:  # whatever needs a slot is for others, or for when the suspect has ended
            self.claim_needed = self._included_runs is None and self._claim_rows(
                now, driver.config.prefetch_tasks, driver.executable_workflows(), include_tasks=False
            )
            self.backlog_left = True
            return
        slots, ahead = driver.dispatcher.free_slots(), driver.slots_ahead(now)
        room = {e: max(0, slots[e]) + max(0, ahead[e]) for e in slots}
        full = [e for e in room if not room[e]]
        limit = min([n for n in room.values() if n], default=0)  # whichever they are for, none has to wait
        if not full:
            self.claim_needed = self._claim_rows(now, limit, driver.executable_workflows())
            self.backlog_left = self.claim_needed
            return
        again = self._claim_rows(now, driver.config.prefetch_tasks, driver.executable_workflows(), include_tasks=False)
        names, passed_over = driver.claimable_work(full)
        if limit and names:
            again |= self._claim_rows(now, limit, names, passed_over)
        self.claim_needed = again
        self.claim_when_free(full)

    def _claim_rows(
        self,
        now: Micros,
        limit: int,
        workflows: Collection[str],
        excluded_nodes: Collection[tuple[str, int]] = (),
        *,
        include_tasks: bool = True,
    ) -> bool:
        """Claim; returns whether there may be more."""
        driver = self._driver
        until, more = Micros(now + driver.lease_us), False
        for under in (None,) if self._included_runs is None else tuple(self._included_runs):
            try:
                rows = driver.store.claim_work(
                    driver.owner, until, until, limit, workflows, under,
                    excluded_nodes=excluded_nodes, include_tasks=include_tasks or under is not None,
                )  # fmt: skip
            except StoreUnavailable:
                self.outcome_unknown = True
                raise
            self._add_claimed(rows, until)
            more |= len(rows) >= limit
        return more

    def claim_run(self, run_id: str) -> int:
        """Take all work of a run, and of its children, that nobody has; returns how much.  Raises StoreUnavailable."""
        driver = self._driver
        now = driver.clock.now()
        self._reclaim_expired(now)
        lease_until = Micros(now + driver.lease_us)
        try:
            rows = driver.store.claim_work(
                driver.owner, lease_until, FAR_FUTURE, MAX_ROWS_OF_RUN, driver.executable_workflows(), run_id
            )
        except StoreUnavailable:
            self.outcome_unknown = True
            raise
        self._add_claimed(rows, lease_until)
        return len(rows)

    def _add_claimed(self, rows: Sequence[WorkRow], lease_until: Micros) -> None:
        for row in rows:
            row.lease_until = lease_until
        self._claimed_rows.extend(sorted(rows, key=lambda row: not row.suspect))

    def _is_unknown_workflow(self) -> set[str]:
        """The next runs to adopt that are not live here."""
        return {row.run_id for row in islice(self._claimed_rows, PREFETCH_RUNS)} - self._driver.active_runs.keys()

    def _continue_or_park(self, row: WorkRow) -> None:
        """Raises StoreUnavailable; any other error is this run's, and no other's."""
        try:
            self._continue_work(row)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001
            run = self._driver.active_runs.get(row.run_id)
            if run is not None:
                self._driver.report_internal_error(run, error)
            else:
                self._driver.error_log.add(f"taking over run {row.run_id}", error)
                self._park_unreadable(
                    row.run_id, f"cannot be taken over because of an internal error: {describe_recorded(error)}"
                )

    def _continue_work(self, row: WorkRow) -> None:
        """Go on with work that was claimed."""
        driver = self._driver
        run = driver.active_runs.get(row.run_id)
        if run is None:
            run = self._load_or_park(row.run_id)
            if run is None:
                return
        elif row.node in run.work_rows:
            run.work_rows[row.node].owner = driver.owner
        if run.definition is None:
            run.definition = driver.run_loader.executable_definition(
                run.row
            )  # it may have come to be known since the run was loaded
            if run.definition is not None and run.has_unvalidated_answers:
                driver.reload_run(run)  # which converts them, and goes on with what is claimed
                return
        if run.definition is None:
            self._park_changed_structure(run)
            return
        driver.unsaved_runs[row.run_id] = run
        if row.reclaimed:
            why = "whose lease expired" if row.expired else "that died"
            logger.info("run %s of %s is taken over from a runner %s", row.run_id, row.workflow, why)
        command = run.machine.todo.get(row.node)
        if type(command) is StartTimer or type(command) is AwaitChildren:
            driver.dispatch_work(run, row)
        elif type(command) is not Execute or command.fence != row.fence:
            run.changed_nodes.add(row.node)  # a row the journal knows nothing of any more
        elif not row.reclaimed:
            if row.node not in run.attempts:
                driver.dispatch_work(run, row)
        elif row.expired:
            driver.apply_entry(run, JournalEntry(ev.AttemptLost(row.node, row.fence, counts_as_crash=False)))
        elif row.started and driver.crash_suspects.is_culprit(run, row.node):
            times = run.machine.crash_counts[row.node] + 1
            text = f"CRASHED: its process died {times} times while it ran"
            driver.apply_entry(run, JournalEntry(ev.Failed(row.node, row.fence, "CRASHED", text)))
        else:
            run.crash_suspects.add(row.node)
            driver.apply_entry(run, JournalEntry(ev.AttemptLost(row.node, row.fence, counts_as_crash=row.started)))

    def _load_or_park(self, run_id: str) -> ActiveRun | None:
        """A run from the store, live from now on; one that cannot be read must not hold up the others."""
        driver = self._driver
        try:
            run = driver.run_loader.load_run(run_id)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self._park_unreadable(run_id, f"cannot be read: {error.message}")
            return None
        except BaseException as error:  # noqa: BLE001 - what is wrong with it is no other run's concern
            driver.error_log.add(f"reading run {run_id}", error)
            self._park_unreadable(run_id, f"cannot be read because of an internal error: {describe_recorded(error)}")
            return None
        driver.active_runs[run_id] = run
        driver.deadlines.watch_run(run)
        return run

    def _park_unreadable(self, run_id: str, reason: str) -> None:
        """Park a run by its head alone.  Raises StoreUnavailable."""
        row = self._driver.store.get_run(run_id)
        if row is not None:
            self.park_row(row, reason)

    def _park_changed_structure(self, run: ActiveRun) -> None:
        definition = self._driver.run_loader.find_definition(run.row.workflow)
        known = definition.plan.structure if definition is not None else "none"
        run.reason = (
            f"the structure of workflow {run.row.workflow!r} changed: the run was recorded under "
            f"{run.row.structure}, this process has {known}"
        )
        logger.warning("run %s of %s is parked: %s", run.row.id, run.row.workflow, run.reason)
        run.changed_nodes.update(run.work_rows)
        self._driver.apply_entry(run, JournalEntry(ev.Paused(run.reason)))

    def park_row(self, run_row: RunRow, reason: str) -> None:
        """Take a run out of circulation that cannot be decided here; a person must look at it.

        Work of it that this runner has goes back to the queue, so that whoever resumes the run finds it.  A store that
        does not take that is asked again later.
        """
        driver = self._driver
        run_timer(lambda: self._park_row(run_row, reason), driver.clock.now(), driver.timers, driver.error_log)

    def _park_row(self, run_row: RunRow, reason: str) -> None:
        driver = self._driver
        if run_row.finished_at is not None:
            return
        now = driver.clock.now()
        parked = replace(run_row, status="paused", reason=reason, paused_at=now)
        try:
            (verdict,) = driver.store.commit([RunUpdate(parked, run_row.seq, [], now, parked=True)])
            logger.warning("run %s of %s is parked: %s", run_row.id, run_row.workflow, reason)
            held = [row for row in driver.store.work_of_run(run_row.id) if row.owner == driver.owner]
            if isinstance(verdict, Conflict) and held:  # what this runner wrote last is not in this head
                fresh = driver.store.get_run(run_row.id)
                if fresh is not None and fresh.seq != run_row.seq:
                    self._park_row(fresh, reason)
            elif held:
                driver.store.release_work(driver.owner, held)
        except StoreUnavailable as error:
            driver.timers.call_at(driver.on_store_error(error), lambda: self.park_row(run_row, reason))
