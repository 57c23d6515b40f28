"""Loops that look for what nothing announces."""

from __future__ import annotations

import time


def poll_pause() -> None:
    """Leave the processor to what is waited for; the loop around it is bounded by the time-out of the test."""
    time.sleep(0.002)
