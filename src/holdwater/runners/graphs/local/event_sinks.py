"""Where the events of a run go: straight to the processors, or through a loop that some of them are awaited in."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from holdwater.events.processors import AsyncEventProcessor

if TYPE_CHECKING:
    from holdwater.events.dispatcher import EventDispatcher
    from holdwater.events.types import BaseEvent

BACKLOG_LIMIT: Final = 128
"""events that asynchronous processors may be behind before nodes wait for them"""


class Outlet:
    """Hands events to processors at once, in whatever thread they arise."""

    def __init__(self, dispatcher: EventDispatcher) -> None:
        self.dispatcher = dispatcher

    def emit(self, event: BaseEvent) -> None:
        self.dispatcher.emit(event)

    async def room(self) -> None:
        """Wait until there is room for more events."""

    def close(self) -> None:
        """The outermost run is over."""
        self.dispatcher.shutdown()


class Feed(Protocol):
    """Somebody in the same loop who takes events one by one."""

    def put(self, event: BaseEvent) -> None: ...

    async def room(self) -> None: ...


class LoopOutlet(Outlet):
    """Events of a run in the running loop.  Those from other threads come here first, so that there is one order.

    Asynchronous processors are awaited one event after the other, without holding up the node that sent it: it waits
    (`room`) only when they are far behind.
    """

    def __init__(self, dispatcher: EventDispatcher, feed: Feed | None = None) -> None:
        import asyncio

        super().__init__(dispatcher)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._feed = feed
        self._backlog: deque[BaseEvent] = deque()
        self._closing = False
        self._more = asyncio.Event()
        self._less = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        if any(isinstance(processor, AsyncEventProcessor) for processor in dispatcher.processors):
            self._pump = self._loop.create_task(self._deliver())

    def emit(self, event: BaseEvent) -> None:
        if threading.get_ident() == self._thread:
            self._take(event)
        else:
            import asyncio

            asyncio.run_coroutine_threadsafe(self._take_patiently(event), self._loop).result()

    async def room(self) -> None:
        if self._feed is not None:
            await self._feed.room()
        while len(self._backlog) > BACKLOG_LIMIT:
            self._less.clear()
            await self._less.wait()

    async def close_async(self) -> None:
        """The outermost run is over: deliver what is left, and tell the processors."""
        self._closing = True
        self._more.set()
        if self._pump is not None:
            await self._pump
        await self.dispatcher.shutdown_async()

    def _take(self, event: BaseEvent) -> None:
        if self._feed is not None:
            self._feed.put(event)
        if self._pump is None:
            self.dispatcher.emit(event)
        else:
            self._backlog.append(event)
            self._more.set()

    async def _take_patiently(self, event: BaseEvent) -> None:
        self._take(event)
        await self.room()

    async def _deliver(self) -> None:
        while True:
            while self._backlog:
                await self.dispatcher.emit_async(self._backlog.popleft())
                self._less.set()
            if self._closing:
                return
            self._more.clear()
            await self._more.wait()
