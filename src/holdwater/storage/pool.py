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


C = TypeVar("C", bound=Closable)

WAIT_AT_MOST_SECONDS: Final = 60.0
"""how long a call waits for a connection that others have"""


class Pool(Generic[C]):
    """Connections are opened when they are needed, in the thread that needs one, and kept while they are idle.

    `at_most`: connections in use at once.  `keep`: idle ones kept.  `fits`: whether an idle one can still be used.
    `forsake`: called before a fork that cannot wait for what is in use.
    """

    def __init__(
        self,
        connect: Callable[[], C],
        *,
        name: str,
        at_most: int,
        keep: int,
        fits: Callable[[C], bool] = lambda connection: True,
        forsake: Callable[[], None] = lambda: None,
    ) -> None:
        self._connect, self._fits, self._forsake = connect, fits, forsake
        self._name: Final = name
        self._at_most, self._keep = at_most, keep
        self._changed: Final = Condition()
        self._idle: Final[list[C]] = []
        self._in_use = 0
        self._suspended = False
        self._closed = False
        process_forks.watch(self)

    @contextmanager
    def one(self) -> Iterator[C]:
        """A connection for the length of the block; one whose block raises is closed.

        Raises StoreUnavailable if others keep all of them, and what connecting raises.
        """
        connection = self._take()
        try:
            while connection is not None and not self._fits(connection):
                connection.close()
                with self._changed:
                    connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._connect()
            yield connection
        except BaseException:
            self._put_back(connection, fit=False)
            raise
        self._put_back(connection, fit=True)

    def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it is not."""
        with self._changed:
            self._closed = True
            self._close_idle()

    # -- forks

    def suspend(self) -> None:
        """Before a fork: close every connection."""
        with self._changed:
            self._suspended = True
            if not self._changed.wait_for(lambda: self._in_use == 0, process_forks.PATIENCE_SECONDS):
                self._forsake()
            self._close_idle()

    def resume(self) -> None:
        with self._changed:
            self._suspended = False
            self._changed.notify_all()

    def abandon(self) -> None:
        """In the child there is nothing left to use."""

    # -- within

    def _take(self) -> C | None:
        """The right to a connection, and an idle one if there is one."""
        end = time.monotonic() + WAIT_AT_MOST_SECONDS
        with self._changed:
            while self._suspended or self._in_use >= self._at_most:
                left = end - time.monotonic()
                if left <= 0 and not self._suspended:
                    raise StoreUnavailable(
                        f"{self._name}: all {self._at_most} connections were in use for {WAIT_AT_MOST_SECONDS:g} s",
                        hint="raise db_pool_size, or look for a database that has become slow",
                    )
                self._changed.wait(max(left, 0.01))
            self._in_use += 1
            return self._idle.pop() if self._idle else None

    def _put_back(self, connection: C | None, fit: bool) -> None:
        with self._changed:
            self._in_use -= 1
            if connection is not None:
                if fit and not (self._closed or self._suspended) and len(self._idle) < self._keep:
                    self._idle.append(connection)
                else:
                    connection.close()
            if self._suspended or self._in_use == self._at_most - 1:
                self._changed.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
