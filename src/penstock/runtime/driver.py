"""The loop: drain what has come in, decide, commit it all in one transaction, dispatch what is now on disk.

One thread owns every live run, so nothing is locked and the order of decisions is the order of commits.  Everything
that waits while a commit is under way joins the next one: alone a change costs one commit, under load they group by
themselves.  Nothing polls: the loop sleeps until somebody posts an act or an instant comes.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, Final

from penstock.kernel import Layout, lay_out
from penstock.kernel.machine import RUN
from penstock.model import events as ev
from penstock.model.commands import Execute, Wake
from penstock.model.errors import PenstockError, RunnerClosed, RunNotFound, StoreError, StoreUnavailable
from penstock.model.events import Event
from penstock.model.plan import Plan
from penstock.model.ports import Clock, Program, Store, Style
from penstock.model.records import ENDED, Change, Committed, Duplicate, RunRow, WorkRow
from penstock.model.wire import Entry
from penstock.runtime.attempt import Attempt
from penstock.runtime.executor import Executor
from penstock.runtime.live_run import Allowance, LiveRun
from penstock.runtime.promise import Promise

BATCH_LIMIT_ACTS: Final = 2000
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 5.0
CONSEQUENCES: Final = (ev.Evaluated, ev.TimerSet)
"""events that follow from others: not offered again after a conflict, but decided again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a driver keeps to.  Times in seconds."""

    max_concurrent_tasks: int = 4
    task_timeout_seconds: float = 300.0
    lease_seconds: float = 30.0
    scan_interval_seconds: float = 30.0
    prefetch_tasks: int = 256
    max_crashes_per_task: int = 10
    cancel_grace_seconds: float = 5.0
    recover: bool = True


@dataclass(slots=True)
class Begun:
    """A run was accepted: it is on disk.  `live` is None if an earlier run with the same idempotency key was found."""

    row: RunRow
    live: LiveRun | None


class Driver:
    """Runs everything one runner has started or claimed.  Its public methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        owner: str,
        limits: Limits,
        clock: Clock,
        styles: Mapping[str, Style],
        program: Callable[[str], Program | None],
        workflows: Callable[[], Collection[str]],
        on_stopped: Callable[[], None],
    ) -> None:
        self.store, self.owner, self.limits, self.clock = store, owner, limits, clock
        self._styles, self._program, self._workflows = styles, program, workflows
        self._on_stopped = on_stopped
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._executor = Executor(limits.max_concurrent_tasks, self._deliver, self._on_defer)
        self._runs: dict[str, LiveRun] = {}
        self._dirty: dict[str, LiveRun] = {}
        self._births: dict[str, Promise[Begun]] = {}
        self._layouts: dict[str, Layout] = {}
        self._plans: set[str] = set()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._expiry_at: int | None = None
        self._shortest_timeout_us = int(limits.task_timeout_seconds * 1e6)
        self._deadline_at: int | None = None
        now = clock.now()
        self._renew_at = now + self._renew_every
        self._scan_at = now
        self._want_claim = False
        self._more = False
        """work was left in the queue for want of room"""
        self._claimed: deque[WorkRow] = deque()
        self._in_doubt = False
        """the store failed in a birth or a claim: perhaps it took effect, and work is ours that nobody here knows"""
        self._blocked_until = 0
        self._pause_s = FIRST_PAUSE_SECONDS
        self._closing = False
        self._close_at = 0
        self._closed = False
        self._broken: BaseException | None = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="penstock-driver", daemon=True)

    @property
    def _renew_every(self) -> int:
        return int(self.limits.lease_seconds * 1e6 / 3)

    # -- from any thread

    def start(self) -> None:
        """Begin to work.  Raises StoreUnavailable."""
        self.store.register(self.owner)
        self.clock.on_jump(self._nudge)
        self._thread.start()

    def post(self, act: Callable[[], None]) -> None:
        """Have the loop call `act`.  Raises RunnerClosed."""
        self.check_open()
        self._inbox.put(act)
        if self._closed:  # it came too late to be sure that anybody will look at it
            self.check_open()

    def check_open(self) -> None:
        """Raises RunnerClosed if the runner no longer works, and why."""
        if os.getpid() != self._pid:
            raise RunnerClosed(
                "this runner belongs to the parent process", hint="create a new runner in the child, after the fork"
            )
        if self._broken is not None:
            raise RunnerClosed("this runner stopped after an internal error; its runs are recorded") from self._broken
        if self._closing:
            raise RunnerClosed("this runner was shut down; its unfinished runs go on with the next one")

    def submit(self, program: Program, cells: dict[str, Any], row: RunRow) -> Promise[Begun]:
        """Start a run.  The promise is kept when it is on disk with its first work claimed."""
        promise: Promise[Begun] = Promise()
        self.post(lambda: self._begin(program, cells, row, promise))
        return promise

    def watch(self, run_id: str) -> Promise[LiveRun | None]:
        """Kept when the run ends or waits for a person; with None at once if it is not live here."""
        promise: Promise[Any] = Promise()

        def act() -> None:
            run = self._runs.get(run_id)
            if run is None:
                promise.resolve(None)
            elif not run.dirty and run.machine.status != "running":
                promise.resolve(run)
            else:
                run.waiters.append(promise)

        self.post(act)
        return promise

    def control(self, run_id: str, event: Event, reason: str | None) -> Promise[bool]:
        """Journal an event of a person: cancel, pause, resume.  False if the run does not take it (any more)."""
        promise: Promise[bool] = Promise()
        self.post(lambda: self._control(run_id, event, reason, promise))
        return promise

    def look_for_work(self) -> None:
        """A workflow was registered: runs that wait for it may go on."""
        with contextlib.suppress(RunnerClosed):
            self.post(self._want)

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Let running bodies end for that long, then leave the rest to the next runner.  Idempotent.

        `wait`: return when it is done; otherwise the driver's own thread sees to it.
        """
        if os.getpid() != self._pid:
            return
        if not self._closed:
            self._inbox.put(lambda: self._begin_close(drain_seconds))
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    def _nudge(self) -> None:
        self._inbox.put(_nothing)

    def _deliver(self, attempt: Attempt, entry: Entry) -> None:
        self._inbox.put(lambda: self._finish(attempt, entry))

    def _on_defer(self, attempt: Attempt, deferred: bool) -> None:
        self._inbox.put(lambda: self._defer(attempt, deferred))

    # -- the loop

    def _run(self) -> None:
        try:
            while True:
                self._drain()
                self._tick()
                self._commit()
                if self._closing and self._may_stop():
                    break
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._broken = error
        finally:
            self._stop()

    def _drain(self) -> None:
        inbox = self._inbox
        try:
            act = inbox.get(timeout=self._patience_s())
        except Empty:
            return
        act()
        for _ in range(BATCH_LIMIT_ACTS):
            try:
                act = inbox.get_nowait()
            except Empty:
                return
            act()

    def _patience_s(self) -> float | None:
        """How long nothing will be due."""
        instants = [self._scan_at]
        if self._runs:
            instants.append(self._renew_at)
        if self._timers:
            instants.append(self._timers[0][0])
        if self._expiry_at is not None:
            instants.append(self._expiry_at)
        if self._deadline_at is not None:
            instants.append(self._deadline_at)
        if self._dirty:
            instants.append(self._blocked_until)
        if self._closing:
            instants.append(self._close_at)
        return self.clock.seconds_until(min(instants))

    def _tick(self) -> None:
        """Do what has become due."""
        now = self.clock.now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        if self._expiry_at is not None and self._expiry_at <= now:
            self._expire_attempts(now)
        if self._deadline_at is not None and self._deadline_at <= now:
            self._expire_runs(now)
        if self._closing or now < self._blocked_until:
            return
        try:
            if self._runs and self._renew_at <= now:
                self._renew_at = now + self._renew_every
                self.store.renew(self.owner, now + int(self.limits.lease_seconds * 1e6))
            if self._scan_at <= now:
                self._scan_at = now + int(self.limits.scan_interval_seconds * 1e6)
                self._scan(now)
            if self._in_doubt:
                self._settle_doubt()
            if self._want_claim:
                self._claim(now)
            while self._claimed:
                self._adopt(self._claimed[0])
                self._claimed.popleft()
        except StoreUnavailable:
            self._back_off(now)

    def _at(self, instant: int, act: Callable[[], None]) -> None:
        self._timer_count += 1
        heapq.heappush(self._timers, (instant, self._timer_count, act))

    # -- acts

    def _begin(self, program: Program, cells: dict[str, Any], row: RunRow, promise: Promise[Begun]) -> None:
        if self._closing:
            promise.reject(RunnerClosed("this runner was shut down before the run was accepted"))
            return
        try:
            run = LiveRun(row, self._layout(program.plan), program.style, program, born=True)
            run.decide(Entry(ev.Started(cells)), self.clock)
        except PenstockError as error:
            promise.reject(error)
            return
        self._births[row.id] = promise
        self._runs[row.id] = self._dirty[row.id] = run
        if row.deadline_at is not None and (self._deadline_at is None or row.deadline_at < self._deadline_at):
            self._deadline_at = row.deadline_at

    def _finish(self, attempt: Attempt, entry: Entry) -> None:
        run = self._runs.get(attempt.run_id)
        if run is None:
            return
        if run.attempts.get(attempt.node) is attempt:
            del run.attempts[attempt.node]
        self._decide(run, entry)
        if self._more and self._executor.backlog * 2 < self.limits.prefetch_tasks:
            self._want_claim = True

    def _decide(self, run: LiveRun, entry: Entry) -> bool:
        """Decide, and carry a halt to the bodies that run.  A run whose data cannot be read here is parked."""
        try:
            taken = run.decide(entry, self.clock)
        except PenstockError as error:
            self._runs.pop(run.row.id, None)
            self._dirty.pop(run.row.id, None)
            self._park(run.row, f"cannot go on here: {error.message}", run.waiters)
            return False
        if taken:
            self._dirty[run.row.id] = run
            if run.cancels:
                self._halt(run)
        return taken

    def _halt(self, run: LiveRun) -> None:
        """The run was cancelled or timed out: tell its bodies; end what has not begun, and, timed out, everything."""
        at_once = RUN in run.machine.errors
        nodes, run.cancels = run.cancels, []
        for node in nodes:
            attempt = run.attempts.get(node)
            command = run.machine.todo.get(node)
            if attempt is None:
                if type(command) is Execute:  # nobody's, or another runner's, which will find its fence gone
                    run.decide(Entry(ev.Cancelled(node, command.fence)), self.clock)
                continue
            attempt.handle.halt("its run timed out" if at_once else "its run was cancelled")
            if attempt.withdraw() or at_once:
                self._give_up(run, attempt)
            else:
                grace = int(self.limits.cancel_grace_seconds * 1e6)
                self._at(self.clock.now() + grace, lambda a=attempt: self._give_up(run, a))  # type: ignore[misc]

    def _give_up(self, run: LiveRun, attempt: Attempt) -> None:
        """The engine wins over a body that does not stop."""
        if run.attempts.get(attempt.node) is not attempt:
            return
        del run.attempts[attempt.node]
        attempt.end()
        self._executor.abandon(attempt)
        self._decide(run, attempt.cancelled())

    def _defer(self, attempt: Attempt, deferred: bool) -> None:
        """While every body of a run is deferred, its deadline stands still."""
        run = self._runs.get(attempt.run_id)
        if run is None:
            return
        run.deferring += 1 if deferred else -1
        now = self.clock.now()
        if run.deferring and run.deferring == len(run.attempts):
            run.stopped_at = run.stopped_at or now
        elif run.stopped_at:
            if run.row.deadline_at is not None:
                run.row = replace(run.row, deadline_at=run.row.deadline_at + now - run.stopped_at)
            run.stopped_at = 0
        self._expiry_at = now

    def _control(self, run_id: str, event: Event, reason: str | None, promise: Promise[bool]) -> None:
        try:
            run = self._runs.get(run_id) or self._load(run_id)
        except PenstockError as error:
            promise.reject(error)
            return
        if type(event) is ev.Resumed and run.program is None and run.row.reason:
            promise.resolve(False)
            return
        if not run.machine.accepts(event):
            promise.resolve(False)
            return
        self._runs[run_id] = run
        run.reason = reason
        if type(event) is ev.Paused:
            for attempt in [a for a in run.attempts.values() if a.withdraw()]:
                del run.attempts[attempt.node]
                run.touched.add(attempt.node)
        if type(event) is ev.CancelRequested:
            run.touched.update(run.work)
        self._decide(run, Entry(event))
        run.waiters.append(_Once(promise, True))

    def _want(self) -> None:
        self._want_claim = True

    # -- time is up

    def _expire_attempts(self, now: int) -> None:
        """Fail the attempts whose time is up; look again when the next one may be."""
        soonest: int | None = None
        for attempt in list(self._executor.running):
            due = attempt.expires_at()
            if due is None:
                continue
            if due > now:
                soonest = due if soonest is None else min(soonest, due)
                continue
            attempt.handle.halt(f"it ran longer than {attempt.timeout_s:g} s")
            if not attempt.end():
                continue
            self._executor.abandon(attempt)
            text = f"TimeoutError: task {attempt.name!r} ran longer than {attempt.timeout_s:g} s"
            self._finish(attempt, attempt.failed(None, "TIMEOUT", text))
        if self._executor.running or self._executor.backlog:
            later = now + self._shortest_timeout_us
            soonest = later if soonest is None else min(soonest, later)
        self._expiry_at = soonest

    def _expire_runs(self, now: int) -> None:
        soonest: int | None = None
        for run in list(self._runs.values()):
            due = run.row.deadline_at
            if due is None or run.stopped_at or run.machine.status != "running":
                continue
            if due > now:
                soonest = due if soonest is None else min(soonest, due)
                continue
            self._time_out(run, due)
        self._deadline_at = soonest

    def _time_out(self, run: LiveRun, due: int) -> None:
        limit_s = (due - run.row.created_at) / 1e6
        event = ev.TimedOut(f"TIMEOUT: the workflow ran longer than {limit_s:g} s")
        if run.machine.accepts(event):
            run.touched.update(run.work)
            self._decide(run, Entry(event))

    # -- commit

    def _commit(self) -> None:
        """Write everything decided; then act on it."""
        for attempt in self._executor.take_begun():
            run = self._runs.get(attempt.run_id)
            if run is not None and attempt.state == "running" and run.holds(attempt):
                run.begun.append(attempt)
                self._dirty[attempt.run_id] = run
        while self._dirty and self.clock.now() >= self._blocked_until:
            runs = [run for run in self._dirty.values() if run.dirty]
            self._dirty = {}
            if not runs:
                return
            now = self.clock.now()
            free = self.limits.max_concurrent_tasks - len(self._executor.running) - self._executor.backlog
            allowance = Allowance(
                self.owner,
                now + int(self.limits.lease_seconds * 1e6),
                0 if self._closing else self.limits.prefetch_tasks - self._executor.backlog,
                0 if self._closing else free,
                self._plans,
            )
            changes = [run.change(now, allowance) for run in runs]
            if not self._write(runs, changes, now):
                return
            if allowance.left and not self._closing:
                self._more = True

    def _write(self, runs: list[LiveRun], changes: list[Change], now: int) -> bool:
        try:
            verdicts = self.store.commit(changes)
        except StoreUnavailable as error:
            self._back_off(now)
            for run in runs:
                if run.born:  # not accepted: whoever asked is told, and may ask again
                    self._in_doubt = True
                    self._refuse(run, error)
                else:
                    self._dirty[run.row.id] = run
            return False
        except StoreError as error:
            if len(runs) > 1:  # one bad change must not take the others with it
                return all([self._write([run], [change], now) for run, change in zip(runs, changes, strict=True)])
            self._refuse(runs[0], error)
            return True
        self._pause_s = FIRST_PAUSE_SECONDS
        for run, change, verdict in zip(runs, changes, verdicts, strict=True):
            if isinstance(verdict, Committed):
                self._committed(run, change)
            elif isinstance(verdict, Duplicate):
                del self._runs[run.row.id]
                self._births.pop(run.row.id).resolve(Begun(verdict.run, None))
            else:
                self._reload(run)
        return True

    def _back_off(self, now: int) -> None:
        self._blocked_until = now + int(self._pause_s * 1e6)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_SECONDS)

    def _refuse(self, run: LiveRun, error: BaseException) -> None:
        self._runs.pop(run.row.id, None)
        birth = self._births.pop(run.row.id, None)
        if birth is not None:
            birth.reject(error)
        for waiter in run.waiters:
            waiter.reject(error)

    def _committed(self, run: LiveRun, change: Change) -> None:
        run.saved(change)
        if change.born:
            self._plans.add(run.row.structure)
            self._births.pop(run.row.id).resolve(Begun(run.row, run))
        for row in change.work_in:
            if row.owner == self.owner:
                self._dispatch(run, row)
        if change.park is False:
            self._want_claim = True
        if run.machine.status != "running":
            waiters, run.waiters = run.waiters, []
            for waiter in waiters:
                waiter.resolve(run)
        elif run.waiters:
            for waiter in [w for w in run.waiters if isinstance(w, _Once)]:
                run.waiters.remove(waiter)
                waiter.resolve(run)
        self._forget_if_idle(run)

    def _forget_if_idle(self, run: LiveRun) -> None:
        """Keep only what this process has to do with: work of its own, or somebody who waits."""
        mine = run.attempts or run.waiters or any(row.owner == self.owner for row in run.work.values())
        if run.machine.ended or not mine:
            self._runs.pop(run.row.id, None)

    def _reload(self, run: LiveRun) -> None:
        """Somebody else advanced the run: read what they wrote, and offer again what was decided here."""
        pending = [e for e in run.unsaved if not isinstance(e.event, CONSEQUENCES)]
        try:
            fresh = self._load(run.row.id)
        except StoreUnavailable:  # it stays undecided: the next commit meets the same conflict
            self._back_off(self.clock.now())
            self._dirty[run.row.id] = run
            return
        except PenstockError as error:
            self._refuse(run, error)
            return
        fresh.attempts, fresh.waiters, fresh.deferring = run.attempts, run.waiters, run.deferring
        self._runs[run.row.id] = self._dirty[run.row.id] = fresh
        for entry in pending:
            self._decide(fresh, entry)
        for attempt in list(fresh.attempts.values()):
            command = fresh.machine.todo.get(attempt.node)
            if type(command) is not Execute or command.fence != attempt.fence:
                attempt.handle.halt("another runner took it over")
                attempt.end()
                self._executor.abandon(attempt)
                del fresh.attempts[attempt.node]
        for row in list(fresh.work.values()):  # ours, written by a commit whose answer was lost
            if row.owner == self.owner and row.node not in fresh.attempts and row.node not in fresh.touched:
                self._dispatch(fresh, row)
        if fresh.machine.ended and not fresh.dirty:
            for waiter in fresh.waiters:
                waiter.resolve(fresh)
            self._runs.pop(run.row.id, None)

    # -- dispatch

    def _dispatch(self, run: LiveRun, row: WorkRow) -> None:
        """Start what is on disk and ours."""
        command = run.machine.todo.get(row.node)
        if type(command) is Wake and command.at is not None:
            self._at(command.at, lambda: self._wake(run.row.id, row.node, command.at))
        elif type(command) is Execute and run.program is not None and not run.machine.suspended:
            try:
                view = run.board.view(row.node)
            except PenstockError as error:
                text = f"{type(error).__name__}: {error.message}"
                self._decide(run, Entry(ev.Failed(row.node, command.fence, type(error).__name__, text)))
                return
            timeout_s = self.limits.task_timeout_seconds
            attempt = Attempt(
                run.row.id, row.node, command.fence, command.attempt, run.program, view, timeout_s, self.clock
            )
            run.attempts[row.node] = attempt
            self._executor.submit(attempt)
            timeout_us = int(attempt.timeout_s * 1e6)
            self._shortest_timeout_us = min(self._shortest_timeout_us, timeout_us)
            due = self.clock.now() + timeout_us
            if self._expiry_at is None or due < self._expiry_at:
                self._expiry_at = due

    def _wake(self, run_id: str, node: int, at: int | None) -> None:
        run = self._runs.get(run_id)
        command = None if run is None else run.machine.todo.get(node)
        if run is not None and type(command) is Wake and command.at == at:
            self._decide(run, Entry(ev.TimerFired(node)))

    # -- other runners' work

    def _scan(self, now: int) -> None:
        """What notifications may have missed: dead owners, due timers nobody holds, deadlines of sleeping runs."""
        self._want_claim = True
        if not self.limits.recover:
            return
        self.store.orphan_dead(now)
        known = self._workflows()
        for run_id, workflow, due in self.store.overdue(now):
            if workflow in known and run_id not in self._runs:
                run = self._load_or_park(run_id)
                if run is not None:
                    self._runs[run_id] = run
                    self._time_out(run, due)

    def _settle_doubt(self) -> None:
        """Take up what is ours on disk and unknown here."""
        for row in self.store.held(self.owner):
            run = self._runs.get(row.run_id)
            if run is None or (not run.dirty and row.node not in run.work):
                self._claimed.append(row)
        self._in_doubt = False

    def _claim(self, now: int) -> None:
        room = self.limits.prefetch_tasks - self._executor.backlog
        if room <= 0 or not (self.limits.recover or self._more):
            self._want_claim = False
            return
        lease_until = now + int(self.limits.lease_seconds * 1e6)
        try:
            rows = self.store.claim(self.owner, lease_until, lease_until, room, self._workflows())
        except StoreUnavailable:
            self._in_doubt = True
            raise
        self._want_claim = False
        self._more = len(rows) == room
        self._claimed.extend(rows)

    def _adopt(self, row: WorkRow) -> None:
        """Go on with work that was claimed from the queue."""
        run = self._runs.get(row.run_id)
        if run is None:
            run = self._load_or_park(row.run_id)
            if run is None:
                return
            self._runs[row.run_id] = run
        elif row.node in run.work:
            run.work[row.node].owner = self.owner
        if run.program is None:
            mine = self._program(run.row.workflow)
            known = mine.plan.structure if mine is not None else "none"
            run.reason = (
                f"the structure of workflow {run.row.workflow!r} changed: the run was recorded under "
                f"{run.row.structure}, this process has {known}"
            )
            run.touched.update(run.work)
            self._decide(run, Entry(ev.Paused(run.reason)))
            return
        self._dirty[row.run_id] = run
        command = run.machine.todo.get(row.node)
        if type(command) is Wake:
            self._dispatch(run, row)
        elif type(command) is not Execute or command.fence != row.fence:
            run.touched.add(row.node)  # a row the journal knows nothing of any more
        elif not row.orphaned:
            if row.node not in run.attempts:
                self._dispatch(run, row)
        elif row.began and run.machine.crashes.get(row.node, 0) + 1 >= self.limits.max_crashes_per_task:
            text = f"CRASHED: its process died {self.limits.max_crashes_per_task} times while it ran"
            self._decide(run, Entry(ev.Failed(row.node, row.fence, "CRASHED", text)))
        else:
            self._decide(run, Entry(ev.Abandoned(row.node, row.fence, counted=row.began)))

    def _load_or_park(self, run_id: str) -> LiveRun | None:
        """A run from the store; one that cannot be read is parked, so that it does not hold up the others."""
        try:
            return self._load(run_id)
        except StoreUnavailable:
            raise
        except PenstockError as error:
            head = self.store.run(run_id)
            if head is not None:
                self._park(head, f"cannot be read: {error.message}", [])
            return None

    def _load(self, run_id: str) -> LiveRun:
        """A run from the store.  Raises RunNotFound, StoreError, DecodingError."""
        head = self.store.run(run_id)
        if head is None:
            raise RunNotFound(f"there is no run {run_id}")
        program = self._program(head.workflow)
        if program is not None and program.plan.structure == head.structure:
            run = LiveRun(head, self._layout(program.plan), program.style, program)
        else:
            data = self.store.plan(head.structure)
            if data is None:
                raise StoreError(f"the plan {head.structure} of run {run_id} is not in the store")
            run = LiveRun(head, self._layout(Plan.from_data(data)), self._styles[head.style], None)
        run.read_tail(self.store)
        run.resume_decisions(self.clock)
        if head.deadline_at is not None and head.status not in ENDED:
            self._deadline_at = min(self._deadline_at or head.deadline_at, head.deadline_at)
        return run

    def _layout(self, plan: Plan) -> Layout:
        layout = self._layouts.get(plan.structure)
        if layout is None:
            layout = self._layouts[plan.structure] = lay_out(plan)
        return layout

    def _park(self, head: RunRow, reason: str, waiters: list[Promise[LiveRun]]) -> None:
        """Take a run out of circulation that cannot be decided here; a person must look at it."""
        now = self.clock.now()
        parked = replace(head, status="paused", reason=reason, paused_at=now)
        try:
            self.store.commit([Change(parked, head.seq, [], now, park=True)])
        except StoreUnavailable:
            self._back_off(now)
            self._at(self._blocked_until, lambda: self._park(head, reason, []))
        for waiter in waiters:
            waiter.reject(StoreError(f"run {head.id} {reason}"))

    # -- the end

    def _begin_close(self, drain_seconds: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._close_at = self.clock.now() + int(drain_seconds * 1e6)
        for attempt in self._executor.withdraw_waiting():
            run = self._runs.get(attempt.run_id)
            if run is not None:
                run.attempts.pop(attempt.node, None)
        for attempt in list(self._executor.running):
            if attempt.deferred_at:
                attempt.handle.halt("the runner is shutting down")

    def _may_stop(self) -> bool:
        if self._executor.running and self.clock.now() < self._close_at:
            return False
        return not self._dirty or self.clock.now() >= self._close_at

    def _stop(self) -> None:
        """Leave everything that is not finished to the next runner."""
        self._closing = True
        for attempt in list(self._executor.running):
            attempt.handle.halt("the runner is shutting down")
        mine = [row for run in self._runs.values() for row in run.work.values() if row.owner == self.owner]
        with contextlib.suppress(StoreUnavailable, RunnerClosed):  # then the lease runs out, or the lock is found free
            if mine and self._broken is None:
                self.store.release(self.owner, mine)
            self.store.unregister(self.owner)
        self._executor.close()
        self._closed = True
        while True:  # acts that came too late: their promises must not be forgotten
            try:
                act = self._inbox.get_nowait()
            except Empty:
                break
            act()
        cause = self._broken
        for birth in self._births.values():
            birth.reject(_closed("the runner stopped before the run was accepted", cause))
        self._on_stopped()
        for run in self._runs.values():
            for waiter in run.waiters:
                waiter.reject(_closed(f"the runner stopped; run {run.row.id} goes on with the next one", cause))


class _Once(Promise[LiveRun]):
    """Passes a commit of the run on to another promise."""

    __slots__ = ("_answer", "_to")

    def __init__(self, to: Promise[bool], answer: bool) -> None:
        super().__init__()
        self._to, self._answer = to, answer

    def resolve(self, value: LiveRun) -> None:
        self._to.resolve(self._answer)

    def reject(self, error: BaseException) -> None:
        self._to.reject(error)


def _closed(text: str, cause: BaseException | None) -> RunnerClosed:
    error = RunnerClosed(text)
    error.__cause__ = cause
    return error


def _nothing() -> None:
    pass
