"""One attempt of one node: from its issue to the event it ends with."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, Protocol

from holdwater.errors import NodeFailure, SecretsUnavailable, TaskCancelled
from holdwater.model.cancellation_token import is_cancellation
from holdwater.model.error_report import ErrorReport, ErrorText, is_a, judged_error, type_name
from holdwater.model.events import Cancelled, ChildRunsRequested, Deferred, Event, Failed, InputRequested, Succeeded
from holdwater.model.journal import JournalEntry
from holdwater.model.log_context import ORIGIN
from holdwater.model.policies import NodePolicy
from holdwater.model.ports.clock import Clock
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.results import NodeResult
from holdwater.model.secrets import SecretSource
from holdwater.model.time import MONOTONIC_UNSET, UNSET, Micros, add_seconds
from holdwater.runtime.future import Future, wrap_future
from holdwater.runtime.handle import TaskHandle
from holdwater.runtime.handle_protocols import ChildStarter
from holdwater.runtime.logs.attempt_log import AttemptLog


class Lease:
    """The end of the lease a runner renewed last, in microseconds of the monotonic clock."""

    __slots__ = ("expires_at",)

    def __init__(self) -> None:
        self.expires_at = MONOTONIC_UNSET


class AttemptExecutor(Protocol):
    """The executor an attempt is at."""

    def detach(self, attempt: Attempt) -> None:
        """Give up the task function of an attempt that was ended."""

    def cancel_coroutine(self, attempt: Attempt) -> None:
        """Cancel the coroutine of an attempt that was told to stop."""


class AttemptObserver(Protocol):
    """A listener to the functions of attempts."""

    def on_function_start(self, attempt: Attempt) -> Future[None]:
        """Take note that the function is about to be called: that may be when the future is set."""
        ...

    def on_exception(self, attempt: Attempt, error: BaseException) -> None:
        """Take note that the function raised this."""
        ...

    def enter_context(self, attempt: Attempt) -> None:
        """Set context variables for the function, in the running context."""
        ...


class Attempt:
    """`state`: queued, running, over.

    It is over once: by its task function, or by the first that ends or withdraws it.
    """

    __slots__ = (
        "_lock",
        "call_ordinals",
        "child_starter",
        "clock",
        "deferred_at",
        "deferred_us",
        "definition",
        "executor",
        "fence",
        "first_fence",
        "handle",
        "interrupted",
        "lease",
        "lease_expires_at",
        "log_sink",
        "name",
        "node",
        "not_before",
        "number",
        "observer",
        "on_lease_expired",
        "policy",
        "run_id",
        "run_started_at",
        "secret_source",
        "started_at",
        "state",
        "timeout_held_at",
        "timeout_held_us",
        "timeout_seconds",
        "view",
        "waiting_calls",
    )  # fmt: skip

    handle: TaskHandle
    executor: AttemptExecutor
    child_starter: ChildStarter | None
    lease: Lease
    on_lease_expired: Callable[[Attempt], None]

    def __init__(
        self,
        run_id: str,
        node: int,
        fence: int,
        number: int,
        definition: WorkflowDefinition,
        view: Any,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self.run_id, self.node, self.fence, self.number = run_id, node, fence, number
        self.child_starter = None
        self.secret_source: SecretSource | None = None
        self.log_sink: AttemptLog | None = None
        self.run_started_at = UNSET
        """instant its run began, or began again by a retry: attempts are counted from there"""
        self.definition, self.view, self.clock = definition, view, clock
        self.observer: AttemptObserver | None = None
        self.policy: NodePolicy = definition.policy(node)
        self.timeout_seconds = timeout_seconds if self.policy.timeout_seconds is None else self.policy.timeout_seconds
        self.name = definition.plan.nodes[node].name
        self.state = "queued"
        self.started_at = UNSET
        self.not_before = UNSET
        """instant of the event before it, perhaps by another clock: it is recorded to have begun after that"""
        self.lease_expires_at = MONOTONIC_UNSET
        """end of the lease of its own row, by the monotonic clock"""
        self.interrupted = False
        """it was told to stop, which does not end its run: if it does not end, it is begun again"""
        self.deferred_us = 0
        self.deferred_at = UNSET
        self.timeout_held_us = 0
        """time its function has waited elsewhere for a place to run, which does not count towards its time-out"""
        self.timeout_held_at = UNSET
        self.waiting_calls = 0
        """number of its calls that wait; its executor's"""
        self.first_fence = fence
        """the fence under which it was issued first; lower than its own if processes have died in it"""
        self.call_ordinals: dict[str, int] | None = None
        """number of its calls for each child run; the driver's"""
        self._lock = threading.Lock()

    def try_start(self) -> bool:
        """Begin; returns False if the attempt was withdrawn, or its lease is over (`on_lease_expired` is called).

        A process that was stopped or suspended may have lost its work to another runner without having noticed.
        """
        with self._lock:
            if self.state != "queued":
                return False
            monotonic_now = self.clock.monotonic()
            if monotonic_now < self.lease_expires_at or monotonic_now < self.lease.expires_at:
                self.state = "running"
                self.started_at = max(self.clock.now(), self.not_before)
                return True
            self.state = "over"
        self.on_lease_expired(self)
        return False

    def try_end(self) -> bool:
        """Close the attempt; returns False if it was closed before."""
        with self._lock:
            if self.state == "over":
                return False
            self.state = "over"
            return True

    def interrupt(self, reason: str) -> None:
        """Tell the task function to stop.

        An attempt that does not end by itself is begun again later, here or elsewhere.
        """
        self.interrupted = True
        self.handle.request_cancel(reason)

    def cancel_if_queued(self) -> bool:
        """Close the attempt if its task function has not begun."""
        with self._lock:
            if self.state != "queued":
                return False
            self.state = "over"
            return True

    def times_out_at(self) -> Micros | None:
        """The instant of its time-out; None while it does not run, is deferred or waits for a place elsewhere."""
        if self.state != "running" or self.deferred_at or self.timeout_held_at:
            return None
        return Micros(self.started_at + self.deferred_us + self.timeout_held_us + int(self.timeout_seconds * 1e6))

    def hold_timeout(self) -> None:
        """Stop its time-out until `start_timeout`: its function waits for a place to run."""
        self.timeout_held_at = self.clock.now()

    def start_timeout(self) -> None:
        """Have its time-out go on, if it was held: its function begins now."""
        if self.timeout_held_at:
            self.timeout_held_us += self.clock.now() - self.timeout_held_at
            self.timeout_held_at = UNSET

    @property
    def is_async(self) -> bool:
        """True if the function is awaited."""
        return self.definition.is_async(self.node)

    def enter_context(self) -> None:
        """Set the context variables that observers want the function to see, in the running context."""
        if self.observer is not None:
            self.observer.enter_context(self)

    def read_secret(self, name: str, field: str) -> str:
        """Return the text of a secret of the database.  Raises SecretNotFound, SecretsUnavailable, StoreUnavailable."""
        if self.secret_source is None:
            raise SecretsUnavailable("this runner has no access to secrets")
        return self.secret_source.read_secret(name, field)

    def tell_exception(self, error: BaseException) -> None:
        """Tell observers of the exception itself; of one raised elsewhere there is only a report."""
        if self.observer is not None and not is_a(error, RemoteTaskError):
            cause = error.__cause__ if is_a(error, NodeFailure) else error
            if cause is not None:
                self.observer.on_exception(self, cause)

    # -- its ends

    def success_entry(self, node_result: NodeResult) -> JournalEntry:
        event: Event = Succeeded(self.node, self.fence, node_result.values, node_result.decision)
        if node_result.child_runs is not None:
            event = ChildRunsRequested(
                self.node,
                self.fence,
                node_result.child_runs.inputs,
                node_result.child_runs.max_concurrency,
                node_result.child_runs.fail_fast,
            )
        elif node_result.question is not None:
            event = InputRequested(self.node, self.fence, node_result.question)
        elif node_result.wait_until is not None:
            event = Deferred(self.node, self.fence, node_result.wait_until)
        return JournalEntry(event, self.started_at, self.clock.now(), node_result.observer_errors)

    def cancelled_entry(self) -> JournalEntry:
        return JournalEntry(Cancelled(self.node, self.fence), self.started_at, self.clock.now())

    def failure_entry(
        self,
        error: BaseException | None,
        error_kind: str,
        text: str,
        notes: tuple[str, ...] = (),
        retryable: bool | None = None,
        traceback: str = "",
    ) -> JournalEntry:
        """The failure, with the instant to try again, if any.  `retryable` None: the retry policy decides."""
        retry = self.policy.retry
        now = self.clock.now()
        retry_at: Micros | None = None
        if self.number < retry.max_attempts and (
            retry.is_retryable(error, error_kind, text) if retryable is None else retryable
        ):
            delay_seconds = retry.delay_seconds(self.number, jitter_fraction=random.random())
            retry_at = add_seconds(now, delay_seconds) if delay_seconds else UNSET
        return JournalEntry(
            Failed(self.node, self.fence, error_kind, text, retry_at, traceback), self.started_at, now, notes
        )

    def exception_entry(self, error: BaseException) -> JournalEntry:
        """The end of an attempt whose task function raised.  Raises nothing: an error in here fails the attempt too."""
        try:
            return self._exception_entry(error)
        except BaseException as mishap:  # noqa: BLE001 - an attempt without an end would keep its run for ever
            report = ErrorReport.from_exception(mishap)
            text = f"{type_name(error)}, and its end could not be decided: {report.text}"
            event = Failed(self.node, self.fence, type_name(error), text, traceback=report.traceback)
            return JournalEntry(event, self.started_at, self.clock.now())

    def _exception_entry(self, error: BaseException) -> JournalEntry:
        retryable = None
        cause: BaseException | None = error
        if is_a(error, RemoteTaskError):
            report, retryable, cancelled, notes = error.report, error.retryable, error.cancelled, error.notes
        else:
            report, cancelled = ErrorReport.from_exception(error), is_a(error, TaskCancelled) or is_cancellation(error)
            notes = ()
            cause, is_final = judged_error(error)
            retryable = False if is_final else None
        if self.handle.cancel_requested and (cancelled or (self.interrupted and self.handle.cancel_observed)):
            return self.cancelled_entry()
        error_text = ErrorText(report.text, report.kind, report.traceback)
        if self.definition.has_code or not is_a(error, RemoteTaskError):  # told already, where the code is
            notes += self.definition.on_failure(self.node, self.view, error_text)
        return self.failure_entry(cause, report.kind, report.text, notes, retryable, report.traceback)


class RemoteTaskError(Exception):
    """A task function raised in another process.

    The exception stayed there; `retryable`: the retry policy covers it.  `notes`: failures of observers there.
    """

    def __init__(self, report: ErrorReport, retryable: bool, cancelled: bool, notes: tuple[str, ...] = ()) -> None:
        super().__init__(report.text)
        self.report, self.retryable, self.cancelled, self.notes = report, retryable, cancelled, notes


def run_function(
    attempt: Attempt,
    deliver: Callable[[Attempt, JournalEntry], None],
    elsewhere: Callable[[Attempt], NodeResult] | None = None,
) -> JournalEntry | None:
    """Run the task function and deliver the event it ended with; None if it was given up before.

    `elsewhere`: runs it in another process; None: it runs in this thread.
    """
    ORIGIN.set(attempt)
    try:
        if attempt.observer is not None:
            attempt.observer.on_function_start(attempt).wait()
            attempt.enter_context()
        if elsewhere is not None:
            done = elsewhere(attempt)
        else:
            done = attempt.definition.execute(attempt.node, attempt.view, attempt.handle)
        entry = attempt.success_entry(done)
    # SystemExit, KeyboardInterrupt and RecursionError too: they end this attempt, not the engine.
    except BaseException as error:  # noqa: BLE001
        if elsewhere is not None and attempt.state == "over":  # killed: its end is known
            return None
        attempt.tell_exception(error)
        entry = attempt.exception_entry(error)
    attempt.handle.mark_ended()
    if not attempt.try_end():
        return None
    deliver(attempt, entry)
    return entry


async def run_function_async(attempt: Attempt, deliver: Callable[[Attempt, JournalEntry], None]) -> None:
    """The same for an `async def` task function, in the event loop of these."""
    ORIGIN.set(attempt)
    try:
        if attempt.observer is not None:
            await wrap_future(attempt.observer.on_function_start(attempt))
            attempt.enter_context()
        done = await attempt.definition.execute_async(attempt.node, attempt.view, attempt.handle)
        entry = attempt.success_entry(done)
    except BaseException as error:  # noqa: BLE001 - as above
        if attempt.state == "over":  # cancelled by its time-out: its end is known
            return
        attempt.tell_exception(error)
        entry = attempt.exception_entry(error)
    attempt.handle.mark_ended()
    if attempt.try_end():
        deliver(attempt, entry)
