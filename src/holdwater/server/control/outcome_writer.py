"""Outcomes of requests, written to the audit log by a thread: many with one statement, and no response waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from holdwater.errors import StoreError

MAX_WAITING: Final = 10_000
"""outcomes; of more the oldest are dropped, and their rows stay `asked`"""
MAX_BATCH: Final = 500
GATHER_SECONDS: Final = 0.05
"""time for which more outcomes are waited for after the first: waking a thread costs more than a row"""
RETRY_SECONDS: Final = 1.0
"""pause while the database cannot be reached"""

_LOG: Final = logging.getLogger("holdwater.server")

OutcomeRow: TypeAlias = tuple[int, str, str]
"""number of the row, outcome, code"""


class OutcomeWriter:
    """Hands outcomes to `write` in batches, in a thread of its own that runs from the first one on.  Thread-safe."""

    def __init__(self, write: Callable[[Sequence[OutcomeRow]], object]) -> None:
        """Create it.  `write`: writes a batch; may raise StoreError, and is called again then."""
        self._write = write
        self._waiting: deque[OutcomeRow] = deque(maxlen=MAX_WAITING)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_idle = False
        self._is_closed = False

    def put(self, row: OutcomeRow) -> None:
        """Write an outcome soon.  Does not block."""
        with self._changed:
            self._waiting.append(row)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="holdwater-audit", daemon=True)
                self._thread.start()
            elif self._is_idle:
                self._changed.notify()

    def close(self) -> None:
        """Write what waits, if the database can be reached, and end the thread.  Idempotent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        is_trouble_logged = False
        while batch := self._take():
            try:
                self._write(batch)
                is_trouble_logged = False
            except StoreError as error:
                if not is_trouble_logged:
                    is_trouble_logged = True
                    _LOG.warning("outcomes of requests are not in the audit log yet, and are tried again: %s", error)
                with self._changed:
                    if self._is_closed:
                        return
                    room = MAX_WAITING - len(self._waiting)
                    self._waiting.extendleft(reversed(batch[max(0, len(batch) - room) :]))
                    self._changed.wait_for(lambda: self._is_closed, RETRY_SECONDS)

    def _take(self) -> list[OutcomeRow]:
        """Wait for outcomes, and return some; none at the end."""
        with self._changed:
            self._is_idle = True
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            self._is_idle = False
            if not self._is_closed:
                self._changed.wait(GATHER_SECONDS)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
