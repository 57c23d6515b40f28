"""The real clock."""

from __future__ import annotations

import time
from collections.abc import Callable


class SystemClock:
    """Wall-clock time; instants are microseconds since the epoch."""

    def __init__(self) -> None:
        self._offset_us = 0

    def now(self) -> int:
        return time.time_ns() // 1000 + self._offset_us

    def adjust(self, offset_us: int) -> None:
        """Show the time of the database, by which all its runners agree."""
        self._offset_us = offset_us

    def seconds_until(self, instant: int) -> float | None:
        return max(0.0, (instant - self.now()) / 1e6)

    def on_jump(self, wake: Callable[[], None]) -> None:
        """The system does not tell; waits are short enough to notice."""
