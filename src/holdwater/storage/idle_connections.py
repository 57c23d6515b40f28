"""One thread that closes idle connections, for all pools of the process that want it."""

from __future__ import annotations

import heapq
import os
import threading
import time
from typing import Final, Protocol
from weakref import ref


class IdlePool(Protocol):
    """A pool with idle connections."""

    def close_expired(self) -> float | None:
        """Close connections that are idle for too long; returns when to look again (monotonic, in seconds)."""
        ...


class IdleCloser:
    """Looks at pools when their idle connections are due.  The thread ends when there is nothing to look at."""

    def __init__(self) -> None:
        self._condition: Final = threading.Condition()
        self._heap: list[tuple[float, int, ref[IdlePool]]] = []
        self._count = 0
        self._thread: threading.Thread | None = None
        self._pid = 0

    def look_at(self, pool: IdlePool, due_at: float) -> None:
        """Have `close_expired` of a pool called at an instant (monotonic, in seconds), while there is the pool."""
        with self._condition:
            if self._pid != os.getpid():  # a fork left the thread, and the pools, to the parent
                self._pid, self._thread, self._heap = os.getpid(), None, []
            self._count += 1
            heapq.heappush(self._heap, (due_at, self._count, ref(pool)))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="holdwater-idle-connections", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._heap:
                    self._thread = None
                    return
                due_at, _, pool_ref = self._heap[0]
                left = due_at - time.monotonic()
                if left > 0:
                    self._condition.wait(left)
                    continue
                heapq.heappop(self._heap)
            pool = pool_ref()
            next_at = None if pool is None else pool.close_expired()
            if pool is not None and next_at is not None:
                self.look_at(pool, next_at)
            del pool


idle_closer: Final = IdleCloser()
