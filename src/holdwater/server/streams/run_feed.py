"""The events of one run, read once for all streams of it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from typing import Final

from holdwater.errors import HoldwaterError, RunNotFound, StoreUnavailable
from holdwater.events.run_events import EventPosition, RunEnded, RunEvent
from holdwater.runs.event_reader import RunEventReader
from holdwater.server.models.events import Event
from holdwater.server.streams.messages import BEAT, BYE, message

BEAT_SECONDS: Final = 15.0
RETRY_SECONDS: Final = 1.0
"""after a look at a database that cannot be reached"""
MAX_CHUNK_BYTES: Final = 64 * 1024
END_SEQ: Final = 1 << 62


class RunFeed:
    """Keeps the events of a run as messages while there are streams of it; lives in one event loop.

    `subscribers`: number of streams; a slow one costs nothing but its place in the list.  `has_ended`: the run has, and
    everything of it was read.
    """

    def __init__(self, reader: RunEventReader, is_closing: Callable[[], bool]) -> None:
        """Begin to read.  `is_closing`: the server ends."""
        self.subscribers = 0
        self.has_ended = False
        self._reader, self._is_closing = reader, is_closing
        self._places: list[EventPosition] = []
        self._messages: list[bytes] = []
        self._status = ""
        self._failure: bytes | None = None
        self._looked = False
        self._dirty = asyncio.Event()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read_on())
        self.look()

    @property
    def seq(self) -> int:
        """The number of journal entries that were read."""
        return self._places[-1][0] if self._places else 0

    def look(self) -> None:
        """Look at the journal again, soon."""
        self._dirty.set()

    def wake(self) -> None:
        """Have every stream look around."""
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def messages(self, after: int | EventPosition) -> AsyncIterator[bytes]:
        """Yield the messages behind a place, until the run has ended."""
        place = (after, END_SEQ) if isinstance(after, int) else after
        index = -1
        while True:
            changed = self._changed
            if index < 0 and self._looked:
                index = bisect_right(self._places, place)
            while 0 <= index < len(self._messages):
                chunk = self._take(index)
                index += len(chunk)
                yield b"".join(chunk)
            if self._is_closing():
                yield BYE
                return
            if self._failure is not None:
                yield self._failure
                return
            if self.has_ended and index == len(self._messages):
                yield message("end", {"status": self._status})
                return
            try:
                await asyncio.wait_for(changed.wait(), BEAT_SECONDS)
            except TimeoutError:
                yield BEAT

    def _take(self, index: int) -> list[bytes]:
        """Take messages from a place on, up to `MAX_CHUNK_BYTES` and at least one."""
        end, size = index, 0
        while end < len(self._messages) and (end == index or size + len(self._messages[end]) <= MAX_CHUNK_BYTES):
            size += len(self._messages[end])
            end += 1
        return self._messages[index:end]

    # -- reading

    async def _read_on(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                events, encoded = await asyncio.to_thread(self._read)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
                self._dirty.set()
                continue
            except RunNotFound:
                self._fail("deleted", {})
                return
            except HoldwaterError as error:
                self._fail("error", {"error": error.message})
                return
            self._places += [event.position for event in events]
            self._messages += encoded
            self._status = next((e.status for e in reversed(events) if isinstance(e, RunEnded)), self._status)
            self._looked, self.has_ended = True, self._reader.has_ended
            self.wake()

    def _read(self) -> tuple[list[RunEvent], list[bytes]]:
        events = self._reader.read()
        return events, [encode_event(event) for event in events]

    def _fail(self, event: str, data: dict[str, str]) -> None:
        self._failure = message(event, data)
        self.wake()


def encode_event(event: RunEvent) -> bytes:
    """Encode an event of a run as a message."""
    shown = Event.of(event)
    return message(shown.event_type, shown.model_dump(), shown.id)
