"""Connection pool of one store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final, Generic, Protocol, TypeVar

from holdwater.errors import StoreUnavailable
from holdwater.storage import process_forks
from holdwater.storage.idle_connections import idle_closer


class Closable(Protocol):
    def close(self) -> None: ...


ConnectionT = TypeVar("ConnectionT", bound=Closable)

CHECKOUT_TIMEOUT_SECONDS: Final = 60.0
"""longest wait of a call for a connection, while all are in use"""


class ConnectionPool(Generic[ConnectionT]):
    """Opens connections on demand, in the thread that needs one, and keeps some of them while idle.

    `max_size`: maximum of connections in use.  `max_idle`: maximum of idle ones kept.  `is_usable`: tells if an idle
    one can still be used.  `on_fork_timeout`: called before a fork if connections are in use for too long.
    `idle_seconds`: one that was idle for so long is closed; None: it is kept.
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
        idle_seconds: float | None = None,
    ) -> None:
        self._connect, self._is_usable, self._on_fork_timeout = connect, is_usable, on_fork_timeout
        self._name: Final = name
        self._max_size, self._max_idle = max_size, max_idle
        self._condition: Final = Condition()
        self._idle: Final[list[ConnectionT]] = []
        self._idle_seconds = idle_seconds
        self._idle_since: Final[list[float]] = []
        """of each idle connection, if they are closed after a while; monotonic"""
        self._is_watched = False
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
                    connection = self._pop_idle()
            if connection is None:
                connection = self._connect()
            yield connection
        except BaseException:
            self._check_in(connection, usable=False)
            raise
        self._check_in(connection, usable=True)

    @property
    def in_use(self) -> int:
        """The number of connections that calls have now."""
        return self._in_use

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
            return self._pop_idle()

    def _pop_idle(self) -> ConnectionT | None:
        """Take the connection that was used last, so that the others become idle; the lock is held."""
        if self._idle_since:
            self._idle_since.pop()
        return self._idle.pop() if self._idle else None

    def _check_in(self, connection: ConnectionT | None, usable: bool) -> None:
        with self._condition:
            self._in_use -= 1
            if connection is not None:
                if usable and not (self._closed or self._suspended) and len(self._idle) < self._max_idle:
                    self._idle.append(connection)
                    if self._idle_seconds is not None:
                        self._note_idle(self._idle_seconds)
                else:
                    connection.close()
            if self._suspended or self._in_use == self._max_size - 1:
                self._condition.notify_all()

    def _close_idle(self) -> None:
        self._idle_since.clear()
        while self._idle:
            self._idle.pop().close()

    # -- connections that are idle for long

    def _note_idle(self, idle_seconds: float) -> None:
        now = time.monotonic()
        self._idle_since.append(now)
        if not self._is_watched:
            self._is_watched = True
            idle_closer.look_at(self, now + idle_seconds)

    def close_expired(self) -> float | None:
        """Close connections that are idle for too long; returns when to look again (monotonic, in seconds)."""
        assert self._idle_seconds is not None
        expired = []
        with self._condition:
            oldest_kept = time.monotonic() - self._idle_seconds
            while self._idle_since and self._idle_since[0] <= oldest_kept:
                del self._idle_since[0]
                expired.append(self._idle.pop(0))
            self._is_watched = bool(self._idle_since)
            next_at = self._idle_since[0] + self._idle_seconds if self._idle_since else None
        for connection in expired:
            connection.close()
        return next_at
