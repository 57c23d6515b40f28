"""Retry times of unrecorded runs.

Their clock is set to the wall clock once, at the start of the process, and advances with the monotonic clock: later
changes of the wall clock do not affect it.
"""

from __future__ import annotations

from typing import Final

from holdwater.model.time import UNSET, Micros, add_seconds, seconds_between
from holdwater.runtime.clock import SystemClock

_CLOCK: Final = SystemClock()


def retry_time(delay_seconds: float) -> Micros:
    """Return the instant after a delay; UNSET, at once, for no delay."""
    return add_seconds(_CLOCK.now(), delay_seconds) if delay_seconds else UNSET


def seconds_until(at: Micros) -> float:
    """Seconds to wait for an instant; 0 for one that has passed."""
    return max(0.0, seconds_between(_CLOCK.now(), at))
