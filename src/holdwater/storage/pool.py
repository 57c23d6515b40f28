"""Connection pool of one store."""

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
"""longest wait of a call for a connection, while all are in use"""


class ConnectionPool(Generic[ConnectionT]):
    """Opens connections on demand, in the thread that needs one, and keeps some of them while idle.

    `max_size`: maximum of connections in use.  `max_idle`: maximum of idle ones kept.  `is_usable`: tells if an idle
    one can still be used.  `on_fork_timeout`: called before a fork if connections are in use for too long.
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
        """Lend a connection for the length of the block; one whose block raises is closed.

        Raises StoreUnavailable if all stay in use, and the errors of connecting (sqlite3.Error, psycopg.Error).
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
        """Close idle connections now, and those in use when they are returned."""
        with self._condition:
            self._closed = True
            self._close_idle()

    # -- forks

    def before_fork(self) -> None:
        """Close every connection before a fork."""
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
        """Drop, in a forked child, all connections; they are the parent's."""

    # -- within

    def _check_out(self) -> ConnectionT | None:
        """Reserve a connection; returns an idle one, or None if the caller has to open it."""
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
