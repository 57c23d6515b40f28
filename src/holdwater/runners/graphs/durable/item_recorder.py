"""Recording of items of a map in batches, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from holdwater.errors import StoreUnavailable
from holdwater.model.map_items import MapItemRow
from holdwater.model.ports.map_items import MapItemStore

MAX_BATCH_ROWS: Final = 500
MAX_WAITING_ROWS: Final = 2_000
MAX_WAITING_BYTES: Final = 16_000_000
"""of the rows that wait to be written; then the caller waits, too"""
BATCH_SECONDS: Final = 0.02
"""longest time for which an item waits for others to be written with it"""
LOOK_SECONDS: Final = 1.0
"""interval at which the caller looks at the run of its map"""
RETRY_SECONDS: Final = 0.5
MAX_OUTAGE_SECONDS: Final = 60.0
"""time for which a database that does not answer is waited for"""


class ItemRecorder:
    """Writes rows soon after they are added: several at once, and all before `close` returns.  Thread-safe.

    `look`: called once a second by its thread.
    """

    def __init__(self, store: MapItemStore, look: Callable[[], None]) -> None:
        self._store, self._look = store, look
        self._changed = threading.Condition()
        self._waiting: list[MapItemRow] = []
        self._waiting_bytes = 0
        self._is_closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="holdwater-map", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """True if the caller should wait for room."""
        return len(self._waiting) >= MAX_WAITING_ROWS or self._waiting_bytes >= MAX_WAITING_BYTES

    def add(self, row: MapItemRow) -> None:
        """Have a row written.  Does not wait.  Raises the error of an earlier row that could not be written."""
        with self._changed:
            self._raise_error()
            self._waiting.append(row)
            self._waiting_bytes += row.size_bytes
            if len(self._waiting) == 1 or len(self._waiting) == MAX_BATCH_ROWS:
                self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Wait until there is room for more rows.  Raises StoreUnavailable, StoreError."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_full or self._error is not None)
            self._raise_error()

    def close(self) -> None:
        """Write all that waits, and end the thread.  Idempotent.  Raises StoreUnavailable, StoreError."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        look_at = time.monotonic() + LOOK_SECONDS
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._waiting or self._is_closing, max(0.0, look_at - time.monotonic())
                    )
                    if self._waiting and not self._is_closing:
                        self._changed.wait_for(
                            lambda: len(self._waiting) >= MAX_BATCH_ROWS or self._is_closing, BATCH_SECONDS
                        )
                    if self._is_closing and not self._waiting:
                        return
                    batch = self._waiting[:MAX_BATCH_ROWS]
                if batch:
                    self._write(batch)
                    with self._changed:
                        del self._waiting[: len(batch)]
                        self._waiting_bytes -= sum([row.size_bytes for row in batch])
                        self._changed.notify_all()
                if time.monotonic() >= look_at:
                    self._look()
                    look_at = time.monotonic() + LOOK_SECONDS
        except BaseException as error:  # noqa: BLE001 - raised by the next call of the caller
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _write(self, batch: list[MapItemRow]) -> None:
        """Write rows, and try again while the database does not answer.  Raises StoreUnavailable, StoreError."""
        until = time.monotonic() + MAX_OUTAGE_SECONDS
        while True:
            try:
                self._store.write_map_items(batch)
                return
            except StoreUnavailable:
                if time.monotonic() >= until:
                    raise
                time.sleep(RETRY_SECONDS)
