"""Slots and threads: at most `limit` bodies run at once, in threads or in a place elsewhere.

A slot is what the limit counts.  A body that waits in `defer_until` keeps its thread and gives up its slot; a body that
timed out is abandoned, its thread is a daemon nobody waits for, and its slot goes on.  `async def` bodies take slots
too and share one event loop in a thread of its own.  (The default executor leaves them to one that has its loop and a
limit of its own, see dispatch.py.)

With a place, a thread carries out its attempt there and waits.  Everything else is the same, but that a body which is
given up is killed, and that its slot goes on when it is really gone.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from holdwater.errors import CapacityExhausted
from holdwater.model.context_isolation import in_fresh_context
from holdwater.model.error_report import describe
from holdwater.model.events import Failed
from holdwater.model.journal import JournalEntry
from holdwater.model.results import NodeResult
from holdwater.runtime.attempt import Attempt, run_function, run_function_async
from holdwater.runtime.executors.base import ExecutorBackend, ExecutorMetrics, TaskInvocation, to_result
from holdwater.runtime.executors.throughput import SlotThroughput
from holdwater.runtime.handle import TaskHandle

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
JOIN_SECONDS: Final = 1.0


class Executor:
    """Runs attempts.  Thread-safe.  No place: in threads of this process.

    `on_free`: called once after `tell_when_free`, with a lock held, so it must not block.  `loop_of`: an executor whose
    event loop this one uses.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        deliver: Callable[[Attempt, JournalEntry], None],
        on_defer: Callable[[Attempt, bool], None],
        on_free: Callable[[], None],
        place: ExecutorBackend | None = None,
        loop_of: Executor | None = None,
    ) -> None:
        self.name = name
        self.limit = limit
        self.pace = SlotThroughput(limit)
        self._place = place
        self._elsewhere = None if place is None else self._carry_out
        self._jobs: dict[Attempt, TaskInvocation] = {}
        self._executed = self._failed = self._took_us = 0
        self._deliver = deliver
        self._on_defer = on_defer
        self._on_free = on_free
        self._tells = self._tells_idle = False
        self._lock = threading.Lock()
        self.free = limit
        """slots nobody has; below 0 as long as somebody went over the limit"""
        self.waiting: deque[Attempt] = deque()
        self._resuming: dict[Attempt, Callable[[], None]] = {}  # the longest waiting first
        self._handoff: SimpleQueue[Attempt | None] = SimpleQueue()
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._abandoned: set[Attempt] = set()
        self._coroutines: dict[Attempt, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_of = loop_of
        self._loop_thread: threading.Thread | None = None
        self._loop_guard = threading.Lock()
        self._closed = False
        self.running: set[Attempt] = set()
        """bodies that have begun and are not over, deferred ones too"""
        self.begun: list[Attempt] = []
        """bodies that began since somebody last took this list"""

    # -- attempts in and out

    def submit(self, attempt: Attempt) -> None:
        """Run the attempt as soon as there is a slot; its end is delivered."""
        attempt.executor = self
        attempt.handle = TaskHandle(attempt, self)
        with self._lock:
            self.waiting.append(attempt)
            if self.free > 0:
                self.free -= 1
                self._hand_over_slot()

    @property
    def backlog(self) -> int:
        """Attempts that wait for a slot."""
        return len(self.waiting)

    def has_capacity(self) -> bool:
        """Whether a body could begin at once."""
        return self.free > 0

    def expected(self, now: int) -> int:
        """How many bodies that have to wait for a slot are expected to begin soon."""
        return self.pace.expected(now, full=self.free <= 0)

    def tell_when_free(self) -> bool:
        """Whether a slot is free; if not, `on_free` is called when one is."""
        with self._lock:
            self._tells = self.free <= 0
            return not self._tells

    def is_idle(self) -> bool:
        """Whether all slots are free; if not, `on_free` is called when they are."""
        with self._lock:
            self._tells_idle = self.free < self.limit
            return not self._tells_idle

    def withdraw_surplus(self, now: int, *, everything: bool = False) -> list[Attempt]:
        """Take back what waits although it will not begin soon: the last that came first."""
        with self._lock:
            expected = 0 if everything else self.expected(now)
            if len(self.waiting) <= 2 * expected:  # the average moves all the time
                return []
            taken = [self.waiting.pop() for _ in range(len(self.waiting) - expected)]
        return [attempt for attempt in taken if attempt.withdraw()]

    def metrics(self) -> ExecutorMetrics:
        """How it is doing."""
        with self._lock:
            n = self._executed
            mean_ms = self._took_us / n / 1000 if n else 0.0
            waiting = len(self.waiting) + len(self._resuming)
            return ExecutorMetrics(self.limit - self.free, waiting, self.limit, n, self._failed, mean_ms)

    def take_begun(self) -> list[Attempt]:
        """The attempts whose bodies have begun since the last call."""
        if not self.begun:
            return []
        with self._lock:
            begun, self.begun = self.begun, []
        return begun

    def detach(self, attempt: Attempt) -> None:
        """Give up a running body that was ended.

        In a thread: its slot is free, and the thread goes on until it returns.  Elsewhere it is killed, and its slot is
        free when it is gone.
        """
        with self._lock:
            if attempt not in self.running:
                return
            task = self._coroutines.get(attempt)
            job = self._jobs.get(attempt)
            deferred = attempt.deferred_at
            self._forgo(attempt)
            if self._elsewhere is None or deferred:
                self.running.discard(attempt)
                self._on_detached(attempt)
                if task is None:
                    self._abandoned.add(attempt)
                if not deferred:
                    self._hand_over_slot()
        if job is not None and self._place is not None:
            self._place.kill(job)
        if task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)

    def cancel(self, attempt: Attempt) -> None:
        """Cancel the coroutine of a body that was told to stop; a thread goes on.  It has its slot until it ends."""
        with self._lock:
            task = self._coroutines.get(attempt)
        if task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)

    def _carry_out(self, attempt: Attempt) -> NodeResult:
        """In this thread, the attempt at its place elsewhere."""
        assert self._place is not None
        job = TaskInvocation(attempt, self)
        with self._lock:
            self._jobs[attempt] = job  # whoever gives the attempt up from now on kills it; before, the place sees it
        try:
            answer = self._place.run(job)
        finally:
            with self._lock:
                del self._jobs[attempt]
        return to_result(attempt, answer)

    def _end(self, attempt: Attempt, entry: JournalEntry) -> None:
        with self._lock:  # counted before anybody hears of it and asks for the metrics
            self._executed += 1
            self._took_us += entry.ended - entry.began
            self.pace.ended(entry.ended, entry.ended - entry.began - attempt.deferred_us)
            if type(entry.event) is Failed:
                self._failed += 1
        self._deliver(attempt, entry)

    def _on_detached(self, attempt: Attempt) -> None:
        """A body is over that nobody will hear of; the lock is held."""
        now = attempt.clock.now()
        self._executed += 1
        self._took_us += now - attempt.began
        self._failed += 1
        self.pace.ended(now, (attempt.deferred_at or now) - attempt.began - attempt.deferred_us)

    def _start(self, attempt: Attempt) -> None:
        """Start it; the slot is taken and the lock held."""
        if self._elsewhere is None and attempt.program.is_async(attempt.node):
            self._begin_async(attempt)
        elif self._idle > 0:
            self._idle -= 1
            self._handoff.put(attempt)
        else:
            thread = threading.Thread(target=self._work, args=(attempt,), name="holdwater-task", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _hand_over_slot(self) -> None:
        """A slot has become free and the lock is held: a resuming body has the first right to it."""
        if self.free < 0:  # somebody went over the limit, and the debt comes first
            self.free += 1
            return
        if self._resuming:
            longest = next(iter(self._resuming))
            self._resumed(longest, self._resuming.pop(longest))
            return
        while self.waiting and not self._closed:
            attempt = self.waiting.popleft()
            if not self._refused(attempt):
                self._start(attempt)
                return
        self.free += 1
        if self._tells or (self._tells_idle and self.free == self.limit):
            self._tells = self._tells_idle = False
            self._on_free()

    def _refused(self, attempt: Attempt) -> bool:
        """Threads that never came back use up what the process has: as many as the limit, and no more."""
        if len(self._abandoned) < self.limit or self._elsewhere is not None or attempt.program.is_async(attempt.node):
            return False
        error = CapacityExhausted(
            f"{len(self._abandoned)} timed-out bodies still run and cannot be killed; no more than "
            f"max_concurrent_tasks = {self.limit} of them are tolerated",
            hint="make the bodies return when handle.cancelled is true, or raise max_concurrent_tasks",
        )
        if attempt.withdraw():  # an end like any other: the policy decides whether it is tried again
            self._deliver(attempt, attempt.failed(error, "CapacityExhausted", describe(error)))
        return True

    def _work(self, first: Attempt) -> None:
        attempt: Attempt | None = first
        entry: JournalEntry | None = None
        while attempt is not None:
            if attempt.begin():
                with self._lock:
                    self.running.add(attempt)
                    self.begun.append(attempt)
                entry = in_fresh_context(run_function, attempt, self._end, self._elsewhere)
            attempt = self._next(attempt, entry)
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _next(self, done: Attempt, entry: JournalEntry | None) -> Attempt | None:
        """What this thread does now: the next attempt on the same slot, or one that is handed to it later."""
        with self._lock:
            if done in self._abandoned:  # its slot went on long ago, and so did a thread for it
                self._abandoned.discard(done)
                return None
            self.running.discard(done)
            if entry is None and done.began:
                self._on_detached(done)
            deferred = done.deferred_at  # another of its threads still waits: there is no slot to pass on
            self._forgo(done)
            nobody_else = not deferred and not self._resuming and not self._closed and self.free >= 0
            if nobody_else and self.waiting and len(self._abandoned) < self.limit:  # noqa: SIM102
                if self._elsewhere is not None or not self.waiting[0].program.is_async(self.waiting[0].node):
                    return self.waiting.popleft()
            if not deferred:
                self._hand_over_slot()
            if self._closed:
                return None
            self._idle += 1
        return self._handoff.get()

    # -- deferral

    def defer(self, attempt: Attempt) -> None:
        """A call of a running body waits.  As long as any does, be it in a thread or a coroutine, it has no slot."""
        with self._lock:
            if attempt.state == "over":
                return
            attempt.waits += 1
            if attempt.waits > 1:
                return
            go = self._resuming.pop(attempt, None)
            if go is not None:  # the call that was about to go on does so without a slot
                go()
            else:
                attempt.deferred_at = attempt.clock.now()
                self.pace.moved(attempt.deferred_at)
                self._hand_over_slot()
        self._on_defer(attempt, True)

    def resume(self, attempt: Attempt, go: Callable[[], None] | None) -> None:
        """A call that waited goes on: `go` is called when the body has a slot, or needs none as others wait.

        None: now, over the limit if need be; also for the call that has asked before.
        """
        with self._lock:
            asked = self._resuming.pop(attempt, None) is not None
            last = attempt.waits == 1
            attempt.waits = max(0, attempt.waits - 1)
            if attempt.waits or not attempt.deferred_at or attempt.state == "over":
                if go is not None:
                    go()
            elif self.free > 0 or go is None:
                self.free -= 1
                self._resumed(attempt, go)
            else:
                self._resuming[attempt] = go
        if last and not asked:
            self._on_defer(attempt, False)

    def hurry(self, attempt: Attempt) -> None:
        """The call that has asked for a slot waits for it no more: it takes one, over the limit if need be."""
        with self._lock:
            if self._resuming.pop(attempt, None) is not None:
                self.free -= 1
                self._resumed(attempt, None)

    def _resumed(self, attempt: Attempt, go: Callable[[], None] | None) -> None:
        """A deferred body has a slot again; the lock is held."""
        attempt.deferred_us += attempt.clock.now() - attempt.deferred_at
        attempt.deferred_at = 0
        if go is not None:
            go()

    def _forgo(self, attempt: Attempt) -> None:
        """A body is over or given up: calls it has left behind have no right to a slot; the lock is held."""
        go = self._resuming.pop(attempt, None)
        if go is not None:
            self._resumed(attempt, go)
        if attempt.waits:
            attempt.waits = 0
            self._on_defer(attempt, False)

    # -- async bodies

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop of async bodies and wait for it, from another thread."""
        import asyncio

        return asyncio.run_coroutine_threadsafe(coroutine, self._event_loop()).result()

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self._loop_guard:
            if self._loop is None and self._loop_of is not None:
                self._loop = self._loop_of._event_loop()
            elif self._loop is None:
                import asyncio

                self._loop = loop = asyncio.new_event_loop()
                self._loop_thread = threading.Thread(
                    target=_keep_going, args=(loop,), name="holdwater-async", daemon=True
                )
                self._loop_thread.start()
            return self._loop

    def _begin_async(self, attempt: Attempt) -> None:
        loop = self._event_loop()

        async def body() -> None:
            if attempt.begin():
                with self._lock:
                    self.running.add(attempt)
                    self.begun.append(attempt)
                await run_function_async(attempt, self._end)
            with self._lock:
                self._coroutines.pop(attempt, None)
                if attempt in self.running:
                    self.running.discard(attempt)
                    deferred = attempt.deferred_at  # a task it has left behind still waits
                    self._forgo(attempt)
                    if not deferred:
                        self._hand_over_slot()
                elif not attempt.began:
                    self._hand_over_slot()

        def begin() -> None:
            task = loop.create_task(body(), context=contextvars.Context())
            with self._lock:
                self._coroutines[attempt] = task

        loop.call_soon_threadsafe(begin)

    # -- the end

    def withdraw_waiting(self) -> list[Attempt]:
        """Take back what has not begun, and start nothing more."""
        with self._lock:
            self._closed = True
            waiting = [a for a in self.waiting if a.withdraw()]
            self.waiting.clear()
            return waiting

    def close(self) -> None:
        """End idle threads and the event loop, kill what runs elsewhere.

        Bodies that still run in threads are daemons and are left to themselves.
        """
        with self._lock:
            self._closed = True
        if self._place is not None:
            for attempt in list(self.running):
                attempt.end()  # they are killed now, which is no failure of theirs
            self._place.close()
        with self._lock:
            idle = self._idle
            self._idle = 0
            threads = [t for t in self._threads if t is not threading.current_thread()]
            busy = len(self.running) + len(self._abandoned)
        for _ in range(idle):
            self._handoff.put(None)
        if self._loop is not None and self._loop_thread is not None:
            self._stop_loop(self._loop)
            self._loop_thread.join(JOIN_SECONDS)
            if not self._loop_thread.is_alive():
                self._loop.close()
        if not busy or self._elsewhere is not None:
            for t in threads:
                t.join(JOIN_SECONDS)

    def _stop_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        import asyncio

        async def finish() -> None:
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await loop.shutdown_asyncgens()
            loop.stop()

        loop.call_soon_threadsafe(lambda: loop.create_task(finish()))


def _keep_going(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped.

    A task that a body has started may raise SystemExit or KeyboardInterrupt: asyncio gives that to whoever awaits the
    task, and ends the loop, which other bodies live in.
    """
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue
        return
