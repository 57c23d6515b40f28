"""What the loop does beside deciding about runs, each part with an error boundary of its own.

A part that raises is reported and tried again later, after a longer and longer pause; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from holdwater.errors import StoreError, StoreUnavailable, StoreUnusable
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.timers import Timers

FIRST_PAUSE_US: Final = 250_000
LONGEST_PAUSE_US: Final = 60_000_000
NEVER: Final = 1 << 62


class Service(Protocol):
    """A part of the loop.  Instants in microseconds since the epoch."""

    @property
    def pending(self) -> bool:
        """Something can be done at once."""
        ...

    def instants(self, now: int) -> Sequence[int]:
        """When there is something to do next; never later than a whole interval of the service from now, as the clock
        may have been set back.
        """
        ...

    def look(self, now: int) -> None:
        """Do what is due."""
        ...


class Supervised:
    """A service in its boundary.  That the store cannot be used is let through: it concerns the others too.

    `decisive`: without this one nothing works, so that whatever the store says to it is let through.
    """

    def __init__(self, name: str, service: Service, faults: InternalErrors, *, decisive: bool = False) -> None:
        self.name: Final = name
        self._service, self._faults, self._decisive = service, faults, decisive
        self._paused_until = 0
        self._pause_us = FIRST_PAUSE_US
        self._next_at = 0

    def next_at(self, now: int) -> int:
        """When to look next."""
        if self._service.pending:
            found = 0
        else:
            found = min(self._service.instants(now), default=NEVER)
        self._next_at = max(found, self._paused_until) if self._paused_until else found
        return self._next_at

    def look(self, now: int) -> bool:
        """Have it do what is due; returns whether that may have taken time.  Raises StoreError."""
        if self._paused_until:
            if now < self._paused_until <= now + LONGEST_PAUSE_US:  # no later: the clock may have been set back
                return False
            self._paused_until = 0
        due = now >= self._next_at or self._service.pending
        try:
            self._service.look(now)
        except BaseException as error:  # whatever it is, the other services go on
            if self._concerns_all(error):
                raise
            self._paused_until = now + self._pause_us
            self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
            self._faults.add(f"{self.name}, tried again later", error)
        else:
            self._pause_us = FIRST_PAUSE_US
        return due

    def _concerns_all(self, error: BaseException) -> bool:
        if self._decisive:
            return isinstance(error, StoreError)
        return isinstance(error, StoreUnavailable) and not isinstance(error, StoreUnusable)


def perform(
    act: Callable[[], None], now: int, agenda: Timers, faults: InternalErrors, pause_us: int = FIRST_PAUSE_US
) -> None:
    """Call what came up on the agenda; what raises is reported and comes up again later."""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - as above
        faults.add("something due at an instant, tried again later", error)
        longer = min(2 * pause_us, LONGEST_PAUSE_US)
        agenda.call_at(now + pause_us, lambda: perform(act, now + pause_us, agenda, faults, longer))
