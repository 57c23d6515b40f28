"""Hints of what changes in a database, for lists that are kept up to date: late, coalesced, and complete in the end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict
from typing import Final

from holdwater.errors import StoreError
from holdwater.runs.info import RunInfo
from holdwater.runs.progress import RunProgress
from holdwater.runs.reader import RunReader
from holdwater.server.streams.messages import BEAT, BYE, RESYNC, message
from holdwater.server.streams.run_feed import BEAT_SECONDS, RETRY_SECONDS

FLUSH_SECONDS: Final = 0.25
"""between hints of the same run"""
TRAILING_SECONDS: Final = 0.5
"""after a hint of a run its row is looked at once more: what follows at once is not told on its own"""
MAX_HINTED_RUNS: Final = 100
"""runs of one flush; for more, readers are told to read everything again"""
MAX_REMEMBERED_RUNS: Final = 1000
MAX_PROGRESS_ENTRIES: Final = 2_000
"""journal entries that are read for the progress of the runs of one flush"""
MAX_BUFFERED_BYTES: Final = 1024 * 1024
"""of a stream whose client does not read; then it is ended, and the client connects again"""


class HintStream:
    """The messages one client has not read yet."""

    def __init__(self, is_closing: Callable[[], bool]) -> None:
        """`is_closing`: the server ends."""
        self._is_closing = is_closing
        self._buffered: deque[bytes] = deque()
        self._bytes = 0
        self._is_lost = False
        self._changed = asyncio.Event()

    def put(self, text: bytes) -> None:
        """Add a message."""
        self._buffered.append(text)
        self._bytes += len(text)
        self._is_lost = self._is_lost or self._bytes > MAX_BUFFERED_BYTES
        self._changed.set()

    def wake(self) -> None:
        """Look around."""
        self._changed.set()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield messages as they come, until the server ends or the client has read too slowly."""
        yield RESYNC
        while True:
            self._changed.clear()
            if self._is_lost or self._is_closing():
                yield BYE
                return
            if self._buffered:
                chunk = b"".join(self._buffered)
                self._buffered.clear()
                self._bytes = 0
                yield chunk
                continue
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                yield BEAT


class Hints:
    """Collects changes, and tells all streams of them, at most every `FLUSH_SECONDS`; lives in one event loop."""

    def __init__(self, runs: RunReader) -> None:
        self._runs = runs
        self._streams: set[HintStream] = set()
        self._changed: set[str] = set()
        self._is_anything_changed = False
        self._flush: asyncio.Task[None] | None = None
        self._trailing: set[asyncio.Task[None]] = set()
        self._told: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """run -> number of journal entries and status that were told last"""

    @property
    def is_watched(self) -> bool:
        """There are streams."""
        return bool(self._streams)

    def add(self, stream: HintStream) -> None:
        """Tell this stream, too."""
        self._streams.add(stream)

    def remove(self, stream: HintStream) -> None:
        """Tell this stream no more."""
        self._streams.discard(stream)
        if not self._streams:
            self._changed.clear()
            self._told.clear()

    def wake(self) -> None:
        """Have every stream look around."""
        for stream in self._streams:
            stream.wake()

    def tell(self, event: str, data: object) -> None:
        """Tell all streams something at once."""
        text = message(event, data)
        for stream in self._streams:
            stream.put(text)

    def note(self, run_ids: Collection[str] | None) -> None:
        """Take in that runs may have changed; None: any of them."""
        if not self._streams or (run_ids is not None and not run_ids):
            return
        if run_ids is None:
            self._is_anything_changed = True
        else:
            self._changed.update(run_ids)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._flush_changes())

    async def _flush_changes(self) -> None:
        while self._changed or self._is_anything_changed:
            ids, self._changed = self._changed, set()
            if self._is_anything_changed or len(ids) > MAX_HINTED_RUNS:
                self._is_anything_changed = False
                for stream in self._streams:
                    stream.put(RESYNC)
            else:
                await self._tell_runs(ids)
            await asyncio.sleep(FLUSH_SECONDS)

    async def _tell_runs(self, run_ids: set[str]) -> None:
        try:
            runs, progress = await asyncio.to_thread(self._read_with_progress, run_ids)
            for run in runs:
                self._tell_run(run, progress.get(run.id))
        except StoreError:  # readers see for themselves, when it can be read again
            self._is_anything_changed = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            asyncio.get_running_loop().call_later(TRAILING_SECONDS, self._look_again, run_ids)

    def _look_again(self, run_ids: set[str]) -> None:
        """Look at runs that were told of; one that goes on is told of, and looked at, again."""
        if self._streams:
            task = asyncio.create_task(self._tell_later_changes(run_ids))
            self._trailing.add(task)
            task.add_done_callback(self._trailing.discard)

    async def _tell_later_changes(self, run_ids: set[str]) -> None:
        try:
            runs = await asyncio.to_thread(self._read, run_ids)
        except StoreError:
            self.note(None)
            return
        self.note([run.id for run in runs if self._told.get(run.id) != _state_of(run)])

    def _read(self, run_ids: Collection[str]) -> list[RunInfo]:
        return [run for run_id in run_ids if (run := self._runs.find_info(run_id)) is not None]

    def _read_with_progress(self, run_ids: Collection[str]) -> tuple[list[RunInfo], dict[str, RunProgress]]:
        runs = self._read(run_ids)
        return runs, self._runs.read_progress(runs, max_entries=MAX_PROGRESS_ENTRIES)

    def _tell_run(self, run: RunInfo, progress: RunProgress | None) -> None:
        before, now = self._told.get(run.id), _state_of(run)
        if before == now:
            return
        self._told[run.id] = now
        self._told.move_to_end(run.id)
        if len(self._told) > MAX_REMEMBERED_RUNS:
            self._told.popitem(last=False)
        self.tell(
            "run",
            {
                "id": run.id,
                "workflow": run.workflow,
                "status": run.status.value,
                "seq": run.journal_length,
                "parent_id": run.parent_id,
                "progress": None if progress is None else asdict(progress),
            },
        )
        if run.status == "paused" or (before is not None and before[1] == "paused"):
            self.tell("question", {"id": run.id})


def _state_of(run: RunInfo) -> tuple[int, str]:
    return run.journal_length, run.status.value
