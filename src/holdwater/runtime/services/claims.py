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
from holdwater.model.commands import AwaitChildren, Execute, Wake
from holdwater.model.journal import JournalEntry
from holdwater.model.records import Conflict, RunRow, RunUpdate, WorkRow
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.executors.throughput import REVIEW_US
from holdwater.runtime.internal_errors import describe_recorded, logger
from holdwater.runtime.services.base import perform

if TYPE_CHECKING:
    from holdwater.runtime.driver import Driver

FAR: Final = 1 << 62
ADOPTED_ROWS: Final = 1_000_000
LATE_SCANS: Final = 2
"""what failed may take effect later, when a server that hung goes on: so many scans look for it again"""
READ_AHEAD_RUNS: Final = 32
"""runs read together when many are taken over: few queries, and not all their data in memory at once"""
EXPIRY_MARGIN_US: Final = 100_000
"""leases are renewed by thirds; one that has run out by more than this was not renewed"""


class WorkClaimer:
    """Scans and claims.  Raises StoreUnavailable; what was to be done is remembered and done later."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        now = driver.clock.now()
        self._scan_every = int(driver.limits.scan_interval_seconds * 1e6)
        self._scan_at = now
        self.wanted = False
        """there may be work to claim"""
        self.left = False
        """work stayed in the queue for want of room"""
        self.in_doubt = False
        """the store failed in a birth or a claim: perhaps it took effect, and work is ours that nobody here knows"""
        self._late_scans = 0
        self._claimed: deque[WorkRow] = deque()
        self._returning: list[WorkRow] = []
        """work that waited for a slot too long; it goes back to the queue"""
        self._review_at = now
        self._own: set[str] | None = set() if driver.limits.own_runs_only else None
        """the runs to take up, with their children; None: all whose workflows are known"""
        self.stale: set[str] = set()
        """live runs that somebody else may have advanced"""

    def instants(self, now: int) -> list[int]:
        """When there is something to do next."""
        instants = [min(self._scan_at, now + self._scan_every)]
        if self._driver.limits.recover and self._driver.executor.backlog:
            instants.append(min(self._review_at, now + REVIEW_US))
        return instants

    @property
    def pending(self) -> bool:
        """Something is left to do as soon as the store answers."""
        return self.wanted or self.in_doubt or bool(self.stale or self._claimed or self._returning)

    def look(self, now: int) -> None:
        """Find what was left, go on with it."""
        driver = self._driver
        if not now < self._scan_at <= now + self._scan_every:
            self._scan_at = self._scan()
            now = driver.clock.now()
        if self.in_doubt:
            self._resolve_unknown_outcome()
            self._late_scans = LATE_SCANS
            self.in_doubt = False
        if self.stale:
            self._catch_up()
        if driver.limits.recover and driver.executor.backlog:
            self._review(now)
        if self._returning:
            self._hand_back()
        if self.wanted and not self._claimed:
            self._claim(now)
        while self._claimed:
            with driver.loader.prefetch(self._is_unknown_workflow()):
                for _ in range(min(READ_AHEAD_RUNS, len(self._claimed))):
                    self._adopt_or_park(self._claimed[0])
                    self._claimed.popleft()

    def await_room(self, executors: Collection[Executor]) -> None:
        """Work stays in the queue for want of room on these: look again when there is some."""
        self.left = True
        if self._driver.executor.tell_when_free(executors):
            self.wanted = True

    def include(self, run_id: str) -> None:
        """Take up this run, too, where only a runner's own runs are."""
        if self._own is not None:
            self._own.add(run_id)
            self.wanted = True

    def _is_included(self, run_id: str) -> bool:
        return self._own is None or run_id in self._own

    def room_came_free(self) -> None:
        """A slot is free: there may be work for it."""
        self.wanted = True

    def body_ended(self) -> None:
        """What was leased ahead may run out: have more before a slot is idle."""
        driver = self._driver
        if self.left and not self.wanted:
            limits = driver.limits
            self.wanted = driver.executor.runs_dry(driver.clock.now(), limits.prefetch_tasks, measured=limits.recover)

    def _review(self, now: int) -> None:
        """Bodies may have turned out slow: take back what waits for a slot and will not have one soon."""
        if now < self._review_at <= now + REVIEW_US:
            return
        self._review_at = now + REVIEW_US
        self._take_back(self._driver.executor.withdraw_surplus(now))

    def drain_waiting(self) -> None:
        """Nothing that waits for a slot here will have one for a while."""
        self._take_back(self._driver.executor.withdraw_surplus(0, everything=True))

    def put_back(self, run: ActiveRun, row: WorkRow) -> None:
        """Work that is this runner's on disk, and not for it to begin now."""
        held = run.work.get(row.node)
        if held is not None and held.fence == row.fence and held.owner == self._driver.owner:
            self._returning.append(held)
        else:  # others have advanced the run; what is ours of it comes up again when that is read
            self.stale.add(run.row.id)

    def _take_back(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            run = self._driver.runs.get(attempt.run_id)
            if run is not None and run.attempts.get(attempt.node) is attempt:
                self._driver.drop(run, attempt)
                row = run.work.get(attempt.node)
                if row is not None and row.fence == attempt.fence and row.owner == self._driver.owner:
                    self._returning.append(row)

    def _hand_back(self) -> None:
        """Give back what was taken from the line, for whoever has a slot for it; this runner, too, when it has one."""
        driver = self._driver
        ours = [row for row in self._returning if self._is_waiting(row)]
        driver.store.release(driver.owner, ours)
        self._returning.clear()
        executors: set[Executor] = set()
        for row in ours:
            row.owner, row.lease_until, row.started = None, 0, False
            program = driver.runs[row.run_id].program
            if program is not None:
                executors.add(driver.executor.route(program, row.node))
        self.await_room(executors)

    def _is_waiting(self, row: WorkRow) -> bool:
        """It is still as it was when it was taken from the line."""
        run = self._driver.runs.get(row.run_id)
        return run is not None and run.work.get(row.node) is row and row.node not in run.attempts

    def _scan(self) -> int:
        """What notifications may have missed: dead owners, due timers nobody holds, deadlines of sleeping runs.

        Returns when to scan next.
        """
        driver = self._driver
        self.wanted = True
        driver.sample_clock()
        now = driver.clock.now()  # the clock may have been set, and the store may have taken its time
        self.stale.update(driver.runs)
        if self._late_scans:
            self._resolve_unknown_outcome()
            self._late_scans -= 1
        following = now + self._scan_every
        if not driver.limits.recover:
            return following
        expiry = driver.store.next_expiry(driver.owner)
        if expiry is not None and self._reclaim_expired(now):
            expiry = driver.store.next_expiry(driver.owner)
        if expiry is not None:  # looked at then, so that what a dead runner left does not wait for a whole interval
            following = min(following, max(expiry + EXPIRY_MARGIN_US, now + driver.lease_us // 6))
        known = driver.workflows()
        for run_id, workflow in driver.store.orphaned_children():
            if workflow in known and self._is_included(run_id):
                driver.steering.end_child(run_id)
        for run_id, workflow, due in driver.store.overdue(now):
            if workflow in known and run_id not in driver.runs and self._is_included(run_id):
                run = self._load_or_park(run_id)
                if run is not None:
                    driver.deadlines.end_run(run, due)
        return following

    def _reclaim_expired(self, now: int) -> int:
        driver = self._driver
        return driver.store.reclaim_expired(now, driver.clock.steady(), driver.lease_us)

    def _catch_up(self) -> None:
        """Read what somebody else wrote to runs that are live here."""
        driver = self._driver
        for run_id, seq in driver.store.journal_lengths(self.stale).items():
            run = driver.runs.get(run_id)
            # one with something to write meets the conflict, and reads then
            if run is not None and not run.dirty and not run.born and run.row.seq != seq:
                try:
                    driver.reload(run)
                except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
                    driver.report_internal_error(run, error)
        self.stale.clear()

    def _resolve_unknown_outcome(self) -> None:
        """Take up what is ours on disk and unknown here."""
        driver = self._driver
        for row in driver.store.work_of_owner(driver.owner):
            run = driver.runs.get(row.run_id)
            known = None if run is None else run.work.get(row.node)
            if run is None or (not run.dirty and (known is None or known.owner != driver.owner)):
                self._claimed.append(row)

    def _claim(self, now: int) -> None:
        """Take what there is a slot for, or soon will be; timers and parents of children need none."""
        driver = self._driver
        if not (driver.limits.recover or self.left):
            self.wanted = False
            return
        if driver.crash_suspects.active:  # whatever needs a slot is for others, or for when the suspect has ended
            self.wanted = self._own is None and self._take(
                now, driver.limits.prefetch_tasks, driver.workflows(), bodies=False
            )
            self.left = True
            return
        slots, ahead = driver.executor.slots(), driver.slots_ahead(now)
        room = {e: max(0, slots[e]) + max(0, ahead[e]) for e in slots}
        full = [e for e in room if not room[e]]
        limit = min([n for n in room.values() if n], default=0)  # whichever they are for, none has to wait
        if not full:
            self.wanted = self._take(now, limit, driver.workflows())
            self.left = self.wanted
            return
        again = self._take(now, driver.limits.prefetch_tasks, driver.workflows(), bodies=False)
        names, passed_over = driver.claimable(full)
        if limit and names:
            again |= self._take(now, limit, names, passed_over)
        self.wanted = again
        self.await_room(full)

    def _take(
        self,
        now: int,
        limit: int,
        workflows: Collection[str],
        passed_over: Collection[tuple[str, int]] = (),
        *,
        bodies: bool = True,
    ) -> bool:
        """Claim; returns whether there may be more."""
        driver = self._driver
        until, more = now + driver.lease_us, False
        for under in (None,) if self._own is None else tuple(self._own):
            try:
                rows = driver.store.claim(
                    driver.owner, until, until, limit, workflows, under,
                    passed_over=passed_over, bodies=bodies or under is not None,
                )  # fmt: skip
            except StoreUnavailable:
                self.in_doubt = True
                raise
            self._receive(rows, until)
            more |= len(rows) >= limit
        return more

    def adopt(self, run_id: str) -> int:
        """Take all work of a run, and of its children, that nobody has; returns how much.  Raises StoreUnavailable."""
        driver = self._driver
        now = driver.clock.now()
        self._reclaim_expired(now)
        lease_until = now + driver.lease_us
        try:
            rows = driver.store.claim(driver.owner, lease_until, FAR, ADOPTED_ROWS, driver.workflows(), run_id)
        except StoreUnavailable:
            self.in_doubt = True
            raise
        self._receive(rows, lease_until)
        return len(rows)

    def _receive(self, rows: Sequence[WorkRow], lease_until: int) -> None:
        for row in rows:
            row.lease_until = lease_until
        self._claimed.extend(sorted(rows, key=lambda row: not row.suspect))

    def _is_unknown_workflow(self) -> set[str]:
        """The next runs to adopt that are not live here."""
        return {row.run_id for row in islice(self._claimed, READ_AHEAD_RUNS)} - self._driver.runs.keys()

    def _adopt_or_park(self, row: WorkRow) -> None:
        """Raises StoreUnavailable; any other error is this run's, and no other's."""
        try:
            self._adopt(row)
        except StoreUnavailable:
            raise
        except BaseException as error:  # noqa: BLE001
            run = self._driver.runs.get(row.run_id)
            if run is not None:
                self._driver.report_internal_error(run, error)
            else:
                self._driver.faults.add(f"taking over run {row.run_id}", error)
                self._park_unread(
                    row.run_id, f"cannot be taken over because of an internal error: {describe_recorded(error)}"
                )

    def _adopt(self, row: WorkRow) -> None:
        """Go on with work that was claimed."""
        driver = self._driver
        run = driver.runs.get(row.run_id)
        if run is None:
            run = self._load_or_park(row.run_id)
            if run is None:
                return
        elif row.node in run.work:
            run.work[row.node].owner = driver.owner
        if run.program is None:
            run.program = driver.loader.program_of(run.row)  # it may have come to be known since the run was loaded
            if run.program is not None and run.has_unchecked_answers:
                driver.reload(run)  # which converts them, and goes on with what is claimed
                return
        if run.program is None:
            self._park_changed(run)
            return
        driver.dirty[row.run_id] = run
        if row.reclaimed:
            why = "whose lease expired" if row.expired else "that died"
            logger.info("run %s of %s is taken over from a runner %s", row.run_id, row.workflow, why)
        command = run.machine.todo.get(row.node)
        if type(command) is Wake or type(command) is AwaitChildren:
            driver.dispatch(run, row)
        elif type(command) is not Execute or command.fence != row.fence:
            run.touched.add(row.node)  # a row the journal knows nothing of any more
        elif not row.reclaimed:
            if row.node not in run.attempts:
                driver.dispatch(run, row)
        elif row.expired:
            driver.decide(run, JournalEntry(ev.AttemptLost(row.node, row.fence, counted=False)))
        elif row.started and driver.crash_suspects.is_culprit(run, row.node):
            times = run.machine.crashes[row.node] + 1
            text = f"CRASHED: its process died {times} times while it ran"
            driver.decide(run, JournalEntry(ev.Failed(row.node, row.fence, "CRASHED", text)))
        else:
            run.suspects.add(row.node)
            driver.decide(run, JournalEntry(ev.AttemptLost(row.node, row.fence, counted=row.started)))

    def _load_or_park(self, run_id: str) -> ActiveRun | None:
        """A run from the store, live from now on; one that cannot be read must not hold up the others."""
        driver = self._driver
        try:
            run = driver.loader.load(run_id)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self._park_unread(run_id, f"cannot be read: {error.message}")
            return None
        except BaseException as error:  # noqa: BLE001 - what is wrong with it is no other run's concern
            driver.faults.add(f"reading run {run_id}", error)
            self._park_unread(run_id, f"cannot be read because of an internal error: {describe_recorded(error)}")
            return None
        driver.runs[run_id] = run
        driver.deadlines.watch_run(run)
        return run

    def _park_unread(self, run_id: str, reason: str) -> None:
        """Park a run by its head alone.  Raises StoreUnavailable."""
        head = self._driver.store.run(run_id)
        if head is not None:
            self.park(head, reason)

    def _park_changed(self, run: ActiveRun) -> None:
        program = self._driver.loader.program(run.row.workflow)
        known = program.plan.structure if program is not None else "none"
        run.reason = (
            f"the structure of workflow {run.row.workflow!r} changed: the run was recorded under "
            f"{run.row.structure}, this process has {known}"
        )
        logger.warning("run %s of %s is parked: %s", run.row.id, run.row.workflow, run.reason)
        run.touched.update(run.work)
        self._driver.decide(run, JournalEntry(ev.Paused(run.reason)))

    def park(self, head: RunRow, reason: str) -> None:
        """Take a run out of circulation that cannot be decided here; a person must look at it.

        Work of it that this runner has goes back to the queue, so that whoever resumes the run finds it.  A store that
        does not take that is asked again later.
        """
        driver = self._driver
        perform(lambda: self._park(head, reason), driver.clock.now(), driver.agenda, driver.faults)

    def _park(self, head: RunRow, reason: str) -> None:
        driver = self._driver
        if head.finished_at is not None:
            return
        now = driver.clock.now()
        parked = replace(head, status="paused", reason=reason, paused_at=now)
        try:
            (verdict,) = driver.store.commit([RunUpdate(parked, head.seq, [], now, parked=True)])
            logger.warning("run %s of %s is parked: %s", head.id, head.workflow, reason)
            held = [row for row in driver.store.work(head.id) if row.owner == driver.owner]
            if isinstance(verdict, Conflict) and held:  # what this runner wrote last is not in this head
                fresh = driver.store.run(head.id)
                if fresh is not None and fresh.seq != head.seq:
                    self._park(fresh, reason)
            elif held:
                driver.store.release(driver.owner, held)
        except StoreUnavailable as error:
            driver.agenda.call_at(driver.store_failed(error), lambda: self.park(head, reason))
