"""What a task body can ask of the engine while it runs."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from penstock.model import checks
from penstock.model.errors import InvalidArgument, TaskCancelled, WorkflowError
from penstock.runtime.promise import call_in

if TYPE_CHECKING:
    from penstock.runners.results import WorkflowResult

T = TypeVar("T")
Condition = Callable[[], Any] | Callable[[], Awaitable[Any]]

LOOK_SECONDS: Final = 5.0
"""how often a body makes sure that the run it waits for still goes on"""


class Called(Protocol):
    """The attempt a body belongs to."""

    @property
    def run_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def began(self) -> int: ...
    @property
    def epoch(self) -> int: ...


class Slots(Protocol):
    """Who gives slots to bodies: their executor, or the line to it."""

    def defer(self, attempt: Any) -> None: ...

    def resume(self, attempt: Any, go: Callable[[], None] | None) -> None: ...

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


class ChildRun(Protocol):
    """A run that a body started and waits for."""

    def look(self, ring: Callable[[], None]) -> WorkflowResult | None:
        """What became of it; None while it goes on: then `ring` is called when it is time to look again."""
        ...


class Children(Protocol):
    """Starts runs for bodies."""

    def start(self, parent: Called, ordinal: int, workflow: str, inputs: Any) -> ChildRun: ...


class TaskHandle:
    """Handed to a body whose second parameter is named `handle` or `task_handle`.

    `run_id`, `task_id`, `attempt` (from 1).  `idempotency_key` is the same in every attempt of this task in this run:
    give it to a service that must act once.
    """

    def __init__(self, attempt: Called, executor: Slots) -> None:
        self._attempt = attempt
        self._executor = executor
        self._halted = False
        self._bell: threading.Event | None = None  # made by the first body that waits; most never do
        self._why = ""
        self._listener: Callable[[str], None] | None = None
        self._holds_slot = True
        self._children = 0

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
    def began(self) -> int:
        """When this attempt began, by the runner's clock: microseconds since the epoch."""
        return self._attempt.began

    @property
    def run_began(self) -> int:
        """When the run began, or began again: microseconds since the epoch."""
        return self._attempt.epoch

    @property
    def idempotency_key(self) -> str:
        return f"{self._attempt.run_id}:{self._attempt.name}"

    @property
    def cancelled(self) -> bool:
        """The run was cancelled or timed out, this attempt timed out, or the runner is shutting down: stop soon."""
        return self._halted

    def raise_if_cancelled(self) -> None:
        """Raises TaskCancelled if `cancelled`."""
        if self._halted:
            raise TaskCancelled(f"task {self.task_id!r} of run {self.run_id} is to stop: {self._why}")

    def halt(self, why: str) -> None:
        """Tell the body to stop.  For the engine."""
        self._why = self._why or why
        self._halted = True
        if self._bell is not None:
            self._bell.set()
        if self._listener is not None:
            self._listener(self._why)

    def on_halt(self, tell: Callable[[str], None]) -> None:
        """Call `tell(why)` when the body is to stop, at once if it is.  For a place where it runs."""
        self._listener = tell
        if self._halted:
            tell(self._why)

    def _wait(self, seconds: float) -> None:
        """Wait so long, or until the body is to stop."""
        if self._bell is None:
            self._bell = threading.Event()
        if not self._halted:  # looked at after the bell is there: whoever halts from now on rings it
            self._bell.wait(seconds)

    def is_slot_held(self) -> bool:
        """False while the body waits in `defer_until`."""
        return self._holds_slot

    def defer_until(self, condition: Condition, poll_interval_ms: int = 1000, timeout_ms: int | None = None) -> None:
        """Give up the concurrency slot until `condition()` is true, then take one again.

        Waits first, then asks, every `poll_interval_ms`.  An exception of the condition comes out of here.  The task's
        and the workflow's time-outs stand still meanwhile.  In an `async def` body use `defer_until_async`.

        Raises TimeoutError after `timeout_ms`, TaskCancelled when the run ends meanwhile.
        """
        interval_s, deadline = _checked(poll_interval_ms, timeout_ms)
        with self._Deferral(self):
            while True:
                self._wait(interval_s)
                self.raise_if_cancelled()
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = self._executor.run_coroutine(_awaited(answer))
                if answer:
                    break
                _expire(deadline, timeout_ms)
        self.raise_if_cancelled()

    async def defer_until_async(
        self, condition: Condition, poll_interval_ms: int = 1000, timeout_ms: int | None = None
    ) -> None:
        """`defer_until` for `async def` bodies."""
        import asyncio

        interval_s, deadline = _checked(poll_interval_ms, timeout_ms)
        with self._Deferral(self, blocking=False) as deferral:
            while True:
                await asyncio.sleep(interval_s)
                self.raise_if_cancelled()
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    break
                _expire(deadline, timeout_ms)
            await deferral.slot_async()
        self.raise_if_cancelled()

    def execute(self, workflow_name: str, context: Any = None) -> WorkflowResult:
        """Run another workflow as a child of this run, and wait for its end; the slot is free meanwhile.

        The child is recorded.  If this process dies, the next attempt finds the same child again instead of starting
        another; an attempt after a failure starts a new one.  A child ends with its parent: it is cancelled when the
        parent is cancelled, fails or times out.  A failed child is a result, not an exception.  In an `async def` body
        use `execute_async`.

        Raises WorkflowNotFound, EncodingError, StoreUnavailable, TaskCancelled; WorkflowError in another process.
        """
        children: Children | None = getattr(self._attempt, "children", None)
        if children is None:
            raise WorkflowError(
                f"task {self.task_id!r} runs in another process and cannot start runs from there",
                hint="take it off that executor, and give the computing to a task of its own",
            )
        self.raise_if_cancelled()
        self._children += 1
        child = children.start(self._attempt, self._children, workflow_name, context)
        if self._bell is None:
            self._bell = threading.Event()
        bell = self._bell
        with self._Deferral(self):
            while (result := child.look(bell.set)) is None:
                bell.wait(LOOK_SECONDS)
                self.raise_if_cancelled()
                bell.clear()
        self.raise_if_cancelled()
        return result

    async def execute_async(self, workflow_name: str, context: Any = None) -> WorkflowResult:
        """`execute` for `async def` bodies."""
        import asyncio

        return await asyncio.to_thread(self.execute, workflow_name, context)

    class _Deferral:
        """The slot is free inside; taken again on the way out, whatever happened."""

        def __init__(self, handle: TaskHandle, blocking: bool = True) -> None:
            self.handle, self.blocking, self.has_slot = handle, blocking, False

        def __enter__(self) -> TaskHandle._Deferral:
            h = self.handle
            h.raise_if_cancelled()
            h._holds_slot = False
            h._executor.defer(h._attempt)
            return self

        async def slot_async(self) -> None:
            import asyncio

            loop = asyncio.get_running_loop()
            got = asyncio.Event()

            def go() -> None:
                call_in(loop, got.set)

            self.handle._executor.resume(self.handle._attempt, go)
            await got.wait()
            self.has_slot = True

        def __exit__(self, *exc: object) -> None:
            h = self.handle
            if not self.has_slot:
                if self.blocking:
                    gate = threading.Lock()
                    gate.acquire()
                    h._executor.resume(h._attempt, gate.release)
                    gate.acquire()
                else:  # a coroutine on its way out may not block its loop: it goes over the limit for that moment
                    h._executor.resume(h._attempt, None)
            h._holds_slot = True


def _checked(poll_interval_ms: int, timeout_ms: int | None) -> tuple[float, float | None]:
    longest_ms = checks.LONGEST_SECONDS * 1000
    checks.seconds("poll_interval_ms", poll_interval_ms, at_most=longest_ms, unit="milliseconds", error=InvalidArgument)
    if checks.patience("timeout_ms", timeout_ms) is None:
        return poll_interval_ms / 1000, None
    assert timeout_ms is not None
    return poll_interval_ms / 1000, time.monotonic() + timeout_ms / 1000


def _expire(deadline: float | None, timeout_ms: int | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"the condition did not become true within {timeout_ms} ms")


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer
