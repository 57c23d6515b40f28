"""Lines on their way to the store: collected in memory, and written behind by a thread of its own."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from holdwater.errors import StoreUnavailable, StoreUnusable
from holdwater.model.logs import LogRow
from holdwater.model.ports.logs import LogStore
from holdwater.runtime.journal_watchers import JournalWatchers

MAX_BUFFER_BYTES: Final = 8_000_000
"""of lines that are not written yet; lines beyond are dropped, and the log says how many"""
MAX_BATCH_LINES: Final = 1000
"""of one transaction: some milliseconds' work, which commits of SQLite wait for"""
MAX_BATCH_BYTES: Final = 256_000
COLLECT_SECONDS: Final = 0.1
"""lines that come within this time are written together"""
CLOSE_SECONDS: Final = 5.0
"""longest wait of a runner that closes for its last lines"""
MIN_RETRY_SECONDS: Final = 0.1
MAX_RETRY_SECONDS: Final = 5.0


class LogWriter:
    """The lines of one runner.  Thread-safe; its thread is started by the first line."""

    def __init__(
        self, store: LogStore, watchers: JournalWatchers, report: Callable[[str, BaseException], None]
    ) -> None:
        """`report`: takes an internal error; called once until lines are written again."""
        self.pid: Final = os.getpid()
        self._store, self._watchers, self._report = store, watchers, report
        self._lock = threading.Lock()
        self._rows: deque[LogRow] = deque()
        self._buffered_bytes = 0
        self._has_rows = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_failing = False

    def add(self, row: LogRow) -> bool:
        """Have a line written soon; returns False if it is dropped: too much waits to be written, or this is closed."""
        size = row.size_bytes
        with self._lock:
            if self._buffered_bytes + size > MAX_BUFFER_BYTES or self._closing.is_set():
                return False
            self._rows.append(row)
            self._buffered_bytes += size
            is_first = len(self._rows) == 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._thread_main, name="holdwater-logs", daemon=True)
                self._thread.start()
        if is_first:
            self._has_rows.set()
        return True

    def close(self) -> None:
        """Write what is there, for a few seconds at most.  Idempotent."""
        self._closing.set()
        self._has_rows.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def report_once(self, error: BaseException) -> None:
        """Report an error, unless the one before it was followed by no success."""
        if not self._is_failing:
            self._is_failing = True
            self._report("logs of task functions", error)

    # -- the thread

    def _thread_main(self) -> None:
        while not (self._closing.is_set() and not self._rows):
            self._has_rows.wait()
            self._closing.wait(COLLECT_SECONDS)
            self._has_rows.clear()
            self._write_all()

    def _write_all(self) -> None:
        retry_seconds = MIN_RETRY_SECONDS
        while batch := self._next_batch():
            try:
                self._write(batch)
            except StoreUnavailable as error:
                self.report_once(error)
                if self._closing.is_set() or isinstance(error, StoreUnusable):
                    self._remove(batch)
                self._closing.wait(retry_seconds)
                retry_seconds = min(2 * retry_seconds, MAX_RETRY_SECONDS)
            except BaseException as error:  # noqa: BLE001 - lines that the store does not take must not keep back others
                self.report_once(error)
                self._remove(batch)
            else:
                self._is_failing = False
                retry_seconds = MIN_RETRY_SECONDS
                self._remove(batch)

    def _next_batch(self) -> list[LogRow]:
        """Return the first rows, which stay in the buffer until they are written."""
        with self._lock:
            first = list(islice(self._rows, MAX_BATCH_LINES))
        left_bytes = MAX_BATCH_BYTES
        for count, row in enumerate(first):
            left_bytes -= row.size_bytes
            if left_bytes < 0:
                return first[: max(1, count)]
        return first

    def _remove(self, batch: list[LogRow]) -> None:
        with self._lock:
            for row in batch:
                self._rows.popleft()
                self._buffered_bytes -= row.size_bytes

    def _write(self, batch: list[LogRow]) -> None:
        run_ids = {row.run_id for row in batch}
        self._store.append_logs(batch, [run_id for run_id in run_ids if self._watchers.is_followed_elsewhere(run_id)])
        for run_id in run_ids:
            self._watchers.on_committed(run_id)
