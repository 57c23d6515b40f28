"""What the loop does beside deciding about runs, each part with an error boundary of its own.

A part that raises is reported and tried again later, after a longer and longer pause; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from holdwater.errors import StoreError, StoreUnavailable, StoreUnusable
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.timers import Timers

MIN_RETRY_DELAY_US: Final = 250_000
MAX_RETRY_DELAY_US: Final = 60_000_000
NEVER: Final = Micros(1 << 62)


class Service(Protocol):
    """A part of the loop.  Instants in microseconds since the epoch."""

    @property
    def has_work(self) -> bool:
        """Something can be done at once."""
        ...

    def due_times(self, now: Micros) -> Sequence[Micros]:
        """When there is something to do next; never later than a whole interval of the service from now, as the clock
        may have been set back.
        """
        ...

    def run_due(self, now: Micros) -> None:
        """Do what is due."""
        ...


class SupervisedService:
    """A service in its boundary.  That the store cannot be used is let through: it concerns the others too.

    `critical`: without this one nothing works, so that whatever the store says to it is let through.
    """

    def __init__(self, name: str, service: Service, error_log: InternalErrors, *, critical: bool = False) -> None:
        self.name: Final = name
        self._service, self._error_log, self._critical = service, error_log, critical
        self._retry_at = UNSET
        self._retry_delay_us = MIN_RETRY_DELAY_US
        self._next_due_at = UNSET

    def next_due_at(self, now: Micros) -> Micros:
        """When to look next."""
        if self._service.has_work:
            found = UNSET
        else:
            found = min(self._service.due_times(now), default=NEVER)
        self._next_due_at = max(found, self._retry_at) if self._retry_at else found
        return self._next_due_at

    def run_due(self, now: Micros) -> bool:
        """Have it do what is due; returns whether that may have taken time.  Raises StoreError."""
        if self._retry_at:
            if now < self._retry_at <= now + MAX_RETRY_DELAY_US:  # no later: the clock may have been set back
                return False
            self._retry_at = UNSET
        due = now >= self._next_due_at or self._service.has_work
        try:
            self._service.run_due(now)
        except BaseException as error:  # whatever it is, the other services go on
            if self._affects_all(error):
                raise
            self._retry_at = Micros(now + self._retry_delay_us)
            self._retry_delay_us = min(2 * self._retry_delay_us, MAX_RETRY_DELAY_US)
            self._error_log.add(f"{self.name}, tried again later", error)
        else:
            self._retry_delay_us = MIN_RETRY_DELAY_US
        return due

    def _affects_all(self, error: BaseException) -> bool:
        if self._critical:
            return isinstance(error, StoreError)
        return isinstance(error, StoreUnavailable) and not isinstance(error, StoreUnusable)


def run_timer(
    callback: Callable[[], None],
    now: Micros,
    timers: Timers,
    error_log: InternalErrors,
    retry_delay_us: int = MIN_RETRY_DELAY_US,
) -> None:
    """Call what came up on the agenda; what raises is reported and comes up again later."""
    try:
        callback()
    except BaseException as error:  # noqa: BLE001 - as above
        error_log.add("something due at an instant, tried again later", error)
        longer = min(2 * retry_delay_us, MAX_RETRY_DELAY_US)
        retry_at = Micros(now + retry_delay_us)
        timers.call_at(retry_at, lambda: run_timer(callback, retry_at, timers, error_log, longer))
