"""The store as the driver finds it: usable, or left alone until an instant; sending notifications, or to be polled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdwater.errors import StoreError, StoreUnavailable, StoreUnusable
from holdwater.model.ports.clock import Clock
from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.runtime.internal_errors import logger

MIN_RETRY_DELAY_SECONDS: Final = 0.05
MAX_RETRY_DELAY_SECONDS: Final = 5.0


class StoreStatus:
    """Back-off after errors of the store.  Only the driver's thread changes it.

    `on_refused`: called with an error of a store that answers and refuses: its tables are gone, or a right was revoked.
    It may or may not accept again, so callers get the error; one that cannot be reached comes back.
    """

    def __init__(self, clock: Clock, on_refused: Callable[[StoreError], None]) -> None:
        self._clock, self._on_refused = clock, on_refused
        self.retry_at = UNSET
        """the store is left alone until then, in microseconds since the epoch"""
        self._retry_delay_seconds = MIN_RETRY_DELAY_SECONDS
        self.is_unavailable = False
        """the last attempt to use it failed"""
        self.has_notifications = False
        """it tells of changes by other runners; otherwise they are found by polling"""

    def back_off(self) -> Micros:
        """Leave the store alone for a while, longer each time; returns the instant to try again."""
        self.retry_at = add_seconds(self._clock.now(), self._retry_delay_seconds)
        self._retry_delay_seconds = min(self._retry_delay_seconds * 2, MAX_RETRY_DELAY_SECONDS)
        return self.retry_at

    def on_error(self, error: StoreError) -> Micros:
        """Back off after an error of the store; returns the instant to try again."""
        if isinstance(error, StoreUnusable) or not isinstance(error, StoreUnavailable):
            self._on_refused(error)
        if not self.is_unavailable:
            self.is_unavailable = True
            logger.warning("the store cannot be used, and is tried again until it can: %s", error)
        return self.back_off()

    def on_answer(self) -> None:
        """Note that the store answered."""
        if self.is_unavailable:
            self.is_unavailable = False
            logger.warning("the store can be used again")

    def on_commit(self) -> None:
        """Note that the store was written: the next pause is a short one."""
        self._retry_delay_seconds = MIN_RETRY_DELAY_SECONDS
        self.on_answer()

    def paused_until(self, now: Micros) -> Micros:
        """The instant to try again; no later than the longest pause, as the clock may have been set back."""
        if self.retry_at:
            self.retry_at = min(self.retry_at, add_seconds(now, MAX_RETRY_DELAY_SECONDS))
        return self.retry_at
