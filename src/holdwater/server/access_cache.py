"""Callers that were found lately, by the digest of their key or session, so that most requests ask no database."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

from holdwater.server.access import Caller

MAX_CALLERS: Final = 1024
FRESH_SECONDS: Final = 30.0


class AccessCache:
    """Callers by digest.  Thread-safe.

    A caller is taken as it is for `FRESH_SECONDS`, and looked up again after that.  `generation` is another one after
    every revocation: what was read from the database before is not put in any more.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.generation = 0

    def fresh(self, digest: bytes) -> Caller | None:
        """Return a caller that was looked up lately."""
        with self._lock:
            caller, since_seconds = self._callers.get(digest, (None, 0.0))
            if caller is None or time.monotonic() - since_seconds > FRESH_SECONDS:
                return None
            self._callers.move_to_end(digest)
            return caller

    def knows(self, digest: bytes) -> bool:
        """Return True if there was such a caller, whenever."""
        with self._lock:
            return digest in self._callers

    def put(self, digest: bytes, caller: Caller, generation: int) -> bool:
        """Keep a caller; False if something was revoked since its lookup began, in a `generation` before."""
        with self._lock:
            if generation != self.generation:
                return False
            self._callers[digest] = caller, time.monotonic()
            self._callers.move_to_end(digest)
            if len(self._callers) > MAX_CALLERS:
                self._callers.popitem(last=False)
            return True

    def discard(self, digest: bytes) -> None:
        """Forget a caller."""
        with self._lock:
            self._callers.pop(digest, None)

    def forget(self, subject: str) -> None:
        """Forget the callers of a key or session that has changed."""
        with self._lock:
            self.generation += 1
            for digest, (caller, _) in [*self._callers.items()]:
                if subject in caller.subjects:
                    del self._callers[digest]

    def expire(self) -> None:
        """Have every caller looked up again: revocations may have been missed."""
        with self._lock:
            self.generation += 1
            for digest, (caller, _) in self._callers.items():
                self._callers[digest] = caller, float("-inf")
