"""Delivery of events to processors: directly, or through the event loop if some are asynchronous."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from holdwater.events.processors import AsyncEventProcessor

if TYPE_CHECKING:
    from holdwater.events.dispatcher import EventDispatcher
    from holdwater.events.types import BaseEvent

BACKLOG_LIMIT: Final = 128
"""maximum of undelivered events of asynchronous processors; beyond it nodes wait (back-pressure)"""


class EventSink:
    """Delivers events to processors directly, in the thread they occur in."""

    def __init__(self, dispatcher: EventDispatcher) -> None:
        self.dispatcher = dispatcher

    def emit(self, event: BaseEvent) -> None:
        self.dispatcher.emit(event)

    async def drain(self) -> None:
        """Wait until more events are accepted."""

    def close(self) -> None:
        """Shut the processors down after the outermost run."""
        self.dispatcher.shutdown()


class EventSubscriber(Protocol):
    """A consumer of events in the same event loop."""

    def put(self, event: BaseEvent) -> None: ...

    async def drain(self) -> None: ...


class AsyncEventSink(EventSink):
    """Delivers events in the running loop; those of other threads are queued, so that all have one order.

    Asynchronous processors are awaited per event, without delaying the node that sent it; nodes wait (`drain`) only if
    `BACKLOG_LIMIT` is exceeded.
    """

    def __init__(self, dispatcher: EventDispatcher, subscriber: EventSubscriber | None = None) -> None:
        import asyncio

        super().__init__(dispatcher)
        self._loop = asyncio.get_running_loop()
        self._loop_thread_id = threading.get_ident()
        self._subscriber = subscriber
        self._backlog: deque[BaseEvent] = deque()
        self._closing = False
        self._event_added = asyncio.Event()
        self._event_delivered = asyncio.Event()
        self._delivery_task: asyncio.Task[None] | None = None
        if any(isinstance(processor, AsyncEventProcessor) for processor in dispatcher.processors):
            self._delivery_task = self._loop.create_task(self._deliver_events())

    def emit(self, event: BaseEvent) -> None:
        if threading.get_ident() == self._loop_thread_id:
            self._accept(event)
        else:
            import asyncio

            asyncio.run_coroutine_threadsafe(self._accept_and_drain(event), self._loop).result()

    async def drain(self) -> None:
        if self._subscriber is not None:
            await self._subscriber.drain()
        while len(self._backlog) > BACKLOG_LIMIT:
            self._event_delivered.clear()
            await self._event_delivered.wait()

    async def close_async(self) -> None:
        """Deliver the remaining events after the outermost run, and shut the processors down."""
        self._closing = True
        self._event_added.set()
        if self._delivery_task is not None:
            await self._delivery_task
        await self.dispatcher.shutdown_async()

    def _accept(self, event: BaseEvent) -> None:
        if self._subscriber is not None:
            self._subscriber.put(event)
        if self._delivery_task is None:
            self.dispatcher.emit(event)
        else:
            self._backlog.append(event)
            self._event_added.set()

    async def _accept_and_drain(self, event: BaseEvent) -> None:
        self._accept(event)
        await self.drain()

    async def _deliver_events(self) -> None:
        while True:
            while self._backlog:
                await self.dispatcher.emit_async(self._backlog.popleft())
                self._event_delivered.set()
            if self._closing:
                return
            self._event_added.clear()
            await self._event_added.wait()
