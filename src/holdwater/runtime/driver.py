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
from typing import Any, Final, Protocol

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError, StoreUnavailable, StoreUnusable
from holdwater.model import events as ev
from holdwater.model import journal
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.log_context import install_record_factory
from holdwater.model.ports import AuthoringStyle, Clock, Store, WorkflowDefinition
from holdwater.model.records import Committed, Duplicate, Notification, RunRow, RunUpdate, WorkRow
from holdwater.model.statuses import RunStatus
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.runtime.active_run import ActiveRun, ClaimBudget
from holdwater.runtime.attempt import Attempt, AttemptObserver
from holdwater.runtime.clock import synchronise
from holdwater.runtime.crash_suspects import CrashSuspects
from holdwater.runtime.executors.base import ExecutorConfig
from holdwater.runtime.executors.dispatch import Dispatcher
from holdwater.runtime.executors.routing import Router
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.future import Future
from holdwater.runtime.handle import ChildStarter
from holdwater.runtime.internal_errors import (
    InternalErrors,
    describe_recorded,
    internal_error,
    log_attempt_failure,
    logger,
)
from holdwater.runtime.journal_watchers import JournalWatchers
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.services.base import SupervisedService, run_timer
from holdwater.runtime.services.child_calls import ChildCall, ChildCalls
from holdwater.runtime.services.children import ChildRuns
from holdwater.runtime.services.claims import FAR_FUTURE, WorkClaimer
from holdwater.runtime.services.control import RunControl
from holdwater.runtime.services.deadlines import Deadlines
from holdwater.runtime.services.interruption import CallerInterruption
from holdwater.runtime.services.leases import LeaseKeeper
from holdwater.runtime.services.retention import Retention
from holdwater.runtime.services.schedules import ScheduleConfig, Scheduler
from holdwater.runtime.timers import Timers

MAX_CALLBACKS_PER_BATCH: Final = 2000
MAX_ACTIVE_RUNS: Final = 10_000
"""runs without work of this process that are kept in memory all the same, because they will soon have some"""
MIN_RETRY_DELAY_SECONDS: Final = 0.05
MAX_RETRY_DELAY_SECONDS: Final = 5.0
MAX_LOOP_FAILURES: Final = 20
"""turns of the loop itself that may fail one after the other, with longer and longer pauses, before the runner ends"""


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverConfig:
    """What a driver keeps to, and where it has bodies run.  Times in seconds.

    `name`: of the runner, for its logs.
    `own_runs_only`: of what others have left, only the runs of `Driver.include_run` and their children are taken up.
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
    router: Router | None = None
    scheduling: ScheduleConfig = field(default_factory=ScheduleConfig)


@dataclass(slots=True)
class Accepted:
    """A run was accepted: it is on disk.  `live` is None if an earlier run with the same idempotency key was found."""

    row: RunRow
    active_run: ActiveRun | None


class RunObserver(AttemptObserver, Protocol):
    """A listener to the runs a driver executes."""

    def on_committed(self, run: ActiveRun, new_entries: int) -> None:
        """Take note of new journal entries that are on disk; in the driver's thread, before their work begins."""


class Driver:
    """Runs everything one runner has started or claimed.  Its public methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        owner: str,
        config: DriverConfig,
        clock: Clock,
        styles: Mapping[str, AuthoringStyle],
        find_definition: Callable[[str], WorkflowDefinition | None],
        registered_workflows: Callable[[], Collection[str]],
        new_run_row: Callable[[str, WorkflowDefinition, Micros], RunRow],
        on_stopped: Callable[[], None],
    ) -> None:
        """`head`: a new run of a workflow, born at an instant."""
        self.store, self.owner, self.config, self.clock = store, owner, config, clock
        self.lease_us = int(config.lease_seconds * 1e6)
        self._find_definition, self._registered_workflows, self.new_run_row = (
            find_definition,
            registered_workflows,
            new_run_row,
        )
        self.run_loader = RunLoader(store, styles, self._executable_definition, clock)
        self._on_stopped = on_stopped
        self.error_log = InternalErrors(clock)
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.dispatcher = Dispatcher(
            config.executors,
            config.router,
            config.max_concurrent_tasks,
            config.max_concurrent_async_tasks,
            self._on_attempt_done,
            self._on_deferral_changed,
            self._on_slot_free,
        )
        self.active_runs: dict[str, ActiveRun] = {}
        self.unsaved_runs: dict[str, ActiveRun] = {}
        """runs with something to write"""
        self.timers = Timers()
        self.deadlines = Deadlines(self, config.task_timeout_seconds)
        self.lease_keeper = LeaseKeeper(self)
        self._work_claimer = WorkClaimer(self)
        self.crash_suspects = CrashSuspects(self, self._work_claimer)
        self._scheduler = Scheduler(self)
        self._lease_service = SupervisedService("leases", self.lease_keeper, self.error_log, critical=True)
        self._unpausable_services = [SupervisedService("deadlines", self.deadlines, self.error_log)]
        self._services = [
            self._lease_service,
            SupervisedService("takeover of work", self._work_claimer, self.error_log, critical=True),
            SupervisedService("bodies that run apart", self.crash_suspects, self.error_log, critical=True),
            SupervisedService("schedules", self._scheduler, self.error_log),
            SupervisedService("retention", Retention(store, clock, config.retention_seconds), self.error_log),
        ]
        """looked at unless the store is left alone, or the runner is closing"""
        self.journal_watchers = JournalWatchers()
        self.observer: RunObserver | None = None
        self.fan_out_children = ChildRuns(self)
        self.child_starter: ChildStarter | None = None
        self.run_control = RunControl(self)
        self.interruptions = CallerInterruption(self)
        self.child_calls = ChildCalls(self)
        self.retry_counts: dict[str, int] = {}
        """how often ended runs were made to go on from here"""
        self._acceptances: dict[str, Future[Accepted]] = {}
        self._external_waiters: dict[str, list[Future[ActiveRun | None]]] = {}
        """promises of runs that live elsewhere"""
        self.has_notifications = False
        """the store tells what other runners write"""
        self._stored_structures: set[str] = set()
        self._store_retry_at = UNSET
        self._store_retry_delay_seconds = MIN_RETRY_DELAY_SECONDS
        self._is_store_unavailable = False
        self._is_closing = False
        self._drain_until = UNSET
        self._is_closed = False
        self._fatal_error: BaseException | None = None
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._thread_main, name="holdwater-driver", daemon=True)

    # -- from any thread

    def start(self) -> None:
        """Begin to work.  Raises StoreUnavailable."""
        synchronise(self.clock, self.store)
        self.store.register_owner(self.owner)
        self.has_notifications = self.store.listen(self._on_notification)
        self.clock.on_jump(self._wake_loop)
        install_record_factory()
        logger.info("runner %s works on %s", self._log_name, self.store.url)
        self._thread.start()

    def call_soon_strict(self, act: Callable[[], None], *asked: Future[Any]) -> None:
        """Have the loop call `act`; promises in `asked` are rejected with what it raises.  Raises RunnerClosed."""
        self.raise_if_closed()
        self._inbox.put(partial(_run_reporting_to, act, asked) if asked else act)
        if self._is_closed:  # it came too late to be sure that anybody will look at it
            self.raise_if_closed()

    def raise_if_closed(self) -> None:
        """Raises RunnerClosed if the runner no longer works, and why."""
        if os.getpid() != self._pid:
            raise RunnerClosed(
                "this runner belongs to the parent process", hint="create a new runner in the child, after the fork"
            )
        if self._fatal_error is not None:
            raise RunnerClosed(
                "this runner stopped after an internal error; its runs are recorded"
            ) from self._fatal_error
        if self._is_closing:
            raise RunnerClosed("this runner was shut down; its unfinished runs go on with the next one")

    def submit_run(
        self, definition: WorkflowDefinition, inputs: dict[str, Any], row: RunRow
    ) -> tuple[Future[Accepted], Future[ActiveRun]]:
        """Start a run.  The first promise is kept when it is on disk with its first work claimed, the second when it
        has ended or waits for a person; that one only if it has no idempotency key.
        """
        acceptance: Future[Accepted] = Future()
        settled: Future[ActiveRun] = Future()
        self.call_soon_strict(
            lambda: self._add_submitted_run(definition, inputs, row, acceptance, settled), acceptance, settled
        )
        return acceptance, settled

    def done_future(self, run_id: str) -> Future[ActiveRun | None]:
        """Kept when the run ends or waits for a person; with None if that may be so and the run is not live here."""
        future: Future[ActiveRun | None] = Future()
        self.call_soon_strict(lambda: self._add_waiter(run_id, future), future)
        return future

    def submit_prepared_run(self, run: ActiveRun) -> Future[Accepted]:
        """Start a run that was decided already; the promise is kept when it is on disk with its first work claimed."""
        acceptance: Future[Accepted] = Future()
        self.call_soon_strict(lambda: self.add_new_run(run, acceptance), acceptance)
        return acceptance

    def start_child_call(self, call: ChildCall) -> None:
        """Start a child run for a body, or find it; its promise is kept when that has ended.  Raises RunnerClosed."""
        self.call_soon_strict(lambda: self.child_calls.start_call(call), call.future)

    def request_control_event(self, run_id: str, event: Event, *, retry: bool = False) -> Future[bool]:
        """Journal an event of a person: cancel, pause, resume.  False if the run does not take it (any more).

        `retry`: `Resumed` is meant for a run that has ended; otherwise for one that is paused, and for no other.
        """
        future: Future[bool] = Future()
        self.call_soon_strict(lambda: self.run_control.handle_control_request(run_id, event, retry, future), future)
        return future

    def interrupt_run(self, run_id: str, on_cancel_requested: Callable[[], None] = _do_nothing) -> Future[None]:
        """The caller of a run waits no more: pause it with its children, and tell the bodies to stop.

        `told` is called when they are.  The promise is kept when nothing of the run is executed here.  A run that
        another runner executes is left alone.  Raises RunnerClosed.
        """
        future: Future[None] = Future()
        self.call_soon_strict(lambda: self.interruptions.interrupt_run(run_id, on_cancel_requested, future), future)
        return future

    def claim_run(self, run_id: str) -> Future[int]:
        """Take over what nobody executes of a run, however far off: how many pieces of work that was."""
        future: Future[int] = Future()
        self.call_soon_strict(lambda: future.set_result(self._work_claimer.claim_run(run_id)), future)
        return future

    def include_run(self, run_id: str) -> None:
        """Take up this run and its children, too, where a runner takes up its own runs only.  Raises RunnerClosed."""
        if self.config.own_runs_only:
            self.call_soon_strict(lambda: self._work_claimer.include_run(run_id))

    def check_for_work(self) -> None:
        """A workflow was registered, or a schedule written: runs may go on, or be due."""
        with contextlib.suppress(RunnerClosed):
            self.call_soon_strict(self._check_for_work)

    def executable_workflows(self) -> Collection[str]:
        """Names this runner can execute: it has the code, and the executors that code asks for."""
        return [name for name in self._registered_workflows() if self._executable_definition(name) is not None]

    def _executable_definition(self, name: str) -> WorkflowDefinition | None:
        definition = self._find_definition(name)
        return definition if definition is not None and self.dispatcher.can_execute(definition) else None

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Let running bodies end for that long, then leave the rest to the next runner.  Idempotent.

        `wait`: return when it is done; otherwise the driver's own thread sees to it.
        """
        if os.getpid() != self._pid:
            return
        if not self._is_closed:
            self._inbox.put(lambda: self._start_closing(drain_seconds))
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Have the loop call `act`, unless it has ended: from threads that have nobody to tell an error."""
        self._inbox.put(callback)

    def _wake_loop(self) -> None:
        self._inbox.put(_do_nothing)
        self.lease_keeper.on_clock_set()

    def _on_notification(self, notification: Notification) -> None:
        self.journal_watchers.on_notification(notification)
        self._inbox.put(lambda: self._handle_notification(notification))

    def _on_attempt_done(self, attempt: Attempt, entry: JournalEntry) -> None:
        self._inbox.put(lambda: self._handle_attempt_end(attempt, entry))

    def _on_deferral_changed(self, attempt: Attempt, is_deferred: bool) -> None:
        self._inbox.put(lambda: self._handle_deferral_change(attempt, is_deferred))

    def _on_slot_free(self) -> None:
        self._inbox.put(self._work_claimer.on_slot_free)

    # -- the loop

    def _thread_main(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    if self._run_once():
                        break
                    failures = 0
                except RunnerClosed:
                    raise
                except Exception as error:
                    failures += 1
                    if failures == MAX_LOOP_FAILURES:
                        raise
                    self.error_log.add("the runner's loop, tried again later", error)
                    time.sleep(min(MIN_RETRY_DELAY_SECONDS * 2**failures, MAX_RETRY_DELAY_SECONDS))
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._fatal_error = error
        finally:
            self._shut_down()

    def _run_once(self) -> bool:
        """One turn of the loop; whether it was the last."""
        self._process_inbox()
        self._run_due()
        if self._commit_unsaved_runs() > 1:
            time.sleep(0)  # gives way: those just told post what they do next, and it joins one commit
        if self.interruptions.has_pending:
            self.interruptions.advance()
        return self._is_closing and self._drained()

    def _process_inbox(self) -> None:
        inbox = self._inbox
        try:
            callback = inbox.get(timeout=self._next_timeout())
        except Empty:
            return
        self._run_callback(callback)
        for _ in range(MAX_CALLBACKS_PER_BATCH):
            try:
                callback = inbox.get_nowait()
            except Empty:
                return
            self._run_callback(callback)

    def _run_callback(self, callback: Callable[[], None]) -> None:
        """What goes wrong in an act that came in is not the concern of those behind it."""
        try:
            callback()
        except HoldwaterError as error:
            if not isinstance(callback, partial):  # else it was told to who asked
                self.error_log.add("a message to the runner's loop", error)
        except BaseException as error:  # noqa: BLE001
            self.error_log.add("a message to the runner's loop", error)

    def _next_timeout(self) -> float | None:
        """How long nothing will be due."""
        now = self.clock.now()
        if self._store_retry_at:  # no longer than a pause can be: the clock may have been set back
            self._store_retry_at = min(self._store_retry_at, add_seconds(now, MAX_RETRY_DELAY_SECONDS))
        instants = [self._drain_until] if self._is_closing else []
        if self.timers.next_due_at is not None:
            instants.append(self.timers.next_due_at)
        if self.unsaved_runs:
            instants.append(self._store_retry_at)
        instants += [service.next_due_at(now) for service in self._unpausable_services]
        instants += [
            service.next_due_at(now) for service in ([self._lease_service] if self._is_closing else self._services)
        ]
        return self.clock.seconds_until(max(min(instants), self._store_retry_at))

    def _run_due(self) -> None:
        """Do what has become due."""
        now = self.clock.now()
        for callback in self.timers.pop_due(now):
            run_timer(callback, now, self.timers, self.error_log)
        for service in self._unpausable_services:
            service.run_due(now)
        if now >= self._store_retry_at:
            try:
                for service in [self._lease_service] if self._is_closing else self._services:
                    if service.run_due(now):
                        now = self.clock.now()  # the clock may have been set, and the store may have taken its time
                if self._is_store_unavailable:
                    self._on_store_available()
            except StoreError as error:
                self.on_store_error(error)
                for run in [
                    run for run in self.unsaved_runs.values() if run.is_new
                ]:  # its turn would not come as long as this
                    self._reject_run(run, error)

    def on_store_error(self, error: StoreError) -> Micros:
        """Leave the store alone for a while; returns until when.

        One that cannot be reached comes back.  One that refuses (its tables are gone, a right was revoked) may or may
        not: those who wait are told, and may wait again.
        """
        if isinstance(error, StoreUnusable) or not isinstance(error, StoreUnavailable):
            for run in self.active_runs.values():
                if not run.is_new:
                    run.reject_waiters(error)
                    run.done = Future()
        if not self._is_store_unavailable:
            self._is_store_unavailable = True
            logger.warning("the store cannot be used, and is tried again until it can: %s", error)
        return self.back_off_store()

    @property
    def _log_name(self) -> str:
        return f"{self.config.name!r} ({self.owner})" if self.config.name else self.owner

    @property
    def is_store_unavailable(self) -> bool:
        """Whether the store could not be used when it was last tried."""
        return self._is_store_unavailable

    def _on_store_available(self) -> None:
        self._is_store_unavailable = False
        logger.warning("the store can be used again")

    # -- acts

    def _add_submitted_run(
        self,
        definition: WorkflowDefinition,
        inputs: dict[str, Any],
        row: RunRow,
        accepted: Future[Accepted],
        done_future: Future[ActiveRun],
    ) -> None:
        if self._is_closing:
            accepted.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            accepted.chain(done_future)
            return
        self.dispatcher.check_routes(definition)
        run = ActiveRun(
            row,
            self.run_loader.compiled_plan(definition.plan),
            definition.style,
            definition,
            is_new=True,
            done_future=done_future,
        )
        run.apply_entry(JournalEntry(ev.Started(inputs)), self.clock)
        self.add_new_run(run, accepted)

    def add_new_run(self, run: ActiveRun, accepted: Future[Accepted]) -> None:
        """A run is born here."""
        if self._is_closing:
            accepted.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            return
        self.deadlines.watch_run(run)
        if self.config.own_runs_only:
            self._work_claimer.include_run(run.row.id)
        self._acceptances[run.row.id] = accepted
        self.active_runs[run.row.id] = self.unsaved_runs[run.row.id] = run

    def done_future_in_loop(self, run_id: str) -> Future[ActiveRun | None]:
        """`watch`, from the loop's own thread."""
        future: Future[ActiveRun | None] = Future()
        self._add_waiter(run_id, future)
        return future

    def _add_waiter(self, run_id: str, future: Future[ActiveRun | None]) -> None:
        run = self.active_runs.get(run_id)
        if run is not None:
            run.done.chain(future)
            return
        self._external_waiters.setdefault(run_id, []).append(future)
        try:
            row = self.store.get_run(run_id)  # looked at after it is known here: what ends later makes news
        except HoldwaterError:
            row = None
        except BaseException:
            self._resolve_waiters([run_id])
            raise
        if not self.has_notifications or row is None or row.status != RunStatus.RUNNING:
            self._resolve_waiters([run_id])

    def next_notification_of(self, run_id: str) -> Future[ActiveRun | None]:
        """Kept with None when anything is heard of a run that does not go on here.  From the loop's own thread."""
        future: Future[ActiveRun | None] = Future()
        self._external_waiters.setdefault(run_id, []).append(future)
        return future

    def _resolve_waiters(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            for future in self._external_waiters.pop(run_id, ()):
                future.set_result(None)

    def _handle_notification(self, notification: Notification) -> None:
        if notification.work_available:
            self._work_claimer.claim_needed = True
        if notification.schedules_changed:
            self._scheduler.check_needed = True
        elif notification.changed_runs:
            self._scheduler.on_run_ended()
        self._work_claimer.stale_runs.update(
            self.active_runs.keys()
            if notification.changed_runs is None
            else notification.changed_runs & self.active_runs.keys()
        )
        self._resolve_waiters(
            [*self._external_waiters]
            if notification.changed_runs is None
            else notification.changed_runs & self._external_waiters.keys()
        )

    def _handle_attempt_end(self, attempt: Attempt, entry: JournalEntry) -> None:
        try:
            self.finish_attempt(attempt, entry)
        except BaseException as error:
            run = self.active_runs.get(attempt.run_id)
            if run is None:
                raise
            self.report_internal_error(run, error)

    def finish_attempt(self, attempt: Attempt, entry: JournalEntry) -> None:
        """An attempt has ended with this event."""
        run = self.active_runs.get(attempt.run_id)
        if run is None:
            return
        if run.attempts.get(attempt.node) is attempt:
            self.detach_attempt(run, attempt)
        if type(entry.event) is ev.Failed:
            log_attempt_failure(attempt, entry.event)
        if not self.apply_entry(run, entry) and attempt.interrupted and type(entry.event) is ev.Cancelled:
            self.apply_entry(
                run, JournalEntry(ev.AttemptLost(attempt.node, attempt.fence, counts_as_crash=False))
            )  # and it begins again
        self.child_calls.on_attempt_ended(attempt)
        self._work_claimer.on_attempt_ended()

    def apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool:
        """Decide, and carry a halt to the bodies that run.  A run whose data cannot be read here is parked."""
        try:
            return self._apply_entry(run, entry)
        except StoreUnavailable:
            raise
        except HoldwaterError as error:
            self.park_run(run, f"cannot go on here: {error.message}")
        except BaseException as error:  # noqa: BLE001 - an error of this run, whatever it is, is no other's
            self.report_internal_error(run, error)
        return False

    def _apply_entry(self, run: ActiveRun, entry: JournalEntry) -> bool:
        taken = run.apply_entry(entry, self.clock)
        if taken:
            self.unsaved_runs[run.row.id] = run
            if run.done.done and run.machine.status == "running":
                run.done = Future()
            if run.to_cancel:
                self.run_control.cancel_running(run)
            if run.awaiting_children:
                self.fan_out_children.start_requested(run)
        return taken

    def park_run(self, run: ActiveRun, reason: str) -> None:
        """Park a run this process can do nothing more for, with the work it holds of it."""
        self._park_run(run, reason, StoreError(f"run {run.row.id} {reason}"))

    def report_internal_error(self, run: ActiveRun, error: BaseException) -> None:
        """Something that is no answer of a body has gone wrong for this run: it is refused, or parked, and no other."""
        run = self.active_runs.get(run.row.id, run)
        self.error_log.add(f"run {run.row.id}", error)
        if run.is_new:
            self._reject_run(run, internal_error(f"run {run.row.id} was not accepted", error))
        else:
            answer = internal_error(f"run {run.row.id} cannot go on here", error)
            self._park_run(run, f"cannot go on because of an internal error: {describe_recorded(error)}", answer)

    def _report_recorded_error(self, run: ActiveRun, error: BaseException) -> None:
        """The same just after a commit, which may have been the run's first."""
        acceptance = self._acceptances.pop(run.row.id, None)
        if acceptance is not None:
            acceptance.set_exception(internal_error(f"run {run.row.id} is recorded, and cannot go on here", error))
        run.is_new = False
        self.report_internal_error(run, error)

    def _park_run(self, run: ActiveRun, reason: str, waiter_error: HoldwaterError) -> None:
        """`answer`: what those who wait are told."""
        self.active_runs.pop(run.row.id, None)
        self.unsaved_runs.pop(run.row.id, None)
        self._work_claimer.park_row(run.row, reason)
        run.reject_waiters(waiter_error)
        for attempt in run.attempts.values():
            try:
                attempt.handle.request_cancel(reason)
                if attempt.try_end():
                    attempt.executor.detach(attempt)
            except BaseException as error:  # noqa: BLE001 - it is parked, and the others have to be told as well
                self.error_log.add(f"telling a body of run {run.row.id}", error)

    def _handle_deferral_change(self, attempt: Attempt, is_deferred: bool) -> None:
        self.deadlines.on_deferral_changed(attempt, is_deferred, self.clock.now())
        if is_deferred:
            self.crash_suspects.on_attempt_deferred(attempt)

    def _check_for_work(self) -> None:
        self._work_claimer.claim_needed = self._scheduler.check_needed = True

    # -- commit

    def _commit_unsaved_runs(self) -> int:
        """Write everything decided; then act on it.  Returns how many runs were written."""
        written = 0
        for attempt in self.dispatcher.take_newly_started():
            run = self.active_runs.get(attempt.run_id)
            if run is not None and attempt.state == "running" and run.has_unstarted_work(attempt):
                run.newly_started.append(attempt)
                self.unsaved_runs[attempt.run_id] = run
        while self.unsaved_runs and self.clock.now() >= self._store_retry_at:
            runs = [run for run in self.unsaved_runs.values() if run.has_unsaved_changes]
            self.unsaved_runs = {}
            if not runs:
                break
            if any([run.machine.crash_counts for run in runs]):
                runs.sort(
                    key=lambda run: not self.crash_suspects.is_suspect(run)
                )  # nothing else begins before a suspect
            now = self.clock.now()
            budget = self.claim_budget(now)
            changes: list[RunUpdate] = []
            accepted_runs: list[ActiveRun] = []
            for run in runs:
                try:
                    update = run.build_update(now, budget)
                    update.is_followed = self.journal_watchers.is_followed_elsewhere(run.row.id)
                    changes.append(update)
                    accepted_runs.append(run)
                except BaseException as error:  # noqa: BLE001 - the others are to be written
                    self.report_internal_error(run, error)
            if not self._commit_updates(accepted_runs, changes):
                break
            written += len(runs)
            self.note_unclaimed(budget)
        return written

    def claim_budget(self, now: Micros) -> ClaimBudget:
        """What this runner may take for itself of the work that a transaction creates now."""
        lease_until, begins = Micros(now + self.lease_us), not (self._is_closing or self.crash_suspects.active)
        return ClaimBudget(
            self.owner,
            lease_until,
            self.config.prefetch_tasks - self.dispatcher.queue_length,
            self.dispatcher.free_slots() if begins else {},
            self.slots_ahead(now) if begins else {},
            self.dispatcher.executor_for_node,
            self._stored_structures,
            self.crash_suspects.isolate_after_crashes,
            begins,
            lease_until if self.config.recover else FAR_FUTURE,
        )

    def slots_ahead(self, now: Micros) -> dict[Executor, int]:
        """How much more may be leased ahead of each executor.

        By the pace of its bodies; a runner that takes over nothing keeps what is its own, as far as it has room.
        """
        return self.dispatcher.prefetch_room(now, self.config.prefetch_tasks, by_throughput=self.config.recover)

    def note_unclaimed(self, budget: ClaimBudget) -> None:
        """A transaction with this allowance is on disk."""
        if budget.unclaimed_executors and not self._is_closing:
            self._work_claimer.claim_when_free(budget.unclaimed_executors)

    def claimable_work(self, full_executors: Collection[Executor]) -> tuple[list[str], list[tuple[str, int]]]:
        """Workflows with bodies that run on other executors than these, and the (workflow, node) pairs that do not."""
        names: list[str] = []
        passed_over: list[tuple[str, int]] = []
        for name in self._registered_workflows():
            definition = self._executable_definition(name)
            if definition is None:
                continue
            waiting = self.dispatcher.nodes_routed_to(definition, full_executors)
            if len(waiting) < len(definition.plan.nodes):
                names.append(name)
                passed_over += [(name, node) for node in waiting]
        return names, passed_over

    def add_committed_run(self, run: ActiveRun, update: RunUpdate) -> None:
        """A run came into the store by a transaction that was not `_commit_unsaved_runs`'s."""
        self.active_runs[run.row.id] = run
        self._acceptances[run.row.id] = Future()
        try:
            self.deadlines.watch_run(run)
            self._on_committed(run, update)
        except BaseException as error:  # noqa: BLE001 - it is on disk, and so are others
            self._report_recorded_error(run, error)

    def commit_outcome_unknown(self) -> None:
        """The store failed in a transaction with births: perhaps it took effect."""
        self._work_claimer.outcome_unknown = True

    def _commit_updates(self, runs: list[ActiveRun], updates: list[RunUpdate]) -> bool:
        """False if the store cannot be written now: what is not born waits, and those who wait are told."""
        if not runs:
            return True
        try:
            verdicts = self.store.commit(updates)
        except StoreUnavailable as error:
            self.on_store_error(error)
            for run in runs:
                if run.is_new:  # not accepted: whoever asked is told, and may ask again
                    self._work_claimer.outcome_unknown = True
                    self._reject_run(run, error)
                else:
                    self.unsaved_runs[run.row.id] = run
            return False
        except RunnerClosed:
            raise
        except BaseException as error:  # noqa: BLE001 - it may be about one of them: that one is refused alone
            if len(runs) == 1:
                self._reject_update(runs[0], error)
                return True
            half = len(runs) // 2
            parts = [slice(0, half), slice(half, None)]
            return all([self._commit_updates(runs[part], updates[part]) for part in parts])
        self._store_retry_delay_seconds = MIN_RETRY_DELAY_SECONDS
        if self._is_store_unavailable:
            self._on_store_available()
        for run, change, verdict in zip(runs, updates, verdicts, strict=True):
            try:
                if isinstance(verdict, Committed):
                    self._on_committed(run, change)
                elif isinstance(verdict, Duplicate):
                    del self.active_runs[run.row.id]
                    self._work_claimer.include_run(verdict.run.id)
                    self._acceptances.pop(run.row.id).set_result(Accepted(verdict.run, None))
                else:
                    self.reload_run(run)
            except BaseException as error:  # noqa: BLE001 - the others are on disk, and go on
                if isinstance(verdict, Committed):
                    self._report_recorded_error(run, error)
                else:
                    self.report_internal_error(run, error)
        return True

    def _reject_update(self, run: ActiveRun, error: BaseException) -> None:
        """The store does not take what is to be written of this run, whatever else it takes."""
        if not isinstance(error, StoreError):
            self._work_claimer.outcome_unknown = True  # nobody knows what it did
            self.report_internal_error(run, error)
        elif run.is_new:
            self._reject_run(run, error)
        else:
            self.park_run(run, f"cannot be written: {error.message}")

    def sample_clock(self) -> None:
        """Set the clock by its reference.  Raises StoreUnavailable."""
        jump = self.clock.adjust(self.store.sample_clock())
        if jump:
            self.deadlines.on_clock_jump(jump)

    @property
    def store_retry_at(self) -> Micros:
        """The store is left alone until then."""
        return self._store_retry_at

    def back_off_store(self) -> Micros:
        """Leave the store alone for a while, longer each time; returns until when."""
        self._store_retry_at = add_seconds(self.clock.now(), self._store_retry_delay_seconds)
        self._store_retry_delay_seconds = min(self._store_retry_delay_seconds * 2, MAX_RETRY_DELAY_SECONDS)
        return self._store_retry_at

    def _reject_run(self, run: ActiveRun, error: BaseException) -> None:
        self.active_runs.pop(run.row.id, None)
        self.unsaved_runs.pop(run.row.id, None)
        acceptance = self._acceptances.pop(run.row.id, None)
        if acceptance is not None:
            acceptance.set_exception(error)
        run.reject_waiters(error)

    def _on_committed(self, run: ActiveRun, update: RunUpdate) -> None:
        deadline = run.row.deadline_at
        run.mark_saved(update, has_newer_changes=self._has_newer_changes(run))
        self.journal_watchers.on_committed(run.row.id)
        if self.observer is not None:
            self.observer.on_committed(run, len(update.entries))
        if run.row.deadline_at != deadline:
            self.deadlines.watch_run(run)
        self.deadlines.on_committed(run)
        if update.is_new:
            self._stored_structures.add(run.row.structure)
            self._acceptances.pop(run.row.id).set_result(Accepted(run.row, run))
        for row in update.work_added:
            if row.owner == self.owner:
                self.dispatch_work(run, row)
        for node, _ in update.started:
            if node not in run.attempts and node in run.work_rows:
                self.dispatch_work(run, run.work_rows[node])
        if self.active_runs.get(run.row.id) is not run:  # it was parked while its work was begun
            return
        if update.parked is False:
            self._work_claimer.claim_needed = True
        if self._has_newer_changes(run):  # what it has come to is told with the commit that says so
            return
        if run.machine.status != "running":
            run.done.set_result(run)
            self._resolve_waiters([run.row.id])  # asked for before it came here; nobody hears their own news
            self._scheduler.on_run_ended()
        elif run.done.done:
            run.done = Future()
        if run.confirmations:
            confirmations, run.confirmations = run.confirmations, []
            for _, confirmation in confirmations:
                confirmation.set_result(True)
        if self.child_calls.ended_attempts:
            self.child_calls.on_committed(run)
        self._evict_if_idle(run)

    def _has_newer_changes(self, run: ActiveRun) -> bool:
        """More was decided than the change that is on disk: it followed from other changes of that transaction."""
        return run.row.id in self.unsaved_runs and run.has_unsaved_changes

    def _evict_if_idle(self, run: ActiveRun) -> None:
        """Keep only what this process has to do with: work of its own, or somebody who waits."""
        if run.machine.ended:
            self.active_runs.pop(run.row.id, None)
            self.child_calls.on_run_ended(run)
            self.fan_out_children.on_run_ended(run)
        elif len(self.active_runs) > MAX_ACTIVE_RUNS or run.machine.status == "paused":
            mine = run.attempts or any(row.owner == self.owner for row in run.work_rows.values())
            if not mine:
                self.active_runs.pop(run.row.id, None)
                run.done.set_result(run)  # whoever waits asks the store from now on

    def reload_run(self, run: ActiveRun) -> None:
        """Somebody else advanced the run: read what they wrote, and offer again what was decided here."""
        pending = [e for e in run.unsaved_entries if not _is_derived(e)]
        try:
            fresh = self.run_loader.load_run(run.row.id)
        except StoreUnavailable:  # it stays undecided: the next commit meets the same conflict
            self.back_off_store()
            self.unsaved_runs[run.row.id] = run
            return
        except HoldwaterError as error:
            self._reject_run(run, error)
            return
        fresh.attempts, fresh.crash_suspects, fresh.deadline_stopped_at = (
            run.attempts,
            run.crash_suspects,
            run.deadline_stopped_at,
        )
        fresh.done, fresh.confirmations = run.done, run.confirmations
        self.active_runs[run.row.id] = self.unsaved_runs[run.row.id] = fresh
        acceptance = self._acceptances.pop(run.row.id, None)
        if acceptance is not None:
            acceptance.set_result(Accepted(fresh.row, None))
        retry = run.row.finished_at is not None
        written = {journal.encode(entry) for entry in fresh.entries[run.row.seq :]}
        for entry in pending:
            meant = type(entry.event) is not ev.Resumed or fresh.machine.ended == retry
            if not (
                meant and self.apply_entry(fresh, entry)
            ):  # perhaps because it was written, and the answer was lost
                fresh.resolve_confirmation(entry.event, journal.encode(entry) in written)
        for attempt in list(fresh.attempts.values()):
            command = fresh.machine.todo.get(attempt.node)
            if type(command) is not Execute or command.fence != attempt.fence:
                self.abandon_runs(fresh, attempt)
        if fresh.machine.suspended:
            self.run_control.unqueue_attempts(fresh)
        elif fresh.machine.halted:
            fresh.to_cancel = [node for node, command in fresh.machine.todo.items() if type(command) is Execute]
            self.run_control.cancel_running(fresh)
        for row in list(fresh.work_rows.values()):  # ours, written by a commit whose answer was lost
            if row.owner == self.owner and row.node not in fresh.attempts and row.node not in fresh.changed_nodes:
                self.dispatch_work(fresh, row)
        if not fresh.has_unsaved_changes:
            self.child_calls.on_committed(fresh)
        if not fresh.has_unsaved_changes and fresh.machine.status != "running":
            fresh.done.set_result(fresh)
            self._evict_if_idle(fresh)

    def abandon_runs(self, run: ActiveRun, attempt: Attempt) -> None:
        """Somebody else has the work: the body is told, and its slot goes on."""
        attempt.handle.request_cancel("another runner took it over")
        attempt.try_end()
        attempt.executor.detach(attempt)
        self.detach_attempt(run, attempt)

    def detach_attempt(self, run: ActiveRun, attempt: Attempt) -> None:
        """An attempt of the run is over here."""
        del run.attempts[attempt.node]
        self.deadlines.on_attempt_detached(run, attempt)

    def recheck(self, run: ActiveRun) -> None:
        """Somebody else may have advanced it: read what they wrote, soon."""
        self._work_claimer.stale_runs.add(run.row.id)

    # -- dispatch

    def dispatch_work(self, run: ActiveRun, row: WorkRow) -> None:
        """Start what is on disk and ours: a timer, or a body."""
        command = run.machine.todo.get(row.node)
        if type(command) is StartTimer and command.at is not None:
            self.timers.call_at(command.at, lambda: self._fire_timer(run.row.id, row.node, command.at))
        elif type(command) is AwaitChildren:
            self.fan_out_children.start(run, row.node)
        elif type(command) is Execute and run.machine.halted:  # cancelled before it was read here: nothing begins
            self.apply_entry(run, JournalEntry(ev.Cancelled(row.node, command.fence)))
        elif type(command) is Execute and run.definition is not None and not run.machine.suspended:
            if not self.crash_suspects.may_start(run, row):
                return
            try:
                self._start_attempt(run, row, command, run.definition)
            except HoldwaterError as error:
                text = f"{type(error).__name__}: {error.message}"
                self.apply_entry(run, JournalEntry(ev.Failed(row.node, command.fence, type(error).__name__, text)))

    def _start_attempt(self, run: ActiveRun, row: WorkRow, command: Execute, definition: WorkflowDefinition) -> None:
        """Hand a body to its executor.  Raises HoldwaterError if its inputs cannot be read here."""
        node, timeout_seconds = row.node, self.config.task_timeout_seconds
        view = run.run_data.view(node)
        attempt = Attempt(
            run.row.id, node, command.fence, command.attempt, definition, view, timeout_seconds, self.clock
        )
        attempt.child_starter, attempt.run_started_at, attempt.first_fence = (
            self.child_starter,
            run.started_at,
            command.first_fence,
        )
        attempt.observer = self.observer
        if run.is_from_store and run.entries:
            attempt.not_before = run.entries[-1].recorded_at
        self.lease_keeper.lease_attempt(attempt, row)
        executor = self.dispatcher.executor_for_node(definition, node)
        run.attempts[node] = attempt
        executor.submit_attempt(attempt)
        self.deadlines.watch_attempt(run, attempt, self.clock.now())
        self.crash_suspects.on_attempt_started(attempt)

    def _fire_timer(self, run_id: str, node: int, due_at: Micros | None) -> None:
        run = self.active_runs.get(run_id)
        command = None if run is None else run.machine.todo.get(node)
        if run is not None and type(command) is StartTimer and command.at == due_at:
            self.apply_entry(run, JournalEntry(ev.TimerFired(node)))

    # -- the end

    def _start_closing(self, drain_seconds: float) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._drain_until = add_seconds(self.clock.now(), drain_seconds)
        for attempt in self.dispatcher.close_queue():
            run = self.active_runs.get(attempt.run_id)
            if run is not None:
                run.attempts.pop(attempt.node, None)
        for run in self.active_runs.values():
            for attempt in list(run.attempts.values()):
                if attempt.cancel_if_queued():  # handed to a thread, and not begun
                    del run.attempts[attempt.node]
        self._interrupt_attempts()

    def _interrupt_attempts(self) -> None:
        """Tell all bodies that run to stop."""
        attempts = {attempt for run in self.active_runs.values() for attempt in run.attempts.values()}
        for attempt in self.dispatcher.running | attempts:
            attempt.interrupt("the runner is shutting down")

    def _drained(self) -> bool:
        running = self.dispatcher.running or any([run.attempts for run in self.active_runs.values()])
        if running and self.clock.now() < self._drain_until:
            return False
        return not self.unsaved_runs or self.clock.now() >= self._drain_until

    def _shut_down(self) -> None:
        """Leave everything that is not finished to the next runner."""
        self._is_closing = True
        logger.info("runner %s stops", self._log_name)
        self._interrupt_attempts()
        self.dispatcher.close()  # before anybody else may begin what was killed here
        self.lease_keeper.close()
        mine = [row for run in self.active_runs.values() for row in run.work_rows.values() if row.owner == self.owner]
        try:
            if mine and self._fatal_error is None:
                self.store.release_work(self.owner, mine)
            self.store.unregister_owner(self.owner)
        except (StoreUnavailable, RunnerClosed):
            pass  # then the lease runs out, or the lock is found free
        except BaseException as error:  # noqa: BLE001 - those who wait must hear that it ends all the same
            self.error_log.add("releasing work at the end", error)
        self._is_closed = True
        self.interruptions.close()
        while True:  # acts that came too late: their promises must not be forgotten
            try:
                callback = self._inbox.get_nowait()
            except Empty:
                break
            self._run_callback(callback)
        cause = self._fatal_error
        for acceptance in self._acceptances.values():
            acceptance.set_exception(_runner_closed_error("the runner stopped before the run was accepted", cause))
        self.journal_watchers.close(_runner_closed_error("the runner stopped; follow its runs elsewhere", cause))
        self._run_callback(self._on_stopped)
        for run in self.active_runs.values():
            run.reject_waiters(
                _runner_closed_error(f"the runner stopped; run {run.row.id} goes on with the next one", cause)
            )
        self.child_calls.close(_runner_closed_error("the runner stopped", cause))
        self._resolve_waiters([*self._external_waiters])


def _run_reporting_to(callback: Callable[[], None], futures: Sequence[Future[Any]]) -> None:
    """Whatever goes wrong in an act, who waits for it must hear of it."""
    try:
        callback()
    except BaseException as error:
        answer = error if isinstance(error, HoldwaterError) else internal_error("it could not be done", error)
        for future in futures:
            future.set_exception(answer)
        raise


def _is_derived(entry: JournalEntry) -> bool:
    """It is not offered again after a conflict, but decided again; so is the end of what nobody was thought to have."""
    return isinstance(entry.event, (ev.RuleEvaluated, ev.TimerSet)) or (
        type(entry.event) is ev.Cancelled and not entry.ended_at
    )


def _runner_closed_error(text: str, cause: BaseException | None) -> RunnerClosed:
    error = RunnerClosed(text)
    error.__cause__ = cause
    return error
