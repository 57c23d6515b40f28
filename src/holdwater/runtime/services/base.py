"""Services of the loop: one protocol, and the error boundary around each of them.

A service that raises is reported and tried again later, after a longer and longer pause; the others go on.
"""

from __future__ import annotations

from typing import Final, Protocol

from holdwater.errors import StoreError, StoreUnavailable, StoreUnusable
from holdwater.model.time import UNSET, Micros
from holdwater.runtime.internal_errors import InternalErrors
from holdwater.runtime.loop_timers import MAX_RETRY_DELAY_US, MIN_RETRY_DELAY_US

NEVER: Final = Micros(1 << 62)


class Service(Protocol):
    """A periodic or event-driven part of the loop.  Instants in microseconds since the epoch.

    The driver's thread alone calls it, and every other method of a service that does not say otherwise.
    """

    def due_at(self, now: Micros) -> Micros | None:
        """The instant of the next `run`: `now` or earlier if there is work at once, None if only an event brings some.

        Never later than a whole interval of the service from now, as the clock may have been set back.
        """
        ...

    def run(self, now: Micros) -> None:
        """Do the work that is due, if there is any.  Called in every turn of the loop, so it is cheap without work."""
        ...


class SupervisedService:
    """A service in its boundary.  An error that says that the store cannot be used is raised: it concerns all services.

    `critical`: the runner does nothing useful without this service, so every error of the store is raised.
    `uses_store`: it pauses while the store is left alone.  `until_closed`: it goes on while the runner closes.
    """

    def __init__(
        self,
        name: str,
        service: Service,
        error_log: InternalErrors,
        *,
        critical: bool = False,
        uses_store: bool = True,
        until_closed: bool = False,
    ) -> None:
        self.name: Final = name
        self.uses_store: Final = uses_store
        self.until_closed: Final = until_closed
        self._service, self._error_log, self._critical = service, error_log, critical
        self._retry_at = UNSET
        self._retry_delay_us = MIN_RETRY_DELAY_US

    def next_due_at(self, now: Micros) -> Micros:
        """The instant of the next `run`."""
        due_at = self._service.due_at(now)
        return max(NEVER if due_at is None else due_at, self._retry_at)

    def run(self, now: Micros) -> bool:
        """Run the service; returns whether it had work, which may have taken time.  Raises StoreError."""
        if self._retry_at:
            if now < self._retry_at <= now + MAX_RETRY_DELAY_US:  # no later: the clock may have been set back
                return False
            self._retry_at = UNSET
        had_work = True
        try:
            due_at = self._service.due_at(now)
            had_work = due_at is not None and due_at <= now
            self._service.run(now)
        except BaseException as error:  # whatever it is, the other services go on
            if self._affects_all(error):
                raise
            self._retry_at = Micros(now + self._retry_delay_us)
            self._retry_delay_us = min(2 * self._retry_delay_us, MAX_RETRY_DELAY_US)
            self._error_log.add(f"{self.name}, tried again later", error)
        else:
            self._retry_delay_us = MIN_RETRY_DELAY_US
        return had_work

    def _affects_all(self, error: BaseException) -> bool:
        if self._critical:
            return isinstance(error, StoreError)
        return isinstance(error, StoreUnavailable) and not isinstance(error, StoreUnusable)
