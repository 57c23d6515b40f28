"""Event processors of an engine: they hear of every run it executes, from what is committed and as functions start."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from holdwater.events.dispatcher import EventDispatcher
from holdwater.events.processor_events import RunTranslator
from holdwater.events.processors import AsyncEventProcessor, EventProcessor
from holdwater.events.run_events import NodeFailed
from holdwater.events.stream import RunEventStream
from holdwater.events.types import BaseEvent, RunStartEvent
from holdwater.model.journal import JournalEntry
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.future import Future

if TYPE_CHECKING:
    import asyncio

MAX_REMEMBERED: Final = 10_000
"""runs whose callers, or whose open spans, are kept; others may have taken them over"""
CLOSE_SECONDS: Final = 5.0
"""time for events that are still to be delivered when the engine is closed"""


class _ObservedRun:
    """One run, as far as processors have heard of it."""

    def __init__(self, run: ActiveRun, caller: contextvars.Context | None) -> None:
        self.stream = RunEventStream(run.row, run.compiled_plan, run.style)
        self.translator = RunTranslator(run.row)
        self.caller = caller
        self.errors: dict[tuple[str, int | None], BaseException] = {}
        """node and fence of an attempt -> the exception it raised, until its failure is on disk"""

    def skip(self, entries: Sequence[JournalEntry]) -> None:
        """Read what happened before this process had the run."""
        for entry in entries:
            for event in self.stream.append(entry):
                self.translator.translate(event)
        self.translator.forget_open()


class EventPublisher:
    """Hands events to processors, in a thread of its own: a slow processor holds up functions, never the engine.

    A function starts when the processors have heard that it does.  `report`: called with each failure of a processor.
    """

    def __init__(self, processors: Sequence[EventProcessor], report: Callable[[str, BaseException], None]) -> None:
        self._dispatcher = EventDispatcher(processors, on_failure=report)
        self._report = report
        self._is_async = any([isinstance(processor, AsyncEventProcessor) for processor in processors])
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._callers: dict[str, contextvars.Context] = {}
        self._runs: dict[str, _ObservedRun] = {}
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._closed = False

    # -- from any thread

    @property
    def is_listening(self) -> bool:
        """True if a processor wants to hear of runs."""
        return self._dispatcher.active

    def note_caller(self, run_id: str) -> None:
        """Record the current context as that of the run's caller, in which its events begin."""
        if self.is_listening:
            if len(self._callers) >= MAX_REMEMBERED:
                self._callers.pop(next(iter(self._callers)), None)
            self._callers[run_id] = contextvars.copy_context()

    def on_committed(self, run: ActiveRun, new_entries: int) -> None:
        """Publish new committed entries; called before any of their commands is executed."""
        if new_entries and self.is_listening:
            total = len(run.entries)
            self._post(lambda: self._take_entries(run, total - new_entries, total))

    def on_function_start(self, attempt: Attempt) -> Future[None]:
        """Publish the start of a function, which must not be called before the returned future is set."""
        heard: Future[None] = Future()
        if not self.is_listening or not self._post(lambda: self._take_start(attempt, heard)):
            heard.set_result(None)
        return heard

    def on_exception(self, attempt: Attempt, error: BaseException) -> None:
        """Record the exception of an attempt's function, for the event of its failure."""
        if self.is_listening:
            self._post(lambda: self._take_exception(attempt, error))

    def delivered(self) -> Future[None]:
        """Set when processors have heard of everything that was committed until now."""
        heard: Future[None] = Future()
        is_processor = threading.current_thread() is self._thread  # it asks for a result while it handles an event
        if self._thread is None or is_processor or not self._post(lambda: heard.set_result(None)):
            heard.set_result(None)
        return heard

    def enter_context(self, attempt: Attempt) -> None:
        """Let processors set context variables for the function, in the running context."""
        observed = self._runs.get(attempt.run_id)
        span = None if observed is None else observed.translator.span_of(attempt.name)
        if span is not None:
            self._dispatcher.enter_node(span)

    def close(self) -> None:
        """Deliver what there is, and shut the processors down.  Idempotent."""
        with self._guard:
            thread, closed = self._thread, self._closed
            self._closed = True
        if closed:
            return
        if thread is None:
            self._dispatcher.shutdown()
        else:
            self._queue.put(None)
            thread.join(CLOSE_SECONDS)

    def _post(self, act: Callable[[], None]) -> bool:
        with self._guard:
            if self._closed:
                return False
            if self._thread is None:
                self._thread = threading.Thread(target=self._deliver, name="holdwater-events", daemon=True)
                self._thread.start()
            self._queue.put(act)
        return True

    # -- in the thread that delivers

    def _deliver(self) -> None:
        while (act := self._queue.get()) is not None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - of this run's events; those of others are told
                self._report("events for processors", error)
        if self._loop is not None:
            self._loop.run_until_complete(self._dispatcher.shutdown_async())
            self._loop.close()
        else:
            self._dispatcher.shutdown()

    def _take_entries(self, run: ActiveRun, known: int, total: int) -> None:
        observed = self._observed(run, known)
        for entry in run.entries[observed.stream.seq : total]:
            for event in observed.stream.append(entry):
                error = observed.errors.pop((event.node, event.fence), None) if isinstance(event, NodeFailed) else None
                self._emit(observed, observed.translator.translate(event, error))
        if not observed.translator.is_open:
            self._runs.pop(run.row.id, None)

    def _take_start(self, attempt: Attempt, heard: Future[None]) -> None:
        try:
            observed = self._runs.get(attempt.run_id)
            if observed is not None:
                started = observed.translator.start_node(attempt.name, attempt.fence, attempt.started_at)
                self._emit(observed, started)
        finally:
            heard.set_result(None)

    def _take_exception(self, attempt: Attempt, error: BaseException) -> None:
        observed = self._runs.get(attempt.run_id)
        if observed is not None:
            observed.errors[attempt.name, attempt.fence] = error

    def _observed(self, run: ActiveRun, known: int) -> _ObservedRun:
        observed = self._runs.get(run.row.id)
        if observed is None:
            observed = self._runs[run.row.id] = _ObservedRun(run, self._callers.pop(run.row.id, None))
            observed.skip(run.entries[:known])
            if len(self._runs) > MAX_REMEMBERED:
                del self._runs[next(iter(self._runs))]
        return observed

    def _emit(self, observed: _ObservedRun, events: Sequence[BaseEvent]) -> None:
        for event in events:
            caller = observed.caller if isinstance(event, RunStartEvent) else None
            if self._is_async:
                self._emit_in_loop(event, caller)
            elif caller is None:
                self._dispatcher.emit(event)
            else:
                caller.run(self._dispatcher.emit, event)

    def _emit_in_loop(self, event: BaseEvent, caller: contextvars.Context | None) -> None:
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        emission: Any = self._dispatcher.emit_async(event)
        self._loop.run_until_complete(self._loop.create_task(emission, context=caller))
