"""Connections of one store, lent for the length of a block."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final, Generic, Protocol, TypeVar

from holdwater.errors import StoreUnavailable
from holdwater.storage import process_forks


class Closable(Protocol):
    def close(self) -> None: ...


ConnectionT = TypeVar("ConnectionT", bound=Closable)

CHECKOUT_TIMEOUT_SECONDS: Final = 60.0
"""how long a call waits for a connection that others have"""


class ConnectionPool(Generic[ConnectionT]):
    """Connections are opened when they are needed, in the thread that needs one, and kept while they are idle.

    `max_size`: connections in use at once.  `keep`: idle ones kept.  `accepts`: whether an idle one can still be used.
    `abandon_runs`: called before a fork that cannot wait for what is in use.
    """

    def __init__(
        self,
        connect: Callable[[], ConnectionT],
        *,
        name: str,
        max_size: int,
        max_idle: int,
        is_usable: Callable[[ConnectionT], bool] = lambda connection: True,
        on_fork_timeout: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._is_usable, self._on_fork_timeout = connect, is_usable, on_fork_timeout
        self._name: Final = name
        self._max_size, self._max_idle = max_size, max_idle
        self._condition: Final = Condition()
        self._idle: Final[list[ConnectionT]] = []
        self._in_use = 0
        self._suspended = False
        self._closed = False
        process_forks.register_fork_aware(self)

    @contextmanager
    def connection(self) -> Iterator[ConnectionT]:
        """A connection for the length of the block; one whose block raises is closed.

        Raises StoreUnavailable if others keep all of them, and what connecting raises.
        """
        connection = self._check_out()
        try:
            while connection is not None and not self._is_usable(connection):
                connection.close()
                with self._condition:
                    connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
            yield connection
        except BaseException:
            self._check_in(connection, usable=False)
            raise
        self._check_in(connection, usable=True)

    def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it is not."""
        with self._condition:
            self._closed = True
            self._close_idle()

    # -- forks

    def before_fork(self) -> None:
        """Before a fork: close every connection."""
        with self._condition:
            self._suspended = True
            if not self._condition.wait_for(lambda: self._in_use == 0, process_forks.FORK_TIMEOUT_SECONDS):
                self._on_fork_timeout()
            self._close_idle()

    def after_fork_in_parent(self) -> None:
        with self._condition:
            self._suspended = False
            self._condition.notify_all()

    def after_fork_in_child(self) -> None:
        """In the child there is nothing left to use."""

    # -- within

    def _check_out(self) -> ConnectionT | None:
        """The right to a connection, and an idle one if there is one."""
        end = time.monotonic() + CHECKOUT_TIMEOUT_SECONDS
        with self._condition:
            while self._suspended or self._in_use >= self._max_size:
                left = end - time.monotonic()
                if left <= 0 and not self._suspended:
                    raise StoreUnavailable(
                        f"{self._name}: all {self._max_size} connections were in use for "
                        f"{CHECKOUT_TIMEOUT_SECONDS:g} s",
                        hint="raise db_pool_size, or look for a database that has become slow",
                    )
                self._condition.wait(max(left, 0.01))
            self._in_use += 1
            return self._idle.pop() if self._idle else None

    def _check_in(self, connection: ConnectionT | None, usable: bool) -> None:
        with self._condition:
            self._in_use -= 1
            if connection is not None:
                if usable and not (self._closed or self._suspended) and len(self._idle) < self._max_idle:
                    self._idle.append(connection)
                else:
                    connection.close()
            if self._suspended or self._in_use == self._max_size - 1:
                self._condition.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
