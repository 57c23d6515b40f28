"""Loops that look for what nothing announces."""

from __future__ import annotations

import time
from collections.abc import Callable


def poll_pause() -> None:
    """Leave the processor to what is waited for; the loop around it is bounded by the time-out of the test."""
    time.sleep(0.002)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for what nothing announces; bounded by the time-out of the test."""
    while not condition():
        poll_pause()
