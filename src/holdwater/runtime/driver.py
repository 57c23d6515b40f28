"""The loop: drain what has come in, decide, commit it all in one transaction, dispatch what is now on disk.

One thread owns every live run, so nothing is locked and the order of decisions is the order of commits.  Everything
that waits while a commit is under way joins the next one: alone a change costs one commit, under load they group by
themselves.  Nothing polls: the loop sleeps until somebody posts an act or an instant comes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError, StoreUnavailable, StoreUnusable
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import AwaitChildren, Execute, Wake
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.log_context import mark_records
from holdwater.model.ports import AuthoringStyle, Clock, Store, WorkflowDefinition
from holdwater.model.records import Committed, Duplicate, Notification, RunRow, RunUpdate, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.runtime.active_run import ActiveRun, ClaimBudget
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.clock import synchronise
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.executors.base import ExecutorConfig
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.routing import Router
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.future import Future
from holdwater.runtime.handle import Children
from holdwater.runtime.internal_errors import InternalErrors, describe_recorded, internal_error, log_failure, logger
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.services.base import Supervised, perform
from holdwater.runtime.services.child_calls import ChildCall, ChildCalls
from holdwater.runtime.services.children import ChildRuns
from holdwater.runtime.services.claims import FAR, WorkClaimer
from holdwater.runtime.services.control import RunControl
from holdwater.runtime.services.deadlines import Deadlines
from holdwater.runtime.services.interruption import CallerInterruption
from holdwater.runtime.services.leases import Leases
from holdwater.runtime.services.retention import Retention
from holdwater.runtime.services.schedules import ScheduleConfig, Scheduler
from holdwater.runtime.timers import Timers

BATCH_LIMIT_ACTS: Final = 2000
LIVE_RUNS_KEPT: Final = 10_000
"""runs without work of this process that are kept in memory all the same, because they will soon have some"""
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 5.0
LOOP_TRIES: Final = 20
"""turns of the loop itself that may fail one after the other, with longer and longer pauses, before the runner ends"""


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """What a driver keeps to, and where it has bodies run.  Times in seconds.

    `name`: of the runner, for its logs.
    `own_runs_only`: of what others have left, only the runs of `Driver.include` and their children are taken up.
    `max_concurrent_async_tasks`: `async def` bodies on the default executor; None: they count as tasks like others.
    `retention_seconds`: runs that ended so long ago are forgotten; None: never.
    """

    max_concurrent_tasks: int = 4
    max_concurrent_async_tasks: int | None = 1000
    task_timeout_seconds: float = 300.0
    lease_seconds: float = 30.0
    scan_interval_seconds: float = 30.0
    prefetch_tasks: int = 256
    max_crashes_per_task: int = 10
    cancel_grace_seconds: float = 5.0
    recover: bool = True
    name: str = ""
    own_runs_only: bool = False
    retention_seconds: float | None = None
    executors: Mapping[str, ExecutorConfig] = field(default_factory=dict)
    routing: Router | None = None
    scheduling: ScheduleConfig = field(default_factory=ScheduleConfig)


@dataclass(slots=True)
class Accepted:
    """A run was accepted: it is on disk.  `live` is None if an earlier run with the same idempotency key was found."""

    row: RunRow
    live: ActiveRun | None


class Driver:
    """Runs everything one runner has started or claimed.  Its public methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        owner: str,
        limits: DriverConfig,
        clock: Clock,
        styles: Mapping[str, AuthoringStyle],
        program: Callable[[str], WorkflowDefinition | None],
        workflows: Callable[[], Collection[str]],
        head: Callable[[str, WorkflowDefinition, int], RunRow],
        on_stopped: Callable[[], None],
    ) -> None:
        """`head`: a new run of a workflow, born at an instant."""
        self.store, self.owner, self.limits, self.clock = store, owner, limits, clock
        self.lease_us = int(limits.lease_seconds * 1e6)
        self._program, self._names, self.head = program, workflows, head
        self.loader = RunLoader(store, styles, self._executable, clock)
        self._on_stopped = on_stopped
        self.faults = InternalErrors(clock)
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.executor = Dispatcher(
            limits.executors,
            limits.routing,
            limits.max_concurrent_tasks,
            limits.max_concurrent_async_tasks,
            self._on_attempt_done,
            self._on_defer,
            self._on_free,
        )
        self.runs: dict[str, ActiveRun] = {}
        self.dirty: dict[str, ActiveRun] = {}
        """runs with something to write"""
        self.agenda = Timers()
        self.deadlines = Deadlines(self, limits.task_timeout_seconds)
        self.leases = Leases(self)
        self._takeover = WorkClaimer(self)
        self.crash_suspects = CrashSuspects(self, self._takeover)
        self._scheduler = Scheduler(self)
        self._renewal = Supervised("leases", self.leases, self.faults, decisive=True)
        self._always = [Supervised("deadlines", self.deadlines, self.faults)]
        self._services = [
            self._renewal,
            Supervised("takeover of work", self._takeover, self.faults, decisive=True),
            Supervised("bodies that run apart", self.crash_suspects, self.faults, decisive=True),
            Supervised("schedules", self._scheduler, self.faults),
            Supervised("retention", Retention(store, clock, limits.retention_seconds), self.faults),
        ]
        """looked at unless the store is left alone, or the runner is closing"""
        self.tending = ChildRuns(self)
        self.children: Children | None = None
        self.steering = RunControl(self)
        self.interrupting = CallerInterruption(self)
        self.calls = ChildCalls(self)
        self.retries: dict[str, int] = {}
        """how often ended runs were made to go on from here"""
        self._births: dict[str, Future[Accepted]] = {}
        self._awaited: dict[str, list[Future[ActiveRun | None]]] = {}
        """promises of runs that live elsewhere"""
        self.hears = False
        """the store tells what other runners write"""
        self._plans: set[str] = set()
        self._blocked_until = 0
        self._pause_s = FIRST_PAUSE_SECONDS
        self._store_lost = False
        self._closing = False
        self._close_at = 0
        self._closed = False
        self._broken: BaseException | None = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="holdwater-driver", daemon=True)

    # -- from any thread

    def start(self) -> None:
        """Begin to work.  Raises StoreUnavailable."""
        synchronise(self.clock, self.store)
        self.store.register(self.owner)
        self.hears = self.store.listen(self._on_notification)
        self.clock.on_jump(self._wake_loop)
        mark_records()
        logger.info("runner %s works on %s", self._called, self.store.url)
        self._thread.start()

    def call_soon_strict(self, act: Callable[[], None], *asked: Future[Any]) -> None:
        """Have the loop call `act`; promises in `asked` are rejected with what it raises.  Raises RunnerClosed."""
        self.check_open()
        self._inbox.put(partial(_answered, act, asked) if asked else act)
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

    def submit(
        self, program: WorkflowDefinition, cells: dict[str, Any], row: RunRow
    ) -> tuple[Future[Accepted], Future[ActiveRun]]:
        """Start a run.  The first promise is kept when it is on disk with its first work claimed, the second when it
        has ended or waits for a person; that one only if it has no idempotency key.
        """
        birth: Future[Accepted] = Future()
        settled: Future[ActiveRun] = Future()
        self.call_soon_strict(lambda: self._begin(program, cells, row, birth, settled), birth, settled)
        return birth, settled

    def watch(self, run_id: str) -> Future[ActiveRun | None]:
        """Kept when the run ends or waits for a person; with None if that may be so and the run is not live here."""
        promise: Future[ActiveRun | None] = Future()
        self.call_soon_strict(lambda: self._watch(run_id, promise), promise)
        return promise

    def begin(self, run: ActiveRun) -> Future[Accepted]:
        """Start a run that was decided already; the promise is kept when it is on disk with its first work claimed."""
        birth: Future[Accepted] = Future()
        self.call_soon_strict(lambda: self.add_new_run(run, birth), birth)
        return birth

    def call(self, call: ChildCall) -> None:
        """Start a child run for a body, or find it; its promise is kept when that has ended.  Raises RunnerClosed."""
        self.call_soon_strict(lambda: self.calls.begin(call), call.promise)

    def control(self, run_id: str, event: Event, *, retry: bool = False) -> Future[bool]:
        """Journal an event of a person: cancel, pause, resume.  False if the run does not take it (any more).

        `retry`: `Resumed` is meant for a run that has ended; otherwise for one that is paused, and for no other.
        """
        promise: Future[bool] = Future()
        self.call_soon_strict(lambda: self.steering.control(run_id, event, retry, promise), promise)
        return promise

    def interrupt(self, run_id: str, told: Callable[[], None] = _do_nothing) -> Future[None]:
        """The caller of a run waits no more: pause it with its children, and tell the bodies to stop.

        `told` is called when they are.  The promise is kept when nothing of the run is executed here.  A run that
        another runner executes is left alone.  Raises RunnerClosed.
        """
        promise: Future[None] = Future()
        self.call_soon_strict(lambda: self.interrupting.begin(run_id, told, promise), promise)
        return promise

    def adopt(self, run_id: str) -> Future[int]:
        """Take over what nobody executes of a run, however far off: how many pieces of work that was."""
        promise: Future[int] = Future()
        self.call_soon_strict(lambda: promise.set_result(self._takeover.adopt(run_id)), promise)
        return promise

    def include(self, run_id: str) -> None:
        """Take up this run and its children, too, where a runner takes up its own runs only.  Raises RunnerClosed."""
        if self.limits.own_runs_only:
            self.call_soon_strict(lambda: self._takeover.include(run_id))

    def look_for_work(self) -> None:
        """A workflow was registered, or a schedule written: runs may go on, or be due."""
        with contextlib.suppress(RunnerClosed):
            self.call_soon_strict(self._look_for_work)

    def workflows(self) -> Collection[str]:
        """Names this runner can execute: it has the code, and the executors that code asks for."""
        return [name for name in self._names() if self._executable(name) is not None]

    def _executable(self, name: str) -> WorkflowDefinition | None:
        program = self._program(name)
        return program if program is not None and self.executor.serves(program) else None

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

    def call_soon(self, act: Callable[[], None]) -> None:
        """Have the loop call `act`, unless it has ended: from threads that have nobody to tell an error."""
        self._inbox.put(act)

    def _wake_loop(self) -> None:
        self._inbox.put(_do_nothing)
        self.leases.clock_was_set()

    def _on_notification(self, news: Notification) -> None:
        self._inbox.put(lambda: self._take_news(news))

    def _on_attempt_done(self, attempt: Attempt, entry: JournalEntry) -> None:
        self._inbox.put(lambda: self._take_end(attempt, entry))

    def _on_defer(self, attempt: Attempt, deferred: bool) -> None:
        self._inbox.put(lambda: self._defer(attempt, deferred))

    def _on_free(self) -> None:
        self._inbox.put(self._takeover.room_came_free)

    # -- the loop

    def _run(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    if self._turn():
                        break
                    failures = 0
                except RunnerClosed:
                    raise
                except Exception as error:
                    failures += 1
                    if failures == LOOP_TRIES:
                        raise
                    self.faults.add("the runner's loop, tried again later", error)
                    time.sleep(min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._broken = error
        finally:
            self._stop()

    def _turn(self) -> bool:
        """One turn of the loop; whether it was the last."""
        self._drain()
        self._tick()
        if self._commit() > 1:
            time.sleep(0)  # gives way: those just told post what they do next, and it joins one commit
        if self.interrupting.pending:
            self.interrupting.look()
        return self._closing and self._drained()

    def _drain(self) -> None:
        inbox = self._inbox
        try:
            act = inbox.get(timeout=self._next_timeout())
        except Empty:
            return
        self._call(act)
        for _ in range(BATCH_LIMIT_ACTS):
            try:
                act = inbox.get_nowait()
            except Empty:
                return
            self._call(act)

    def _call(self, act: Callable[[], None]) -> None:
        """What goes wrong in an act that came in is not the concern of those behind it."""
        try:
            act()
        except HoldwaterError as error:
            if not isinstance(act, partial):  # else it was told to who asked
                self.faults.add("a message to the runner's loop", error)
        except BaseException as error:  # noqa: BLE001
            self.faults.add("a message to the runner's loop", error)

    def _next_timeout(self) -> float | None:
        """How long nothing will be due."""
        now = self.clock.now()
        if self._blocked_until:  # no longer than a pause can be: the clock may have been set back
            self._blocked_until = min(self._blocked_until, now + int(LONGEST_PAUSE_SECONDS * 1e6))
        instants = [self._close_at] if self._closing else []
        if self.agenda.next is not None:
            instants.append(self.agenda.next)
        if self.dirty:
            instants.append(self._blocked_until)
        instants += [service.next_at(now) for service in self._always]
        instants += [service.next_at(now) for service in ([self._renewal] if self._closing else self._services)]
        return self.clock.seconds_until(max(min(instants), self._blocked_until))

    def _tick(self) -> None:
        """Do what has become due."""
        now = self.clock.now()
        for act in self.agenda.due(now):
            perform(act, now, self.agenda, self.faults)
        for service in self._always:
            service.look(now)
        if now >= self._blocked_until:
            try:
                for service in [self._renewal] if self._closing else self._services:
                    if service.look(now):
                        now = self.clock.now()  # the clock may have been set, and the store may have taken its time
                if self._store_lost:
                    self._store_answers()
            except StoreError as error:
                self.store_failed(error)
                for run in [run for run in self.dirty.values() if run.born]:  # its turn would not come as long as this
                    self._refuse(run, error)

    def store_failed(self, error: StoreError) -> int:
        """Leave the store alone for a while; returns until when.

        One that cannot be reached comes back.  One that refuses (its tables are gone, a right was revoked) may or may
        not: those who wait are told, and may wait again.
        """
        if isinstance(error, StoreUnusable) or not isinstance(error, StoreUnavailable):
            for run in self.runs.values():
                if not run.born:
                    run.reject(error)
                    run.done = Future()
        if not self._store_lost:
            self._store_lost = True
            logger.warning("the store cannot be used, and is tried again until it can: %s", error)
        return self.back_off()

    @property
    def _called(self) -> str:
        return f"{self.limits.name!r} ({self.owner})" if self.limits.name else self.owner

    @property
    def store_lost(self) -> bool:
        """Whether the store could not be used when it was last tried."""
        return self._store_lost

    def _store_answers(self) -> None:
        self._store_lost = False
        logger.warning("the store can be used again")

    # -- acts

    def _begin(
        self,
        program: WorkflowDefinition,
        cells: dict[str, Any],
        row: RunRow,
        birth: Future[Accepted],
        settled: Future[ActiveRun],
    ) -> None:
        if self._closing:
            birth.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            birth.chain(settled)
            return
        self.executor.check(program)
        run = ActiveRun(
            row, self.loader.compiled_plan(program.plan), program.style, program, born=True, settled=settled
        )
        run.decide(JournalEntry(ev.Started(cells)), self.clock)
        self.add_new_run(run, birth)

    def add_new_run(self, run: ActiveRun, birth: Future[Accepted]) -> None:
        """A run is born here."""
        if self._closing:
            birth.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            return
        self.deadlines.watch_run(run)
        if self.limits.own_runs_only:
            self._takeover.include(run.row.id)
        self._births[run.row.id] = birth
        self.runs[run.row.id] = self.dirty[run.row.id] = run

    def watched(self, run_id: str) -> Future[ActiveRun | None]:
        """`watch`, from the loop's own thread."""
        promise: Future[ActiveRun | None] = Future()
        self._watch(run_id, promise)
        return promise

    def _watch(self, run_id: str, promise: Future[ActiveRun | None]) -> None:
        run = self.runs.get(run_id)
        if run is not None:
            run.done.chain(promise)
            return
        self._awaited.setdefault(run_id, []).append(promise)
        try:
            head = self.store.run(run_id)  # looked at after it is known here: what ends later makes news
        except HoldwaterError:
            head = None
        except BaseException:
            self._keep_awaited([run_id])
            raise
        if not self.hears or head is None or head.status != RunStatus.RUNNING:
            self._keep_awaited([run_id])

    def news_of(self, run_id: str) -> Future[ActiveRun | None]:
        """Kept with None when anything is heard of a run that does not go on here.  From the loop's own thread."""
        promise: Future[ActiveRun | None] = Future()
        self._awaited.setdefault(run_id, []).append(promise)
        return promise

    def _keep_awaited(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            for promise in self._awaited.pop(run_id, ()):
                promise.set_result(None)

    def _take_news(self, news: Notification) -> None:
        if news.work:
            self._takeover.wanted = True
        if news.schedules:
            self._scheduler.wanted = True
        elif news.runs:
            self._scheduler.run_ended()
        self._takeover.stale.update(self.runs.keys() if news.runs is None else news.runs & self.runs.keys())
        self._keep_awaited([*self._awaited] if news.runs is None else news.runs & self._awaited.keys())

    def _take_end(self, attempt: Attempt, entry: JournalEntry) -> None:
        try:
            self.finish(attempt, entry)
        except BaseException as error:
            run = self.runs.get(attempt.run_id)
            if run is None:
                raise
            self.report_internal_error(run, error)

    def finish(self, attempt: Attempt, entry: JournalEntry) -> None:
        """An attempt has ended with this event."""
        run = self.runs.get(attempt.run_id)
        if run is None:
            return
        if run.attempts.get(attempt.node) is attempt:
            self.drop(run, attempt)
        if type(entry.event) is ev.Failed:
            log_failure(attempt, entry.event)
        if not self.decide(run, entry) and attempt.begins_again and type(entry.event) is ev.Cancelled:
            self.decide(
                run, JournalEntry(ev.AttemptLost(attempt.node, attempt.fence, counted=False))
            )  # and it begins again
        self.calls.finished(attempt)
        self._takeover.body_ended()

    def decide(self, run: ActiveRun, entry: JournalEntry) -> bool:
        """Decide, and carry a halt to the bodies that run.  A run whose data cannot be read here is parked."""
        try:
            return self._decide(run, entry)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self.park_run(run, f"cannot go on here: {error.message}")
        except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
            self.report_internal_error(run, error)
        return False

    def _decide(self, run: ActiveRun, entry: JournalEntry) -> bool:
        taken = run.decide(entry, self.clock)
        if taken:
            self.dirty[run.row.id] = run
            if run.done.done and run.machine.status == "running":
                run.done = Future()
            if run.to_cancel:
                self.steering.cancel_running(run)
            if run.awaiting_children:
                self.tending.look(run)
        return taken

    def park_run(self, run: ActiveRun, reason: str) -> None:
        """Park a run this process can do nothing more for, with the work it holds of it."""
        self._park_run(run, reason, StoreError(f"run {run.row.id} {reason}"))

    def report_internal_error(self, run: ActiveRun, error: BaseException) -> None:
        """Something that is no answer of a body has gone wrong for this run: it is refused, or parked, and no other."""
        run = self.runs.get(run.row.id, run)
        self.faults.add(f"run {run.row.id}", error)
        if run.born:
            self._refuse(run, internal_error(f"run {run.row.id} was not accepted", error))
        else:
            answer = internal_error(f"run {run.row.id} cannot go on here", error)
            self._park_run(run, f"cannot go on because of an internal error: {describe_recorded(error)}", answer)

    def _report_recorded_error(self, run: ActiveRun, error: BaseException) -> None:
        """The same just after a commit, which may have been the run's first."""
        birth = self._births.pop(run.row.id, None)
        if birth is not None:
            birth.set_exception(internal_error(f"run {run.row.id} is recorded, and cannot go on here", error))
        run.born = False
        self.report_internal_error(run, error)

    def _park_run(self, run: ActiveRun, reason: str, answer: HoldwaterError) -> None:
        """`answer`: what those who wait are told."""
        self.runs.pop(run.row.id, None)
        self.dirty.pop(run.row.id, None)
        self._takeover.park(run.row, reason)
        run.reject(answer)
        for attempt in run.attempts.values():
            try:
                attempt.handle.request_cancel(reason)
                if attempt.end():
                    attempt.executor.detach(attempt)
            except BaseException as error:  # noqa: BLE001 - it is parked, and the others have to be told as well
                self.faults.add(f"telling a body of run {run.row.id}", error)

    def _defer(self, attempt: Attempt, deferred: bool) -> None:
        self.deadlines.deferred(attempt, deferred, self.clock.now())
        if deferred:
            self.crash_suspects.deferred(attempt)

    def _look_for_work(self) -> None:
        self._takeover.wanted = self._scheduler.wanted = True

    # -- commit

    def _commit(self) -> int:
        """Write everything decided; then act on it.  Returns how many runs were written."""
        written = 0
        for attempt in self.executor.take_begun():
            run = self.runs.get(attempt.run_id)
            if run is not None and attempt.state == "running" and run.holds(attempt):
                run.begun.append(attempt)
                self.dirty[attempt.run_id] = run
        while self.dirty and self.clock.now() >= self._blocked_until:
            runs = [run for run in self.dirty.values() if run.dirty]
            self.dirty = {}
            if not runs:
                break
            if any([run.machine.crashes for run in runs]):
                runs.sort(
                    key=lambda run: not self.crash_suspects.is_suspect(run)
                )  # nothing else begins before a suspect
            now = self.clock.now()
            allowance = self.allowance(now)
            changes: list[RunUpdate] = []
            sound: list[ActiveRun] = []
            for run in runs:
                try:
                    changes.append(run.change(now, allowance))
                    sound.append(run)
                except BaseException as error:  # noqa: BLE001 - the others are to be written
                    self.report_internal_error(run, error)
            if not self._write(sound, changes):
                break
            written += len(runs)
            self.note_unclaimed(allowance)
        return written

    def allowance(self, now: int) -> ClaimBudget:
        """What this runner may take for itself of the work that a transaction creates now."""
        begins = not (self._closing or self.crash_suspects.active)
        return ClaimBudget(
            self.owner,
            now + self.lease_us,
            self.limits.prefetch_tasks - self.executor.backlog,
            self.executor.slots() if begins else {},
            self.slots_ahead(now) if begins else {},
            self.executor.route,
            self._plans,
            self.crash_suspects.after,
            begins,
            now + self.lease_us if self.limits.recover else FAR,
        )

    def slots_ahead(self, now: int) -> dict[Executor, int]:
        """How much more may be leased ahead of each executor.

        By the pace of its bodies; a runner that takes over nothing keeps what is its own, as far as it has room.
        """
        return self.executor.ahead(now, self.limits.prefetch_tasks, measured=self.limits.recover)

    def note_unclaimed(self, allowance: ClaimBudget) -> None:
        """A transaction with this allowance is on disk."""
        if allowance.left and not self._closing:
            self._takeover.await_room(allowance.left)

    def claimable(self, full: Collection[Executor]) -> tuple[list[str], list[tuple[str, int]]]:
        """Workflows with bodies that run on other executors than these, and the (workflow, node) pairs that do not."""
        names: list[str] = []
        passed_over: list[tuple[str, int]] = []
        for name in self._names():
            program = self._executable(name)
            if program is None:
                continue
            waiting = self.executor.nodes_at(program, full)
            if len(waiting) < len(program.plan.nodes):
                names.append(name)
                passed_over += [(name, node) for node in waiting]
        return names, passed_over

    def add_committed_run(self, run: ActiveRun, change: RunUpdate) -> None:
        """A run came into the store by a transaction that was not `_commit`'s."""
        self.runs[run.row.id] = run
        self._births[run.row.id] = Future()
        try:
            self.deadlines.watch_run(run)
            self._committed(run, change)
        except BaseException as error:  # noqa: BLE001 - it is on disk, and so are others
            self._report_recorded_error(run, error)

    def commit_outcome_unknown(self) -> None:
        """The store failed in a transaction with births: perhaps it took effect."""
        self._takeover.in_doubt = True

    def _write(self, runs: list[ActiveRun], changes: list[RunUpdate]) -> bool:
        """False if the store cannot be written now: what is not born waits, and those who wait are told."""
        if not runs:
            return True
        try:
            verdicts = self.store.commit(changes)
        except StoreUnavailable as error:
            self.store_failed(error)
            for run in runs:
                if run.born:  # not accepted: whoever asked is told, and may ask again
                    self._takeover.in_doubt = True
                    self._refuse(run, error)
                else:
                    self.dirty[run.row.id] = run
            return False
        except RunnerClosed:
            raise
        except BaseException as error:  # noqa: BLE001 - it may be about one of them: that one is refused alone
            if len(runs) == 1:
                self._refuse_change(runs[0], error)
                return True
            half = len(runs) // 2
            parts = [slice(0, half), slice(half, None)]
            return all([self._write(runs[part], changes[part]) for part in parts])
        self._pause_s = FIRST_PAUSE_SECONDS
        if self._store_lost:
            self._store_answers()
        for run, change, verdict in zip(runs, changes, verdicts, strict=True):
            try:
                if isinstance(verdict, Committed):
                    self._committed(run, change)
                elif isinstance(verdict, Duplicate):
                    del self.runs[run.row.id]
                    self._takeover.include(verdict.run.id)
                    self._births.pop(run.row.id).set_result(Accepted(verdict.run, None))
                else:
                    self.reload(run)
            except BaseException as error:  # noqa: BLE001 - the others are on disk, and go on
                if isinstance(verdict, Committed):
                    self._report_recorded_error(run, error)
                else:
                    self.report_internal_error(run, error)
        return True

    def _refuse_change(self, run: ActiveRun, error: BaseException) -> None:
        """The store does not take what is to be written of this run, whatever else it takes."""
        if not isinstance(error, StoreError):
            self._takeover.in_doubt = True  # nobody knows what it did
            self.report_internal_error(run, error)
        elif run.born:
            self._refuse(run, error)
        else:
            self.park_run(run, f"cannot be written: {error.message}")

    def sample_clock(self) -> None:
        """Set the clock by its reference.  Raises StoreUnavailable."""
        jump = self.clock.adjust(self.store.clock_sample())
        if jump:
            self.deadlines.shift(jump)

    @property
    def blocked_until(self) -> int:
        """The store is left alone until then."""
        return self._blocked_until

    def back_off(self) -> int:
        """Leave the store alone for a while, longer each time; returns until when."""
        self._blocked_until = self.clock.now() + int(self._pause_s * 1e6)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_SECONDS)
        return self._blocked_until

    def _refuse(self, run: ActiveRun, error: BaseException) -> None:
        self.runs.pop(run.row.id, None)
        self.dirty.pop(run.row.id, None)
        birth = self._births.pop(run.row.id, None)
        if birth is not None:
            birth.set_exception(error)
        run.reject(error)

    def _committed(self, run: ActiveRun, change: RunUpdate) -> None:
        deadline = run.row.deadline_at
        run.saved(change, more=self._is_pending(run))
        if run.row.deadline_at != deadline:
            self.deadlines.watch_run(run)
        self.deadlines.committed(run)
        if change.is_new:
            self._plans.add(run.row.structure)
            self._births.pop(run.row.id).set_result(Accepted(run.row, run))
        for row in change.work_added:
            if row.owner == self.owner:
                self.dispatch(run, row)
        for node, _ in change.started:
            if node not in run.attempts and node in run.work:
                self.dispatch(run, run.work[node])
        if self.runs.get(run.row.id) is not run:  # it was parked while its work was begun
            return
        if change.parked is False:
            self._takeover.wanted = True
        if self._is_pending(run):  # what it has come to is told with the commit that says so
            return
        if run.machine.status != "running":
            run.done.set_result(run)
            self._keep_awaited([run.row.id])  # asked for before it came here; nobody hears their own news
            self._scheduler.run_ended()
        elif run.done.done:
            run.done = Future()
        if run.confirmations:
            confirmations, run.confirmations = run.confirmations, []
            for _, confirmation in confirmations:
                confirmation.set_result(True)
        if self.calls.over:
            self.calls.committed(run)
        self._forget_if_idle(run)

    def _is_pending(self, run: ActiveRun) -> bool:
        """More was decided than the change that is on disk: it followed from other changes of that transaction."""
        return run.row.id in self.dirty and run.dirty

    def _forget_if_idle(self, run: ActiveRun) -> None:
        """Keep only what this process has to do with: work of its own, or somebody who waits."""
        if run.machine.ended:
            self.runs.pop(run.row.id, None)
            self.calls.ended(run)
            self.tending.ended(run)
        elif len(self.runs) > LIVE_RUNS_KEPT or run.machine.status == "paused":
            mine = run.attempts or any(row.owner == self.owner for row in run.work.values())
            if not mine:
                self.runs.pop(run.row.id, None)
                run.done.set_result(run)  # whoever waits asks the store from now on

    def reload(self, run: ActiveRun) -> None:
        """Somebody else advanced the run: read what they wrote, and offer again what was decided here."""
        pending = [e for e in run.unsaved if not _follows_from_others(e)]
        try:
            fresh = self.loader.load(run.row.id)
        except StoreUnavailable:  # it stays undecided: the next commit meets the same conflict
            self.back_off()
            self.dirty[run.row.id] = run
            return
        except HoldwaterError as error:
            self._refuse(run, error)
            return
        fresh.attempts, fresh.suspects, fresh.stopped_at = run.attempts, run.suspects, run.stopped_at
        fresh.done, fresh.confirmations = run.done, run.confirmations
        self.runs[run.row.id] = self.dirty[run.row.id] = fresh
        birth = self._births.pop(run.row.id, None)
        if birth is not None:
            birth.set_result(Accepted(fresh.row, None))
        retry = run.row.finished_at is not None
        written = {journal.encode(entry) for entry in fresh.entries[run.row.seq :]}
        for entry in pending:
            meant = type(entry.event) is not ev.Resumed or fresh.machine.ended == retry
            if not (meant and self.decide(fresh, entry)):  # perhaps because it was written, and the answer was lost
                fresh.confirm(entry.event, journal.encode(entry) in written)
        for attempt in list(fresh.attempts.values()):
            command = fresh.machine.todo.get(attempt.node)
            if type(command) is not Execute or command.fence != attempt.fence:
                self.abandon_runs(fresh, attempt)
        if fresh.machine.suspended:
            self.steering.withdraw(fresh)
        elif fresh.machine.halted:
            fresh.to_cancel = [node for node, command in fresh.machine.todo.items() if type(command) is Execute]
            self.steering.cancel_running(fresh)
        for row in list(fresh.work.values()):  # ours, written by a commit whose answer was lost
            if row.owner == self.owner and row.node not in fresh.attempts and row.node not in fresh.touched:
                self.dispatch(fresh, row)
        if not fresh.dirty:
            self.calls.committed(fresh)
        if not fresh.dirty and fresh.machine.status != "running":
            fresh.done.set_result(fresh)
            self._forget_if_idle(fresh)

    def abandon_runs(self, run: ActiveRun, attempt: Attempt) -> None:
        """Somebody else has the work: the body is told, and its slot goes on."""
        attempt.handle.request_cancel("another runner took it over")
        attempt.end()
        attempt.executor.detach(attempt)
        self.drop(run, attempt)

    def drop(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt of the run is over here."""
        del run.attempts[attempt.node]
        self.deadlines.dropped(run, attempt)

    def recheck(self, run: ActiveRun) -> None:
        """Somebody else may have advanced it: read what they wrote, soon."""
        self._takeover.stale.add(run.row.id)

    # -- dispatch

    def dispatch(self, run: ActiveRun, row: WorkRow) -> None:
        """Start what is on disk and ours: a timer, or a body."""
        command = run.machine.todo.get(row.node)
        if type(command) is Wake and command.at is not None:
            self.agenda.call_at(command.at, lambda: self._wake(run.row.id, row.node, command.at))
        elif type(command) is AwaitChildren:
            self.tending.start(run, row.node)
        elif type(command) is Execute and run.machine.halted:  # cancelled before it was read here: nothing begins
            self.decide(run, JournalEntry(ev.Cancelled(row.node, command.fence)))
        elif type(command) is Execute and run.program is not None and not run.machine.suspended:
            if not self.crash_suspects.admits(run, row):
                return
            try:
                self._start(run, row, command, run.program)
            except HoldwaterError as error:
                text = f"{type(error).__name__}: {error.message}"
                self.decide(run, JournalEntry(ev.Failed(row.node, command.fence, type(error).__name__, text)))

    def _start(self, run: ActiveRun, row: WorkRow, command: Execute, program: WorkflowDefinition) -> None:
        """Hand a body to its executor.  Raises HoldwaterError if its inputs cannot be read here."""
        node, timeout_s = row.node, self.limits.task_timeout_seconds
        view = run.board.view(node)
        attempt = Attempt(run.row.id, node, command.fence, command.attempt, program, view, timeout_s, self.clock)
        attempt.children, attempt.epoch, attempt.turn = self.children, run.began_at, command.turn
        if run.inherited and run.entries:
            attempt.not_before = run.entries[-1].at
        self.leases.watch(attempt, row)
        executor = self.executor.route(program, node)
        run.attempts[node] = attempt
        executor.submit(attempt)
        self.deadlines.watch_attempt(run, attempt, self.clock.now())
        self.crash_suspects.began(attempt)

    def _wake(self, run_id: str, node: int, at: int | None) -> None:
        run = self.runs.get(run_id)
        command = None if run is None else run.machine.todo.get(node)
        if run is not None and type(command) is Wake and command.at == at:
            self.decide(run, JournalEntry(ev.TimerFired(node)))

    # -- the end

    def _begin_close(self, drain_seconds: float) -> None:
        if self._closing:
            return
        self._closing = True
        self._close_at = self.clock.now() + int(drain_seconds * 1e6)
        for attempt in self.executor.withdraw_waiting():
            run = self.runs.get(attempt.run_id)
            if run is not None:
                run.attempts.pop(attempt.node, None)
        for run in self.runs.values():
            for attempt in list(run.attempts.values()):
                if attempt.withdraw():  # handed to a thread, and not begun
                    del run.attempts[attempt.node]
        self._hand_back_running()

    def _hand_back_running(self) -> None:
        """Tell all bodies that run to stop."""
        attempts = {attempt for run in self.runs.values() for attempt in run.attempts.values()}
        for attempt in self.executor.running | attempts:
            attempt.hand_back("the runner is shutting down")

    def _drained(self) -> bool:
        running = self.executor.running or any([run.attempts for run in self.runs.values()])
        if running and self.clock.now() < self._close_at:
            return False
        return not self.dirty or self.clock.now() >= self._close_at

    def _stop(self) -> None:
        """Leave everything that is not finished to the next runner."""
        self._closing = True
        logger.info("runner %s stops", self._called)
        self._hand_back_running()
        self.executor.close()  # before anybody else may begin what was killed here
        self.leases.close()
        mine = [row for run in self.runs.values() for row in run.work.values() if row.owner == self.owner]
        try:
            if mine and self._broken is None:
                self.store.release(self.owner, mine)
            self.store.unregister(self.owner)
        except (StoreUnavailable, RunnerClosed):
            pass  # then the lease runs out, or the lock is found free
        except BaseException as error:  # noqa: BLE001 - those who wait must hear that it ends all the same
            self.faults.add("releasing work at the end", error)
        self._closed = True
        self.interrupting.close()
        while True:  # acts that came too late: their promises must not be forgotten
            try:
                act = self._inbox.get_nowait()
            except Empty:
                break
            self._call(act)
        cause = self._broken
        for birth in self._births.values():
            birth.set_exception(_closed("the runner stopped before the run was accepted", cause))
        self._call(self._on_stopped)
        for run in self.runs.values():
            run.reject(_closed(f"the runner stopped; run {run.row.id} goes on with the next one", cause))
        self.calls.close(_closed("the runner stopped", cause))
        self._keep_awaited([*self._awaited])


def _answered(act: Callable[[], None], asked: Sequence[Future[Any]]) -> None:
    """Whatever goes wrong in an act, who waits for it must hear of it."""
    try:
        act()
    except BaseException as error:
        answer = error if isinstance(error, HoldwaterError) else internal_error("it could not be done", error)
        for promise in asked:
            promise.set_exception(answer)
        raise


def _follows_from_others(entry: JournalEntry) -> bool:
    """It is not offered again after a conflict, but decided again; so is the end of what nobody was thought to have."""
    return isinstance(entry.event, (ev.RuleEvaluated, ev.TimerSet)) or (
        type(entry.event) is ev.Cancelled and not entry.ended
    )


def _closed(text: str, cause: BaseException | None) -> RunnerClosed:
    error = RunnerClosed(text)
    error.__cause__ = cause
    return error
