"""Slots and threads: at most `slot_limit` task functions run at once, in threads or on a backend elsewhere.

The limit counts slots.  A task function that waits in `defer_until` keeps its thread and gives up its slot; one that
timed out is abandoned: its thread is a daemon, and its slot is free.  `async def` functions take slots too and share
one event loop in a thread of its own.  (The default executor leaves them to one with a limit of its own, see
dispatch.py.)

With a backend, a thread hands its attempt over and waits.  Everything else is the same, but that a task function which
is given up is killed, and that its slot is free when it is really gone.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from holdwater.model.context_isolation import run_in_fresh_context
from holdwater.model.error_report import describe_error
from holdwater.model.events import Failed
from holdwater.model.journal import JournalEntry
from holdwater.model.resources import Resources
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.attempt import Attempt, run_function, run_function_async
from holdwater.runtime.executors.backend_calls import BackendCalls
from holdwater.runtime.executors.base import ExecutorBackend, ExecutorMetrics
from holdwater.runtime.executors.event_loop import JOIN_TIMEOUT_SECONDS, TaskEventLoop
from holdwater.runtime.executors.exhaustion import capacity_exhausted
from holdwater.runtime.executors.throughput import EndedAttempts, SlotThroughput
from holdwater.runtime.handle import TaskHandle

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Executor:
    """Runs attempts.  Thread-safe.  `backend` None: in threads of this process.

    `on_slot_free`: called once after `is_free_or_notify`, with a lock held, so it must not block.  `event_loop`: of
    another executor, if it is shared.  `routed_resources`: by full name of a task, those of its routing rule.
    """

    _keeps_slots = True  # a thread that ends a task function takes the next one of the queue with the same slot

    def __init__(
        self,
        name: str,
        slot_limit: int,
        on_attempt_ended: Callable[[Attempt, JournalEntry], None],
        on_deferral_changed: Callable[[Attempt, bool], None],
        on_slot_free: Callable[[], None],
        backend: ExecutorBackend | None = None,
        event_loop: TaskEventLoop | None = None,
        routed_resources: Callable[[str], Resources] | None = None,
    ) -> None:
        self.name, self.slot_limit = name, slot_limit
        self.throughput = SlotThroughput(slot_limit)
        self._backend_calls = None if backend is None else BackendCalls(backend, self, routed_resources)
        self._run_remotely = None if self._backend_calls is None else self._backend_calls.run
        self.is_remote = backend is not None
        """its task functions run in other processes"""
        self._ended = EndedAttempts()
        self._on_attempt_ended, self._on_slot_free = on_attempt_ended, on_slot_free
        self._on_deferral_changed = on_deferral_changed
        self._notify_when_free = self._notify_when_idle = False
        self._lock: AbstractContextManager[object] = threading.Lock()
        self.free_slots = slot_limit
        """slots that are free; below 0 as long as calls went over the limit"""
        self.queue: deque[Attempt] = deque()
        self._slot_requests: dict[Attempt, Callable[[], None]] = {}  # the longest waiting first
        self._handoff: SimpleQueue[Attempt | None] = SimpleQueue()
        self._idle_threads = 0
        self._threads: set[threading.Thread] = set()
        self._abandoned: set[Attempt] = set()
        self._async_tasks: dict[Attempt, asyncio.Task[None]] = {}
        self.event_loop = TaskEventLoop() if event_loop is None else event_loop
        self._closed = False
        self.running: set[Attempt] = set()
        """task functions that have begun and are not over, deferred ones too"""
        self.newly_started: list[Attempt] = []
        """task functions that began since this list was last taken"""

    # -- attempts in and out

    def submit_attempt(self, attempt: Attempt) -> None:
        """Run the attempt as soon as there is a slot; its end is delivered."""
        attempt.executor = self
        attempt.handle = TaskHandle(attempt, self)
        with self._lock:
            self.queue.append(attempt)
            if self.free_slots > 0:
                self.free_slots -= 1
                self._hand_over_slot()

    @property
    def queue_length(self) -> int:
        """Attempts that wait for a slot."""
        return len(self.queue)

    def has_capacity(self) -> bool:
        """True if a task function could begin at once."""
        return self.free_slots > 0

    def expected_starts(self, now: Micros) -> int:
        """The number of task functions without a slot that are expected to begin soon."""
        return self.throughput.expected(now, full=self.free_slots <= 0)

    def is_free_or_notify(self) -> bool:
        """True if a slot is free; if not, `on_slot_free` is called when one is."""
        with self._lock:
            self._notify_when_free = self.free_slots <= 0
            return not self._notify_when_free

    def is_idle_or_notify(self) -> bool:
        """True if all slots are free; if not, `on_slot_free` is called when they are."""
        with self._lock:
            self._notify_when_idle = self.free_slots < self.slot_limit
            return not self._notify_when_idle

    def unqueue_surplus(self, now: Micros, *, everything: bool = False) -> list[Attempt]:
        """Take back attempts that will not begin soon: the last that came first."""
        with self._lock:
            expected = 0 if everything else self.expected_starts(now)
            if len(self.queue) <= 2 * expected:  # the average moves all the time
                return []
            taken = [self.queue.pop() for _ in range(len(self.queue) - expected)]
        return [attempt for attempt in taken if attempt.cancel_if_queued()]

    def metrics(self) -> ExecutorMetrics:
        """Its figures at this moment."""
        with self._lock:
            waiting, ended = len(self.queue) + len(self._slot_requests), self._ended
            in_use = self.slot_limit - self.free_slots
            return ExecutorMetrics(in_use, waiting, self.slot_limit, ended.count, ended.failed_count, ended.mean_ms)

    def take_newly_started(self) -> list[Attempt]:
        """The attempts that have begun since the last call."""
        if not self.newly_started:
            return []
        with self._lock:
            begun, self.newly_started = self.newly_started, []
        return begun

    def detach(self, attempt: Attempt) -> None:
        """Give up a running task function that was ended.

        In a thread: its slot is free, and the thread goes on until it returns.  Elsewhere it is killed, and its slot is
        free when it is gone.
        """
        with self._lock:
            if attempt not in self.running:
                return
            task = self._async_tasks.get(attempt)
            deferred = attempt.deferred_at
            self._drop_slot_request(attempt)
            if self._run_remotely is None or deferred:
                self.running.discard(attempt)
                self._on_detached(attempt)
                if task is None:
                    self._abandoned.add(attempt)
                if not deferred:
                    self._hand_over_slot(attempt)
        if self._backend_calls is not None:
            self._backend_calls.kill(attempt)
        if task is not None:
            self.event_loop.cancel(task)

    def cancel_coroutine(self, attempt: Attempt) -> None:
        """Cancel the coroutine of a task function; a thread goes on.  It has its slot until it ends."""
        with self._lock:
            task = self._async_tasks.get(attempt)
        if task is not None:
            self.event_loop.cancel(task)

    def _finish_attempt(self, attempt: Attempt, entry: JournalEntry) -> None:
        with self._lock:  # counted before its end is known and the metrics are read
            took_us = entry.ended_at - entry.started_at
            self._ended.add(took_us, failed=type(entry.event) is Failed)
            self.throughput.ended(entry.ended_at, took_us - attempt.deferred_us)
        self._on_attempt_ended(attempt, entry)

    def _on_detached(self, attempt: Attempt) -> None:
        """Count a task function whose end is not delivered; the lock is held."""
        now = attempt.clock.now()
        self._ended.add(now - attempt.started_at, failed=True)
        self.throughput.ended(now, (attempt.deferred_at or now) - attempt.started_at - attempt.deferred_us)

    def _start_attempt(self, attempt: Attempt) -> None:
        """Start it; the slot is taken and the lock held."""
        if self._run_remotely is None and attempt.definition.is_async(attempt.node):
            self._start_async(attempt)
        elif self._idle_threads > 0:
            self._idle_threads -= 1
            self._handoff.put(attempt)
        else:
            thread = threading.Thread(target=self._thread_main, args=(attempt,), name="holdwater-task", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _hand_over_slot(self, finished: Attempt | None = None) -> None:
        """Pass on a free slot, first to a task function that resumes; the lock is held.  `finished`: had it before."""
        if self.free_slots < 0:  # a call went over the limit, and that is made up for first
            self.free_slots += 1
            return
        if self._slot_requests:
            longest = next(iter(self._slot_requests))
            self._resume_attempt(longest, self._slot_requests.pop(longest))
            return
        while self.queue and not self._closed:
            attempt = self.queue.popleft()
            if not self._reject_if_exhausted(attempt):
                self._start_attempt(attempt)
                return
        self.free_slots += 1
        if self._notify_when_free or (self._notify_when_idle and self.free_slots == self.slot_limit):
            self._notify_when_free = self._notify_when_idle = False
            self._on_slot_free()

    def _reject_if_exhausted(self, attempt: Attempt) -> bool:
        """Threads that never came back use up what the process has: as many as the limit, and no more."""
        if (
            len(self._abandoned) < self.slot_limit
            or self._run_remotely is not None
            or attempt.definition.is_async(attempt.node)
        ):
            return False
        error = capacity_exhausted(len(self._abandoned), self.slot_limit)
        if attempt.cancel_if_queued():  # an end like any other: the policy decides whether it is tried again
            self._on_attempt_ended(attempt, attempt.failure_entry(error, "CapacityExhausted", describe_error(error)))
        return True

    def _thread_main(self, first_attempt: Attempt) -> None:
        attempt: Attempt | None = first_attempt
        entry: JournalEntry | None = None
        while attempt is not None:
            if attempt.try_start():
                with self._lock:
                    self.running.add(attempt)
                    self.newly_started.append(attempt)
                entry = run_in_fresh_context(run_function, attempt, self._finish_attempt, self._run_remotely)
            attempt = self._next_attempt(attempt, entry)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _next_attempt(self, finished: Attempt, entry: JournalEntry | None) -> Attempt | None:
        """The next attempt of this thread: on the same slot, or one that is handed to it later."""
        with self._lock:
            if finished in self._abandoned:  # its slot went on long ago, and so did a thread for it
                self._abandoned.discard(finished)
                return None
            self.running.discard(finished)
            if entry is None and finished.started_at:
                self._on_detached(finished)
            deferred = finished.deferred_at  # another of its threads still waits: there is no slot to pass on
            self._drop_slot_request(finished)
            slot_is_ours = self._keeps_slots and not (deferred or self._slot_requests or self._closed)
            if slot_is_ours and self.free_slots >= 0 and self.queue and len(self._abandoned) < self.slot_limit:  # noqa: SIM102
                if self._run_remotely is not None or not self.queue[0].definition.is_async(self.queue[0].node):
                    return self.queue.popleft()
            if not self._closed:
                self._idle_threads += 1
            if not deferred:
                self._hand_over_slot(finished)
            if self._closed:
                return None
        return self._handoff.get()

    # -- deferral

    def release_slot(self, attempt: Attempt) -> None:
        """A call of a running task function waits.  As long as any does, in a thread or a coroutine, it has no slot."""
        with self._lock:
            if attempt.state == "over":
                return
            attempt.waiting_calls += 1
            if attempt.waiting_calls > 1:
                return
            go = self._slot_requests.pop(attempt, None)
            if go is not None:  # the call that was about to go on does so without a slot
                go()
            else:
                attempt.deferred_at = attempt.clock.now()
                self.throughput.moved(attempt.deferred_at)
                self._hand_over_slot(attempt)
        self._on_deferral_changed(attempt, True)

    def reacquire_slot(self, attempt: Attempt, on_slot: Callable[[], None] | None) -> None:
        """Continue a call that waited: `on_slot` is called when the function has a slot, or needs none as others wait.

        None: now, over the limit if need be; also for the call that has asked before.
        """
        with self._lock:
            asked = self._slot_requests.pop(attempt, None) is not None
            last = attempt.waiting_calls == 1
            attempt.waiting_calls = max(0, attempt.waiting_calls - 1)
            if attempt.waiting_calls or not attempt.deferred_at or attempt.state == "over":
                if on_slot is not None:
                    on_slot()
            elif self.free_slots > 0 or on_slot is None:
                self.free_slots -= 1
                self._resume_attempt(attempt, on_slot)
            else:
                self._slot_requests[attempt] = on_slot
        if last and not asked:
            self._on_deferral_changed(attempt, False)

    def take_slot_now(self, attempt: Attempt) -> None:
        """The call that has asked for a slot waits for it no more: it takes one, over the limit if need be."""
        with self._lock:
            if self._slot_requests.pop(attempt, None) is not None:
                self.free_slots -= 1
                self._resume_attempt(attempt, None)

    def _resume_attempt(self, attempt: Attempt, on_slot: Callable[[], None] | None) -> None:
        """Have a deferred task function go on with a slot that was taken for it; the lock is held."""
        self._grant_slot(attempt, on_slot)

    def _grant_slot(self, attempt: Attempt, on_slot: Callable[[], None] | None) -> None:
        """Give a deferred task function its slot; the lock is held."""
        attempt.deferred_us += attempt.clock.now() - attempt.deferred_at
        attempt.deferred_at = UNSET
        if on_slot is not None:
            on_slot()

    def _drop_slot_request(self, attempt: Attempt) -> None:
        """Forget the waiting calls of a task function that is over or given up; the lock is held."""
        go = self._slot_requests.pop(attempt, None)
        if go is not None:
            self._grant_slot(attempt, go)
        if attempt.waiting_calls:
            attempt.waiting_calls = 0
            self._on_deferral_changed(attempt, False)

    # -- async def task functions

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of `async def` task functions and wait for it, from another thread."""
        return self.event_loop.run(coroutine)

    def _start_async(self, attempt: Attempt) -> None:
        loop = self.event_loop.get()

        async def body() -> None:
            if attempt.try_start():
                with self._lock:
                    self.running.add(attempt)
                    self.newly_started.append(attempt)
                await run_function_async(attempt, self._finish_attempt)
            with self._lock:
                self._async_tasks.pop(attempt, None)
                if attempt in self.running:
                    self.running.discard(attempt)
                    deferred = attempt.deferred_at  # a task it has left behind still waits
                    self._drop_slot_request(attempt)
                    if not deferred:
                        self._hand_over_slot(attempt)
                elif not attempt.started_at:
                    self._hand_over_slot(attempt)

        def begin() -> None:
            task = loop.create_task(body(), context=contextvars.Context())
            with self._lock:
                self._async_tasks[attempt] = task

        loop.call_soon_threadsafe(begin)

    # -- the end

    def close_queue(self) -> list[Attempt]:
        """Take back attempts that have not begun, and start nothing more."""
        with self._lock:
            self._closed = True
            waiting = [a for a in self.queue if a.cancel_if_queued()]
            self.queue.clear()
            return waiting

    def close(self) -> None:
        """End idle threads and the event loop, and kill task functions that run elsewhere.

        Task functions that still run in threads are daemons and are left to themselves.
        """
        with self._lock:
            self._closed = True
        if self._backend_calls is not None:
            for attempt in list(self.running):
                attempt.try_end()  # they are killed now, which is no failure of theirs
            self._backend_calls.close()
        with self._lock:
            idle = self._idle_threads
            self._idle_threads = 0
            threads = [t for t in self._threads if t is not threading.current_thread()]
            busy = len(self.running) + len(self._abandoned)
        for _ in range(idle):
            self._handoff.put(None)
        self.event_loop.close()
        if not busy or self._run_remotely is not None:
            for t in threads:
                t.join(JOIN_TIMEOUT_SECONDS)
