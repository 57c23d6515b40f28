"""The events of one run, read once for all streams of it that keep up, and again for those that do not."""

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
MAX_KEPT_BYTES: Final = 1024 * 1024
"""of the latest messages of a run; a stream that has not sent older ones yet reads them for itself"""
READ_ROWS: Final = 200
"""rows of a journal that are read at once"""
END_SEQ: Final = 1 << 62
_BEFORE_ALL: Final = (-1, -1)


class RunFeed:
    """Keeps the latest events of a run as messages while there are streams of it; lives in one event loop.

    `subscribers`: number of streams; a slow one costs nothing but its place.  `has_ended`: the run has, and everything
    of it was read.
    """

    def __init__(
        self,
        reader: RunEventReader,
        open_reader: Callable[[int | EventPosition], RunEventReader],
        is_closing: Callable[[], bool],
        *,
        with_values: bool = False,
    ) -> None:
        """Begin to read.  `open_reader`: opens another reader behind a place.  `is_closing`: the server ends."""
        self.subscribers = 0
        self.has_ended = False
        self._reader, self._open_reader, self._is_closing = reader, open_reader, is_closing
        self._with_values = with_values
        self._places: list[EventPosition] = []
        self._messages: list[bytes] = []
        self._kept_bytes = 0
        self._dropped_until: EventPosition = _BEFORE_ALL
        """the place of the latest message that is not kept any more"""
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
        return self._reader.seq

    @property
    def kept_bytes(self) -> int:
        """The size of the messages that are kept."""
        return self._kept_bytes

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
        while True:
            changed = self._changed
            async for reached, chunk in self._messages_behind(place):
                place = reached
                yield chunk
            if self._is_closing():
                yield BYE
                return
            if self._failure is not None:
                yield self._failure
                return
            if self.has_ended:
                yield message("end", {"status": self._status})
                return
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await changed.wait()
            except TimeoutError:
                yield BEAT

    async def _messages_behind(self, place: EventPosition) -> AsyncIterator[tuple[EventPosition, bytes]]:
        """Yield the messages there are behind a place, each chunk with the place behind it."""
        while True:
            if place < self._dropped_until:
                if self._is_closing() or self._failure is not None:
                    return
                async for reached, chunk in self._read_dropped(place):
                    place = reached
                    yield place, chunk
            elif taken := self._take_behind(place):
                place = taken[0]
                yield taken
            else:
                return

    def _take_behind(self, place: EventPosition) -> tuple[EventPosition, bytes] | None:
        """Take kept messages behind a place, up to `MAX_CHUNK_BYTES` and at least one; None if there is none."""
        index = bisect_right(self._places, place)
        end, size = index, 0
        while end < len(self._messages) and (end == index or size + len(self._messages[end]) <= MAX_CHUNK_BYTES):
            size += len(self._messages[end])
            end += 1
        return (self._places[end - 1], b"".join(self._messages[index:end])) if end > index else None

    async def _read_dropped(self, place: EventPosition) -> AsyncIterator[tuple[EventPosition, bytes]]:
        """Read messages that are not kept any more, a few at a time, up to those that are."""
        try:
            reader = await asyncio.to_thread(self._open_reader, place)
            while not self._is_closing():
                events, encoded = await asyncio.to_thread(self._read, reader)
                if events:
                    place = events[-1].position
                    yield place, b"".join(encoded)
                if place >= self._dropped_until or not reader.has_more:
                    return
        except StoreUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
        except HoldwaterError as error:
            self._fail(error)

    # -- reading

    async def _read_on(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                events, encoded = await asyncio.to_thread(self._read, self._reader)
            except StoreUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
                self._dirty.set()
                continue
            except HoldwaterError as error:
                self._fail(error)
                return
            self._keep(events, encoded)
            self._status = next((e.status for e in reversed(events) if isinstance(e, RunEnded)), self._status)
            if self._reader.has_more:
                self._dirty.set()
            else:
                self.has_ended = self._reader.has_ended
            self.wake()

    def _read(self, reader: RunEventReader) -> tuple[list[RunEvent], list[bytes]]:
        events = reader.read(READ_ROWS)
        return events, [encode_event(event, with_values=self._with_values) for event in events]

    def _keep(self, events: list[RunEvent], encoded: list[bytes]) -> None:
        """Keep the latest messages, and drop the oldest beyond `MAX_KEPT_BYTES`."""
        self._places += [event.position for event in events]
        self._messages += encoded
        self._kept_bytes += sum(map(len, encoded))
        dropped = 0
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._messages[dropped])
            dropped += 1
        if dropped:
            self._dropped_until = self._places[dropped - 1]
            del self._places[:dropped], self._messages[:dropped]

    def _fail(self, error: HoldwaterError) -> None:
        is_gone = isinstance(error, RunNotFound)
        self._failure = message("deleted", {}) if is_gone else message("error", {"error": error.message})
        self.wake()


def encode_event(event: RunEvent, *, with_values: bool = False) -> bytes:
    """Encode an event of a run as a message.  `with_values`: with values of users, as far as they are short."""
    shown = Event.of(event, with_values=with_values)
    return message(shown.event_type, shown.model_dump(), shown.id)
