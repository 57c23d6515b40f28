"""Hands each event to every processor and keeps their failures away from the run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial

from holdwater.events.processors import AsyncEventProcessor, EventProcessor
from holdwater.events.types import BaseEvent
from holdwater.model.error_report import describe_error, is_a

MAX_FAILURE_NOTES = 100
SUPPRESSED_ASYNC_ERRORS = (Exception, SystemExit)
"""exceptions of awaited processors that do not affect the run; all others cancel or close a coroutine"""


class EventDispatcher:
    """Calls `processors` in their order, from any thread, one event at a time.

    `failures` has a note for each call that raised (the first 100; `failure_count` counts all), and `on_failure` is
    called with its text and the exception.  With `strict` the exception is raised instead.
    """

    def __init__(
        self,
        processors: Iterable[EventProcessor] = (),
        *,
        strict: bool = False,
        on_failure: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self.processors = tuple(processors)
        self._on_failure = on_failure
        self.failures: list[str] = []
        self.failure_count = 0
        self._strict = strict
        self._is_shut_down = False
        # Re-entrant: a processor may emit an event of its own while it handles one.
        self._lock = threading.RLock()

    @property
    def active(self) -> bool:
        """True if a processor listens; if not, events need not be made."""
        return any([processor.is_listening for processor in self.processors])

    def emit(self, event: BaseEvent) -> None:
        with self._lock:
            for processor in self.processors:
                if processor.is_listening:
                    self._deliver(processor, event)

    async def emit_async(self, event: BaseEvent) -> None:
        """Like `emit`, awaiting those processors that are asynchronous."""
        for processor in self.processors:
            if not processor.is_listening:
                continue
            if isinstance(processor, AsyncEventProcessor):
                try:
                    await processor.on_event_async(event)
                except SUPPRESSED_ASYNC_ERRORS as error:
                    self._record_failure(processor, f"on {type(event).__name__}", error)
            else:
                with self._lock:
                    self._deliver(processor, event)

    def enter_node(self, span_id: str) -> None:
        """Let processors set context variables for a body that is about to be called in this context."""
        for processor in self.processors:
            if processor.is_listening:
                self._call_safely(processor, "in enter_node", partial(processor.enter_node, span_id))

    def force_flush(self) -> None:
        for processor in self.processors:
            self._call_safely(processor, "in force_flush", processor.force_flush)

    def shutdown(self) -> None:
        """Shut every processor down, once however often it is called."""
        for processor in self._begin_shutdown():
            self._call_safely(processor, "in shutdown", processor.shutdown)

    async def shutdown_async(self) -> None:
        for processor in self._begin_shutdown():
            if isinstance(processor, AsyncEventProcessor):
                try:
                    await processor.shutdown_async()
                except SUPPRESSED_ASYNC_ERRORS as error:
                    self._record_failure(processor, "in shutdown", error)
            else:
                self._call_safely(processor, "in shutdown", processor.shutdown)

    def _begin_shutdown(self) -> tuple[EventProcessor, ...]:
        with self._lock:
            if self._is_shut_down:
                return ()
            self._is_shut_down = True
            return self.processors

    def _deliver(self, processor: EventProcessor, event: BaseEvent) -> None:
        try:
            processor.on_event(event)
        except BaseException as error:  # noqa: BLE001 - an observer's failure is not the run's
            self._record_failure(processor, f"on {type(event).__name__}", error)

    def _call_safely(self, processor: EventProcessor, where: str, function: Callable[[], None]) -> None:
        with self._lock:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - as above
                self._record_failure(processor, where, error)

    def _record_failure(self, processor: EventProcessor, where: str, error: BaseException) -> None:
        """Keep a note: an observer's failure, SystemExit too, is not the run's.  Ctrl-C is raised: it is none."""
        if self._strict or (is_a(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()):
            raise error
        place = f"{type(processor).__name__} failed {where}"
        with self._lock:
            self.failure_count += 1
            if len(self.failures) < MAX_FAILURE_NOTES:
                self.failures.append(f"{place}: {describe_error(error)}")
        if self._on_failure is not None:
            self._on_failure(place, error)
