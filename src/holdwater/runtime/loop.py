"""The loop of a driver: one thread that calls what was posted, timers and services, and then ends the turn.

It knows no run.  The end of a turn, which writes everything that was decided in it, belongs to the `LoopOwner`.
Nothing polls: the loop sleeps until a callback is posted or an instant comes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from holdwater.errors import HoldwaterError, RunnerClosed, StoreError
from holdwater.model.ports.clock import Clock
from holdwater.model.time import UNSET, add_seconds
from holdwater.runtime.future import Future
from holdwater.runtime.internal_errors import InternalErrors, internal_error
from holdwater.runtime.loop_timers import Timers
from holdwater.runtime.services.base import NEVER, SupervisedService
from holdwater.runtime.store_status import MAX_RETRY_DELAY_SECONDS, MIN_RETRY_DELAY_SECONDS, StoreStatus

MAX_CALLBACKS_PER_BATCH: Final = 2000
MAX_FAILURES: Final = 20
"""turns in a row that may fail, with longer and longer pauses, before the loop ends"""


class LoopOwner(Protocol):
    """The driver, as its loop knows it.  The loop's thread alone calls these."""

    @property
    def has_unsaved_changes(self) -> bool:
        """Something is to be written as soon as the store answers."""
        ...

    @property
    def is_executing(self) -> bool:
        """Task functions run here."""
        ...

    def end_turn(self) -> None:
        """Write what was decided in this turn, and act on it."""
        ...

    def on_store_error(self, error: StoreError) -> None:
        """A service found that the store cannot be used."""
        ...

    def start_closing(self) -> None:
        """Start nothing more, and interrupt what runs."""
        ...

    def release(self, fatal_error: BaseException | None) -> None:
        """End executors and leases, and leave unfinished work to other runners.  Raises nothing."""
        ...

    def reject_waiters(self, fatal_error: BaseException | None) -> None:
        """Reject the futures of all callers that still wait.  Raises nothing."""
        ...


class Loop:
    """The thread, its inbox, its timers and its services."""

    def __init__(self, clock: Clock, error_log: InternalErrors, store_status: StoreStatus) -> None:
        self._clock, self._error_log, self._store_status = clock, error_log, store_status
        self.timers: Final = Timers(error_log)
        self.is_closing = False
        self._is_closed = False
        self._drain_until = UNSET
        self._fatal_error: BaseException | None = None
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._owner: LoopOwner
        self._local_services: list[SupervisedService] = []
        self._store_services: list[SupervisedService] = []
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._thread_main, name="holdwater-driver", daemon=True)

    def start(self, owner: LoopOwner, services: Sequence[SupervisedService]) -> None:
        """Start the thread.  In each turn the services run in this order, those that do not use the store first."""
        self._owner = owner
        self._local_services = [service for service in services if not service.uses_store]
        self._store_services = [service for service in services if service.uses_store]
        self._thread.start()

    # -- from any thread

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Have the loop call `callback`, unless it has ended."""
        self._inbox.put(callback)

    def call_soon_strict(self, callback: Callable[[], None], *futures: Future[Any]) -> None:
        """Have the loop call `callback`; `futures` are rejected with the error it raises.  Raises RunnerClosed."""
        self.raise_if_closed()
        self._inbox.put(partial(_call_for_futures, callback, futures) if futures else callback)
        if self._is_closed:  # too late to be sure that the loop calls it
            self.raise_if_closed()

    def raise_if_closed(self) -> None:
        """Raises RunnerClosed with the reason if the loop has ended or is about to."""
        if os.getpid() != self._pid:
            raise RunnerClosed(
                "this runner belongs to the parent process", hint="create a new runner in the child, after the fork"
            )
        if self._fatal_error is not None:
            raise RunnerClosed(
                "this runner stopped after an internal error; its runs are recorded"
            ) from self._fatal_error
        if self.is_closing:
            raise RunnerClosed("this runner was shut down; its unfinished runs go on with the next one")

    def wake(self) -> None:
        """Have the loop see what is due."""
        self._inbox.put(_do_nothing)

    def close(self, drain_seconds: float, *, wait: bool = True) -> None:
        """Let running task functions end for that long, then end the loop.  Idempotent; the shortest time counts.

        `wait`: return when it has ended.
        """
        if os.getpid() != self._pid:
            return
        if not self._is_closed:
            self._inbox.put(lambda: self._start_closing(drain_seconds))
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    # -- the thread

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
                    if failures == MAX_FAILURES:
                        raise
                    self._error_log.add("the runner's loop, tried again later", error)
                    time.sleep(min(MIN_RETRY_DELAY_SECONDS * 2**failures, MAX_RETRY_DELAY_SECONDS))
        except BaseException as error:  # noqa: BLE001 - whatever it is, callers that wait have to hear of it
            self._fatal_error = error
        finally:
            self._shut_down()

    def _run_once(self) -> bool:
        """One turn; returns whether it was the last."""
        self._process_inbox()
        self._run_due()
        self._owner.end_turn()
        return self.is_closing and self._is_drained()

    def _process_inbox(self) -> None:
        inbox = self._inbox
        try:
            callback = inbox.get(timeout=self._next_timeout())
        except Empty:
            return
        self.call(callback)
        for _ in range(MAX_CALLBACKS_PER_BATCH):
            try:
                callback = inbox.get_nowait()
            except Empty:
                return
            self.call(callback)

    def call(self, callback: Callable[[], None]) -> None:
        """Call `callback` in its error boundary: the callbacks behind it are called all the same."""
        try:
            callback()
        except HoldwaterError as error:
            if not isinstance(callback, partial):  # else its futures have the error
                self._error_log.add("a message to the runner's loop", error)
        except BaseException as error:  # noqa: BLE001
            self._error_log.add("a message to the runner's loop", error)

    def _next_timeout(self) -> float | None:
        """Seconds until something is due; None: only a callback can bring work."""
        now = self._clock.now()
        paused_until = self._store_status.paused_until(now)
        instants = [service.next_due_at(now) for service in (*self._local_services, *self._store_services)]
        if self.is_closing:
            instants.append(self._drain_until)
        if self.timers.next_due_at is not None:
            instants.append(self.timers.next_due_at)
        if self._owner.has_unsaved_changes:
            instants.append(paused_until)
        next_at = min(instants, default=NEVER)
        return None if next_at >= NEVER else self._clock.seconds_until(max(next_at, paused_until))

    def _run_due(self) -> None:
        """Call the timers and services that are due."""
        now = self._clock.now()
        self.timers.run_due(now)
        for service in self._local_services:
            service.run(now)
        if now >= self._store_status.retry_at:
            try:
                for service in self._store_services:
                    if service.run(now):
                        now = self._clock.now()  # the clock may have been set, and the store may have taken its time
                self._store_status.on_answer()
            except StoreError as error:
                self._store_status.on_error(error)
                self._owner.on_store_error(error)

    # -- the end

    def _start_closing(self, drain_seconds: float) -> None:
        drain_until = add_seconds(self._clock.now(), drain_seconds)
        if self.is_closing:
            self._drain_until = min(self._drain_until, drain_until)
            return
        self.is_closing = True
        self._drain_until = drain_until
        self._store_services = [service for service in self._store_services if service.until_closed]
        self._owner.start_closing()

    def _is_drained(self) -> bool:
        if self._clock.now() >= self._drain_until:
            return True
        return not (self._owner.is_executing or self._owner.has_unsaved_changes)

    def _shut_down(self) -> None:
        """Leave unfinished work to other runners first; then answer callers whose callbacks came too late."""
        self.is_closing = True
        self._owner.release(self._fatal_error)
        self._is_closed = True
        while True:
            try:
                callback = self._inbox.get_nowait()
            except Empty:
                break
            self.call(callback)
        self._owner.reject_waiters(self._fatal_error)


def _do_nothing() -> None:
    pass


def _call_for_futures(callback: Callable[[], None], futures: Sequence[Future[Any]]) -> None:
    """Call it, and give whatever it raises to the callers that wait for it."""
    try:
        callback()
    except BaseException as error:
        answer = error if isinstance(error, HoldwaterError) else internal_error("it could not be done", error)
        for future in futures:
            future.set_exception(answer)
        raise
