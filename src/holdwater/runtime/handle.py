"""The handle of a task function: its access to the engine while it runs."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from holdwater.errors import InvalidArgument, RunnerClosed, TaskCancelled, TaskEnded, WorkflowError
from holdwater.model import validation
from holdwater.model.secrets import DEFAULT_FIELD
from holdwater.model.time import Micros
from holdwater.runtime.future import Future, call_in_loop, wrap_future
from holdwater.runtime.handle_protocols import ChildRunResult, ChildStarter, RunningAttempt, SlotOwner

Condition = Callable[[], Any] | Callable[[], Awaitable[Any]]

_wait_lock: Final = threading.Lock()
"""held for a moment by calls that begin or end to wait; one for all handles, because most never need it"""


class TaskHandle:
    """Handed to a task function whose second parameter is named `handle` or `task_handle`.

    `run_id`, `task_id`, `attempt` (from 1).  `idempotency_key` is the same in every attempt of this task in this run:
    give it to a service that must act once.
    """

    def __init__(self, attempt: RunningAttempt, slot_owner: SlotOwner) -> None:
        self._attempt = attempt
        self._slot_owner = slot_owner
        self._cancel_requested = False
        self._cancel_observed = False
        self._wakeup: threading.Event | None = None  # made by the first call that waits; most never do
        self._cancel_reason = ""
        self._cancel_callback: Callable[[str], None] | None = None
        self._waiting_calls = 0
        self._waiting_futures: set[Future[None]] = set()  # calls that wait, woken when the task is to stop
        self._ended = False

    @property
    def run_id(self) -> str:
        return self._attempt.run_id

    @property
    def task_id(self) -> str:
        return self._attempt.name

    @property
    def attempt(self) -> int:
        return self._attempt.number

    @property
    def attempt_started_at(self) -> Micros:
        """The instant this attempt began, by the runner's clock: microseconds since the epoch."""
        return self._attempt.started_at

    @property
    def run_started_at(self) -> Micros:
        """The instant the run began, or began again by a retry: microseconds since the epoch."""
        return self._attempt.run_started_at

    @property
    def idempotency_key(self) -> str:
        return f"{self._attempt.run_id}:{self._attempt.name}"

    @property
    def cancelled(self) -> bool:
        """The run was cancelled or timed out, this attempt timed out, or the runner is shutting down: stop soon.

        A task that returns then is done.  One that raises TaskCancelled (`raise_if_cancelled`), or any error after it
        has seen this, because the runner shuts down or the caller of its run was interrupted, is run again later.
        """
        self._cancel_observed = self._cancel_observed or self._cancel_requested
        return self._cancel_requested

    @property
    def cancel_requested(self) -> bool:
        """True if the task function is to stop.  For the engine."""
        return self._cancel_requested

    @property
    def cancel_observed(self) -> bool:
        """True if the task function has seen that it is to stop.  For the engine."""
        return self._cancel_observed

    def raise_if_cancelled(self) -> None:
        """Raises TaskCancelled if `cancelled`."""
        if self._cancel_requested:
            raise TaskCancelled(f"task {self.task_id!r} of run {self.run_id} is to stop: {self._cancel_reason}")

    def request_cancel(self, reason: str) -> None:
        """Tell the task function to stop.  For the engine."""
        self._cancel_reason = self._cancel_reason or reason
        self._cancel_requested = True
        if self._wakeup is not None:
            self._wakeup.set()
        if self._waiting_futures:
            with _wait_lock:
                sleepers = list(self._waiting_futures)
            for sleeper in sleepers:
                sleeper.set_result(None)
        if self._cancel_callback is not None:
            self._cancel_callback(self._cancel_reason)

    def mark_ended(self) -> None:
        """End the use of the handle, also by threads that the task function left behind.  For the engine."""
        self._ended = True

    def _raise_if_unusable(self) -> None:
        """Raises TaskCancelled, TaskEnded."""
        self.raise_if_cancelled()
        if self._ended:
            raise TaskEnded(
                f"task {self.task_id!r} of run {self.run_id} has ended, and with it the use of its handle",
                hint="return when the threads and coroutines the task has started are done: join or await them",
            )

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call `callback(reason)` when the task function is to stop, at once if it is.  For backends."""
        self._cancel_callback = callback
        if self._cancel_requested:
            callback(self._cancel_reason)

    def _wait_for_cancel(self, seconds: float) -> None:
        """Wait so long, or until the task function is to stop."""
        with _wait_lock:
            if self._wakeup is None:
                self._wakeup = threading.Event()
        if not self._cancel_requested:  # read after the event is there: a cancel from now on sets it
            self._wakeup.wait(seconds)

    def is_slot_held(self) -> bool:
        """False while the task function, or a thread or coroutine of it, waits in `defer_until` or `execute`."""
        return not self._waiting_calls

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str:
        """Return the text of a secret of the database, or of a field of one that has several.

        It is read from the database each time.  What the function returns, logs or raises with it in it is recorded as
        it is: keep it out of there.

        Raises SecretNotFound, SecretNotAllowed (the package does not list it), SecretsUnavailable without the key,
        StoreUnavailable, TaskEnded.
        """
        if self._ended:
            self._raise_if_unusable()
        return self._attempt.read_secret(name, field)

    def defer_until(self, condition: Condition, poll_interval_ms: int = 1000, timeout_ms: int | None = None) -> None:
        """Give up the concurrency slot until `condition()` is true, then take one again.

        Asks at once, and then every `poll_interval_ms`; a slot that need not be given up is kept.  An exception of the
        condition comes out of here.  The task's and the workflow's time-outs stand still while it waits.  In an
        `async def` task function use `defer_until_async`.

        Raises TimeoutError after `timeout_ms`, TaskCancelled when the run ends meanwhile, TaskEnded after its end.
        """
        interval_seconds, deadline = _validate_wait_options(poll_interval_ms, timeout_ms)

        def answered() -> bool:
            self._raise_if_unusable()
            answer = condition()
            if inspect.isawaitable(answer):
                answer = self._slot_owner.run_coroutine(_await_answer(answer))
            return bool(answer)

        if answered():
            return
        with self._SlotRelease(self):
            while True:
                self._wait_for_cancel(interval_seconds)
                if answered():
                    break
                _raise_if_timed_out(deadline, timeout_ms)
        self.raise_if_cancelled()

    async def defer_until_async(
        self, condition: Condition, poll_interval_ms: int = 1000, timeout_ms: int | None = None
    ) -> None:
        """`defer_until` for `async def` task functions."""
        import asyncio

        interval_seconds, deadline = _validate_wait_options(poll_interval_ms, timeout_ms)

        async def answered() -> bool:
            self._raise_if_unusable()
            answer = condition()
            return bool(await answer if inspect.isawaitable(answer) else answer)

        if await answered():
            return
        with self._SlotRelease(self, blocking=False) as deferral:
            while True:
                await asyncio.sleep(interval_seconds)
                if await answered():
                    break
                _raise_if_timed_out(deadline, timeout_ms)
            await deferral.reacquire_async()
        self.raise_if_cancelled()

    def execute(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> ChildRunResult:
        """Run another workflow as a child of this run, and wait for its end.  A failed child is a result, no exception.

        While it waits the slot is free, and the time-outs of the task and its run stand still.  Any number of threads
        of the task may wait at once; in an `async def` task function use `execute_async`.

        The child is recorded.  If this process dies, the next one finds it again by what was asked for: the workflow,
        the inputs, and the how-manieth of equal calls it is, in whatever order they come.  `key` names a call instead:
        a second one with this key is the same child.  An attempt after a failure starts children of its own.  A child
        is cancelled when its parent run ends, and when the attempt that started it fails.

        Raises WorkflowNotFound, EncodingError, IdempotencyConflict (this key, other inputs), TaskCancelled, TaskEnded
        (the task function is over); WorkflowError where it would block the event loop, and in another process that has
        no way to its runner, or for inputs that are no mapping there.
        """
        if self._is_in_event_loop():
            raise WorkflowError(
                f"task {self.task_id!r} is an async def function: execute() would block the event loop of all of these",
                hint="await handle.execute_async(...)",
            )
        child = self._start_child_run(workflow_name, context, key)
        with self._wakeup_future(child) as woken, self._SlotRelease(self):
            woken.wait()
        return self._child_result(child)

    async def execute_async(self, workflow_name: str, context: Any = None, *, key: str | None = None) -> ChildRunResult:
        """`execute` for coroutines: any number at once, in any event loop, and without a thread."""
        child = self._start_child_run(workflow_name, context, key)
        with self._wakeup_future(child) as woken, self._SlotRelease(self, blocking=False) as deferral:
            await wrap_future(woken)
            await deferral.reacquire_async()
        return self._child_result(child)

    def _start_child_run(self, workflow: str, inputs: Any, key: str | None) -> Future[ChildRunResult]:
        children: ChildStarter | None = getattr(self._attempt, "child_starter", None)
        if children is None:
            raise WorkflowError(
                f"task {self.task_id!r} runs in another process, which has no way to start runs",
                hint="take it off that executor, and give the computing to a task of its own",
            )
        self._raise_if_unusable()
        try:
            return children.start_child_run(self._attempt, workflow, inputs, key)
        except RunnerClosed as error:
            raise self._cancelled_by_shutdown(error) from error

    def _child_result(self, child_future: Future[ChildRunResult]) -> ChildRunResult:
        self.raise_if_cancelled()
        try:
            return child_future.result()
        except RunnerClosed as error:
            raise self._cancelled_by_shutdown(error) from error

    def _cancelled_by_shutdown(self, error: RunnerClosed) -> TaskCancelled:
        """The runner ends: that is no failure of the task, which is begun again elsewhere."""
        self.request_cancel("the runner is shutting down")
        return TaskCancelled(f"task {self.task_id!r} of run {self.run_id} is to stop: {error.message}")

    def _is_in_event_loop(self) -> bool:
        """True if an `async def` task function calls from its event loop."""
        if not self._attempt.is_async:
            return False
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    @contextmanager
    def _wakeup_future(self, future: Future[Any]) -> Iterator[Future[None]]:
        """A future set when the other one is, or when the task function is to stop."""
        woken: Future[None] = Future()
        with _wait_lock:
            self._waiting_futures.add(woken)
        try:
            future.add_done_callback(lambda _: woken.set_result(None))
            if self._cancel_requested:  # read after it is added: a cancel from now on wakes it
                woken.set_result(None)
            yield woken
        finally:
            with _wait_lock:
                self._waiting_futures.discard(woken)

    class _SlotRelease:
        """One call that waits: the slot is free inside, and taken again on the way out, whatever happened.

        A coroutine takes it with `reacquire_async`.  On its way out with an exception it may not block its loop: it
        goes over the limit for that moment.
        """

        def __init__(self, handle: TaskHandle, blocking: bool = True) -> None:
            self.handle, self.blocking, self.state = handle, blocking, "waiting"

        def __enter__(self) -> TaskHandle._SlotRelease:
            h = self.handle
            h._raise_if_unusable()
            with _wait_lock:
                h._waiting_calls += 1
            h._slot_owner.release_slot(h._attempt)
            return self

        async def reacquire_async(self) -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            got = asyncio.Event()

            def go() -> None:
                call_in_loop(loop, got.set)

            self.state = "asking"
            self.handle._slot_owner.reacquire_slot(self.handle._attempt, go)
            await got.wait()
            self.state = "taken"

        def __exit__(self, *exc: object) -> None:
            h = self.handle
            if self.blocking:
                gate = threading.Lock()
                gate.acquire()
                h._slot_owner.reacquire_slot(h._attempt, gate.release)
                gate.acquire()
            elif self.state == "waiting":
                h._slot_owner.reacquire_slot(h._attempt, None)
            elif self.state == "asking":
                h._slot_owner.take_slot_now(h._attempt)
            with _wait_lock:
                h._waiting_calls -= 1


def _validate_wait_options(poll_interval_ms: int, timeout_ms: int | None) -> tuple[float, float | None]:
    longest_ms = validation.MAX_SECONDS * 1000
    validation.check_seconds(
        "poll_interval_ms", poll_interval_ms, maximum=longest_ms, unit="milliseconds", error_class=InvalidArgument
    )
    if validation.check_timeout("timeout_ms", timeout_ms) is None:
        return poll_interval_ms / 1000, None
    assert timeout_ms is not None
    return poll_interval_ms / 1000, time.monotonic() + timeout_ms / 1000


def _raise_if_timed_out(deadline: float | None, timeout_ms: int | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"the condition did not become true within {timeout_ms} ms")


async def _await_answer(answer: Awaitable[Any]) -> Any:
    return await answer
