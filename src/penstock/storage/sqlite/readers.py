"""Connections that only read: they never wait for the writer, nor make it wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Final

from penstock.storage import forks
from penstock.storage.sqlite import connections
from penstock.storage.urls import DatabaseURL

_IDLE_AT_MOST: Final = 4


class Readers:
    """Idle read connections of one store; one is opened when none is idle."""

    def __init__(self, where: DatabaseURL) -> None:
        self._where: Final = where
        self._changed: Final = Condition()
        self._idle: Final[list[sqlite3.Connection]] = []
        self._in_use = 0
        self._suspended = False
        self._closed = False
        forks.watch(self)

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        """A connection for the length of the block.  Raises sqlite3.Error."""
        with self._changed:
            while self._suspended:
                self._changed.wait()
            self._in_use += 1
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = connections.connect_reader(self._where)
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

    def suspend(self) -> None:
        """Before a fork: close every connection."""
        with self._changed:
            self._suspended = True
            if not self._changed.wait_for(lambda: self._in_use == 0, forks.PATIENCE_SECONDS):
                connections.spoil(self._where)
            self._close_idle()

    def resume(self) -> None:
        with self._changed:
            self._suspended = False
            self._changed.notify_all()

    def abandon(self) -> None:
        """In the child there is nothing left to use."""

    def _put_back(self, connection: sqlite3.Connection | None, fit: bool) -> None:
        with self._changed:
            self._in_use -= 1
            if connection is not None:
                if fit and not (self._closed or self._suspended) and len(self._idle) < _IDLE_AT_MOST:
                    self._idle.append(connection)
                else:
                    connection.close()
            if self._suspended:
                self._changed.notify_all()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
