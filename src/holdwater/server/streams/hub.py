"""All streams of one database: one listener, however many there are, and none while there are none."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

from holdwater.errors import RunnerClosed, StoreError
from holdwater.events.run_events import EventPosition
from holdwater.model.records import RunFilter
from holdwater.operations.changes import DatabaseChanges
from holdwater.runs.log_follower import LogFollower
from holdwater.runs.reader import RunReader
from holdwater.server.refusals import RequestError
from holdwater.server.streams.hints import Hints, HintStream
from holdwater.server.streams.responses import OpenStream
from holdwater.server.streams.run_feed import RunFeed

MAX_STREAMS: Final = 500
TICK_SECONDS: Final = 1.0
INTEREST_TICKS: Final = 10
"""between two requests to be told, which are remembered three times as long"""
FIRST_LOOKS_SECONDS: Final = (0.1, 0.5)
"""after a run, or the list, begins to be watched: a change may have come before the request to be told"""
NEWEST_RUNS: Final = 100
"""runs of a look at the list"""


FeedKey = tuple[str, bool]
"""id of a run, and whether values are sent"""


class StreamHub:
    """Streams in one event loop: the loop of the first one."""

    def __init__(self, runs: RunReader, open_changes: Callable[[], DatabaseChanges]) -> None:
        """Prepare it; nothing listens before there is a stream.  `open_changes`: called once."""
        self._runs, self._open_changes = runs, open_changes
        self._changes: DatabaseChanges | None = None
        self._feeds: dict[FeedKey, RunFeed] = {}
        self._hints = Hints(runs)
        self._stream_count = 0
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._is_closing = False
        self._heads: dict[str, int] = {}
        """the newest runs, with the number of their journal entries"""
        self._runners: dict[str, str] | None = None
        self._look: asyncio.Task[None] | None = None
        self._guard = threading.Lock()
        self._changed: set[str] = set()
        self._is_anything_changed = False
        self._are_schedules_changed = False
        self._is_delivery_due = False

    @property
    def stream_count(self) -> int:
        """The number of open streams."""
        return self._stream_count

    @property
    def feed_count(self) -> int:
        """The number of runs that are read for streams."""
        return len(self._feeds)

    @property
    def is_listening(self) -> bool:
        """True while changes of the database are listened to."""
        return self._unsubscribe is not None

    # -- streams

    async def open_run(self, run_id: str, after: int | EventPosition, *, with_values: bool = False) -> OpenStream:
        """Open a stream of a run behind a place.  Raises RunNotFound, RequestError, StoreError."""
        await self._enter()
        key = (run_id, with_values)
        try:
            feed = self._feeds.get(key) or await self._open_feed(key)
        except BaseException:
            self._leave()
            raise
        feed.subscribers += 1  # at once: another stream that ends would close a feed without any

        def close() -> None:
            feed.subscribers -= 1
            if not feed.subscribers and self._feeds.get(key) is feed:
                del self._feeds[key]
                feed.close()
            self._leave()

        if feed.subscribers == 1:
            try:
                await self._ask_to_be_told()
            except BaseException:
                close()
                raise
        return OpenStream(feed.messages(after), close)

    async def open_hints(self) -> OpenStream:
        """Open a stream of hints.  Raises RequestError, StoreUnavailable."""
        await self._enter()
        stream = HintStream(lambda: self._is_closing)

        def close() -> None:
            self._hints.remove(stream)
            self._leave()

        is_first = not self._hints.is_watched
        self._hints.add(stream)
        try:
            if is_first:
                self._heads = await self._read_heads()
                self._runners = await asyncio.to_thread(self._connected().runner_states)
            await self._ask_to_be_told()
        except BaseException:
            close()
            raise
        if is_first:
            for seconds in FIRST_LOOKS_SECONDS:
                asyncio.get_running_loop().call_later(seconds, self._look_at_newest_soon)
        return OpenStream(stream.messages(), close)

    async def log_of(self, run_id: str, after: str | None = None) -> LogFollower:
        """Follow the log of a run, behind a cursor.  Raises RunNotFound, InvalidArgument, StoreError."""
        return await asyncio.to_thread(self._connected().follow_log, run_id, after)

    def close_soon(self) -> None:
        """Have all streams end, from any thread or a signal handler; browsers connect again later."""
        self._is_closing = True
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._wake_streams)

    async def _open_feed(self, key: FeedKey) -> RunFeed:
        run_id, with_values = key
        open_reader = partial(self._connected().read_events, run_id)
        reader = await asyncio.to_thread(open_reader)
        feed = self._feeds.get(key)  # another request was faster
        if feed is None:
            feed = self._feeds[key] = RunFeed(reader, open_reader, lambda: self._is_closing, with_values=with_values)
            for seconds in FIRST_LOOKS_SECONDS:
                asyncio.get_running_loop().call_later(seconds, feed.look)
        return feed

    # -- connecting and disconnecting

    async def _enter(self) -> None:
        """Count a stream, and listen if it is the first.  Raises RequestError, StoreUnavailable."""
        async with self._opening:
            if self._stream_count >= MAX_STREAMS:
                raise RequestError(
                    429,
                    f"there are {MAX_STREAMS} streams open already",
                    code="rate_limited",
                    headers={"retry-after": "5"},
                )
            if self._changes is None:
                self._changes = await asyncio.to_thread(self._open_changes)
            self._stream_count += 1
            if self._unsubscribe is None:
                self._loop = asyncio.get_running_loop()
                self._unsubscribe = self._changes.subscribe(self._on_change)
                self._ticker = asyncio.create_task(self._tick())

    def _leave(self) -> None:
        self._stream_count -= 1
        if self._stream_count == 0 and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            if self._ticker is not None:
                self._ticker.cancel()

    def _connected(self) -> DatabaseChanges:
        assert self._changes is not None, "a stream was entered"
        return self._changes

    # -- changes, from any thread

    def _on_change(self, run_ids: Collection[str] | None, schedules_changed: bool) -> None:
        if not self._hints.is_watched and run_ids is not None and self._watched_runs().isdisjoint(run_ids):
            return
        with self._guard:
            if run_ids is None:
                self._is_anything_changed = True
            else:
                self._changed.update(run_ids)
            self._are_schedules_changed = self._are_schedules_changed or schedules_changed
            if self._is_delivery_due:
                return
            self._is_delivery_due = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._guard:
            changed, self._changed = self._changed, set()
            is_anything, self._is_anything_changed = self._is_anything_changed, False
            schedules, self._are_schedules_changed = self._are_schedules_changed, False
            self._is_delivery_due = False
        for (run_id, _), feed in self._feeds.items():
            if is_anything or run_id in changed:
                feed.look()
        if is_anything or changed:
            self._hints.note(None if is_anything else changed)
        if schedules:
            self._hints.tell("schedule", {})

    # -- in between

    async def _tick(self) -> None:
        """Ask to be told, look where nothing tells, and notice the end of a server that does not say so."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            if not self._is_closing and is_server_exiting():
                self.close_soon()
            is_interest_due = ticks % INTEREST_TICKS == 0
            try:
                if is_interest_due:
                    await self._ask_to_be_told()
                    await self._look_at_runners()
                if is_interest_due or not self._connected().has_notifications:
                    await self._look_at_all()
            except StoreError:
                continue  # it is looked again
            except RunnerClosed:  # the runner of an application was shut down
                self.close_soon()

    async def _ask_to_be_told(self) -> None:
        feeds = {run_id for (run_id, _), feed in self._feeds.items() if not feed.has_ended}
        await asyncio.to_thread(self._connected().follow, feeds, all_runs=self._hints.is_watched)

    async def _look_at_runners(self) -> None:
        """Tell lists if runners came, went or are in another state: no notification says so."""
        if self._hints.is_watched:
            before, self._runners = self._runners, await asyncio.to_thread(self._connected().runner_states)
            if before is not None and before != self._runners:
                self._hints.tell("runner", {})

    async def _look_at_all(self) -> None:
        """Look at all watched runs with one question, and at the newest ones where nothing tells of them."""
        changes = self._connected()
        if self._feeds:
            lengths = await asyncio.to_thread(changes.store.journal_lengths, self._watched_runs())
            for (run_id, _), feed in self._feeds.items():
                if lengths.get(run_id) != feed.seq:
                    feed.look()
        await self._look_at_newest()

    def _look_at_newest_soon(self) -> None:
        self._look = asyncio.create_task(self._look_at_newest())

    async def _look_at_newest(self) -> None:
        """Tell lists of the newest runs that have changed since the look before."""
        if self._hints.is_watched:
            with suppress(StoreError, RunnerClosed):  # it is looked again later
                heads, before = await self._read_heads(), self._heads
                self._heads = heads
                if changed := [run_id for run_id, seq in heads.items() if before.get(run_id) != seq]:
                    self._hints.note(changed)

    async def _read_heads(self) -> dict[str, int]:
        rows = await asyncio.to_thread(self._connected().store.list_runs, RunFilter(limit=NEWEST_RUNS))
        return {row.id: row.seq for row in rows}

    def _watched_runs(self) -> set[str]:
        """List the runs that are read for streams; called from any thread."""
        return {run_id for run_id, _ in list(self._feeds)}

    def _wake_streams(self) -> None:
        for feed in self._feeds.values():
            feed.wake()
        self._hints.wake()


def is_server_exiting() -> bool:
    """Return True if the process is served by uvicorn and was told to end: it would wait for streams, and says nothing.

    Its signal handlers are methods of the server, which knows.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
