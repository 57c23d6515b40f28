"""The driver: runs everything one runner has started or claimed.

One thread owns every active run, so nothing is locked and the order of decisions is the order of commits.  Its parts:
the core (core.py) decides and writes, services (services/composition.py) do the rest, and the loop (loop.py) calls
both.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from holdwater.errors import HoldwaterError, RunnerClosed, StoreUnavailable
from holdwater.model import events as ev
from holdwater.model.events import Event
from holdwater.model.journal import JournalEntry
from holdwater.model.log_context import install_record_factory
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import AuthoringStyle, WorkflowDefinition
from holdwater.model.ports.store import Store
from holdwater.model.records import Notification, RunRow, WorkRow
from holdwater.model.registry import Registry
from holdwater.model.retention import RetentionRule
from holdwater.model.secrets import SecretSource
from holdwater.model.statuses import RunStatus
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.clock import synchronise
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from holdwater.runtime.core import Core
from holdwater.runtime.future import Future
from holdwater.runtime.handle_protocols import ChildStarter
from holdwater.runtime.internal_errors import logger
from holdwater.runtime.lifecycle import DriverTurns
from holdwater.runtime.run_table import Accepted
from holdwater.runtime.service_protocols import MakeRunRow, RunObserver
from holdwater.runtime.services.children.calls import ChildCall
from holdwater.runtime.services.composition import Services

LAST_ENTRIES: Final = 4
"""of a run that has ended: why it did is among them"""


def _do_nothing() -> None:
    pass


class Driver:
    """The driver as engines use it.  Its public methods may be called from any thread."""

    def __init__(
        self,
        store: Store,
        owner: str,
        config: DriverConfig,
        clock: Clock,
        styles: Mapping[str, AuthoringStyle],
        registry: Registry,
        make_run_row: MakeRunRow,
        on_stopped: Callable[[], None],
    ) -> None:
        self.owner: Final = owner
        self.lease_us: Final = config.lease_us
        self._store, self.config, self._clock = store, config, clock
        self._core = core = Core(store, owner, config, clock, styles, registry, make_run_row)
        self._table, self.loop = core.table, core.loop
        self.run_loader, self.dispatcher = core.run_loader, core.dispatcher
        self.error_log, self.journal_watchers = core.error_log, core.journal_watchers
        self.services: Final = Services(core)
        self._answered_at = time.monotonic()
        self._log_name = f"{config.name!r} ({owner})" if config.name else owner
        self._turns = DriverTurns(core, self.services, self._log_name, on_stopped)

    def start(
        self,
        child_starter: ChildStarter,
        observer: RunObserver | None = None,
        secret_source: SecretSource | None = None,
    ) -> None:
        """Start the loop.  `child_starter`: starts child runs for task functions; `secret_source`: reads their secrets.

        Raises StoreUnavailable.
        """
        self._core.work.child_starter, self._core.work.secret_source = child_starter, secret_source
        if observer is not None:
            self._add_observer(observer)
        synchronise(self._clock, self._store)
        self._store.register_owner(self.owner)
        self._core.store_status.has_notifications = self._store.listen(self._on_notification)
        self._clock.on_jump(self._on_clock_jump)
        install_record_factory()
        self._core.log_capture.start()
        logger.info("runner %s works on %s", self._log_name, self._store.url)
        self.loop.start(self._turns, self.services.supervised)
        self._core.heartbeat.start()

    def _add_observer(self, observer: RunObserver) -> None:
        def observe_attempt(attempt: Attempt, row: WorkRow) -> None:
            attempt.observer = observer

        self._core.hooks.attempt_created.add(observe_attempt)
        self._core.hooks.run_saved.add(observer.on_committed)

    def add_listeners(
        self,
        on_entries: Callable[[Sequence[JournalEntry]], None],
        on_run_ended: Callable[[RunRow, Sequence[JournalEntry]], None],
    ) -> None:
        """Have the loop's thread tell of what is on disk: new entries of journals, and ends of runs.

        Before `start`.  `on_run_ended` is given the last entries, too.
        """
        hooks = self._core.hooks
        hooks.run_saved.add(lambda run, count: on_entries(run.entries[len(run.entries) - count :]))
        hooks.run_ended.add(lambda run: on_run_ended(run.row, run.entries[-LAST_ENTRIES:]))

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Let running task functions end for that long, then leave the rest to the next runner.  Idempotent.

        `wait`: return when it is done; otherwise the driver's own thread sees to it.
        """
        self.loop.close(drain_seconds, wait=wait)

    def announce(self, timeout_seconds: float) -> list[str]:
        """Have the workflows and the row of this runner written at once; returns the names it can execute.

        Raises StoreUnavailable if they are not written in time, RunnerClosed.
        """
        finished = threading.Event()
        self.loop.call_soon_strict(lambda: self.services.announcer.request(finished))
        if finished.wait(timeout_seconds) and self._core.heartbeat.beat_now(timeout_seconds):
            return self._core.heartbeat.workflow_names
        raise StoreUnavailable(f"this runner could not be announced within {timeout_seconds:g} s")

    def seconds_since_answer(self, wait_seconds: float = 1.0) -> float:
        """Seconds since the loop last answered; 0 if it does within `wait_seconds`.  Raises RunnerClosed."""
        self.loop.raise_if_closed()
        asked_at = time.monotonic()
        answered = threading.Event()
        self.loop.call_soon(answered.set)
        if answered.wait(wait_seconds):
            self._answered_at = time.monotonic()
            return 0.0
        return max(0.0, asked_at - self._answered_at)

    @property
    def store_answers(self) -> bool:
        """False while the store could not be used at the latest attempt."""
        return not self._core.store_status.is_unavailable

    def raise_if_closed(self) -> None:
        """Raises RunnerClosed with the reason if the runner no longer works."""
        self.loop.raise_if_closed()

    def _on_clock_jump(self) -> None:
        self.loop.wake()
        self.services.leases.check_now()

    def _on_notification(self, notification: Notification) -> None:
        self.journal_watchers.on_notification(notification)
        self.loop.call_soon(lambda: self._handle_notification(notification))

    def _handle_notification(self, notification: Notification) -> None:
        self.services.on_notification(notification)

    # -- what is known here

    @property
    def active_runs(self) -> Mapping[str, ActiveRun]:
        """The runs in this process's memory, by id.  Their states belong to the driver's thread."""
        return self._table.active

    @property
    def has_notifications(self) -> bool:
        """The store tells of changes by other runners."""
        return self._core.store_status.has_notifications

    def retry_count(self, run_id: str) -> int:
        """The number of times the run was retried from here after it had ended."""
        return self.services.control.retry_counts.get(run_id, 0)

    # -- runs

    def submit_run(
        self, definition: WorkflowDefinition, inputs: dict[str, Any], row: RunRow
    ) -> tuple[Future[Accepted], Future[ActiveRun]]:
        """Start a run; returns two futures.  Raises RunnerClosed.

        The first is set when the run is committed with its first work claimed; the second, only of a run without
        idempotency key, when it has ended or paused.
        """
        acceptance: Future[Accepted] = Future()
        done_future: Future[ActiveRun] = Future()
        self.loop.call_soon_strict(
            lambda: self._add_submitted_run(definition, inputs, row, acceptance, done_future), acceptance, done_future
        )
        return acceptance, done_future

    def _add_submitted_run(
        self,
        definition: WorkflowDefinition,
        inputs: dict[str, Any],
        row: RunRow,
        acceptance: Future[Accepted],
        done_future: Future[ActiveRun],
    ) -> None:
        if self.loop.is_closing:
            acceptance.set_exception(RunnerClosed("this runner was shut down before the run was accepted"))
            acceptance.chain(done_future)
            return
        self.dispatcher.check_routes(definition)
        plan = self.run_loader.compiled_plan(definition.plan)
        run = ActiveRun(row, plan, definition.style, definition, is_new=True, done_future=done_future)
        run.apply_entry(JournalEntry(ev.Started(inputs)), self._clock)
        self._add_new_run(run, acceptance)

    def submit_prepared_run(self, run: ActiveRun) -> Future[Accepted]:
        """Start a run that was decided already; the future is set when it is on disk.  Raises RunnerClosed."""
        acceptance: Future[Accepted] = Future()
        self.loop.call_soon_strict(lambda: self._add_new_run(run, acceptance), acceptance)
        return acceptance

    def submit_prepared_runs(self, runs: Sequence[ActiveRun]) -> list[Future[Accepted]]:
        """The same for several, which are written in one transaction."""
        acceptances: list[Future[Accepted]] = [Future() for _ in runs]

        def add_all() -> None:
            for run, acceptance in zip(runs, acceptances, strict=True):
                self._add_new_run(run, acceptance)

        self.loop.call_soon_strict(add_all, *acceptances)
        return acceptances

    def _add_new_run(self, run: ActiveRun, acceptance: Future[Accepted]) -> None:
        self._core.decisions.add_new_run(run, acceptance)

    def start_child_call(self, call: ChildCall) -> None:
        """Start a child run for a task function, or find it; its future is set when that has ended.

        Raises RunnerClosed.
        """
        self.loop.call_soon_strict(lambda: self.services.child_calls.start_call(call), call.future)

    def done_future(self, run_id: str) -> Future[ActiveRun | None]:
        """Set when the run ends or is paused; to None if that may be so and the run is not active here.

        Raises RunnerClosed.
        """
        future: Future[ActiveRun | None] = Future()
        self.loop.call_soon_strict(lambda: self._add_waiter(run_id, future), future)
        return future

    def _add_waiter(self, run_id: str, future: Future[ActiveRun | None]) -> None:
        run = self._table.get(run_id)
        if run is not None:
            run.done.chain(future)
            return
        self._table.add_external_waiter(run_id).chain(future)
        try:
            row = self._store.get_run(run_id)  # read after it is waited for: an end after this is notified
        except HoldwaterError:
            row = None
        except BaseException:
            self._table.resolve_waiters([run_id])
            raise
        if not self.has_notifications or row is None or row.status != RunStatus.RUNNING:
            self._table.resolve_waiters([run_id])

    def request_control_event(self, run_id: str, event: Event, *, retry: bool = False) -> Future[bool]:
        """Journal a request: cancel, pause, resume, an answer.  Set to False if the run does not take it (any more).

        `retry`: `Resumed` is meant for a run that has ended; otherwise for one that is paused, and for no other.
        Raises RunnerClosed.
        """
        future: Future[bool] = Future()
        self.loop.call_soon_strict(lambda: self.services.control.apply(run_id, event, future, retry=retry), future)
        return future

    def interrupt_run(self, run_id: str, on_cancel_requested: Callable[[], None] = _do_nothing) -> Future[None]:
        """Pause a run that its caller waits for no more, with its children, and tell the task functions to stop.

        `on_cancel_requested` is called when they are told.  The future is set when nothing of the run is executed here.
        A run that another runner executes is left alone.  Raises RunnerClosed.
        """
        future: Future[None] = Future()
        self.loop.call_soon_strict(
            lambda: self.services.interruptions.interrupt_run(run_id, on_cancel_requested, future), future
        )
        return future

    # -- work of other runners

    def claim_run(self, run_id: str) -> Future[int]:
        """Claim work of a run that no runner has, however far off its instant is: set to the number of rows.

        Raises RunnerClosed.
        """
        future: Future[int] = Future()
        self.loop.call_soon_strict(lambda: future.set_result(self.services.claims.claim_run(run_id)), future)
        return future

    def include_run(self, run_id: str) -> None:
        """Claim work of this run and its children, too, where a runner claims that of its own runs only.

        Raises RunnerClosed.
        """
        if self.config.own_runs_only:
            self.loop.call_soon_strict(lambda: self._core.claim_requests.include_run(run_id))

    def use_options(self, scheduling: ScheduleConfig, retention: RetentionRule) -> None:
        """Use other options of schedules and triggers, and another rule of retention, from now on.

        Raises RunnerClosed.
        """
        self.config = replace(self.config, scheduling=scheduling)
        self.loop.call_soon_strict(lambda: self.services.use_options(scheduling, retention))

    def check_for_work(self) -> None:
        """Look for work: a workflow was registered, or a schedule written."""
        with contextlib.suppress(RunnerClosed):
            self.loop.call_soon_strict(self.services.check_for_work)
