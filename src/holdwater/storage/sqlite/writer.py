"""One writer per database and process.

SQLite lets one connection write at a time.  Threads that queue for a lock of our own are served as soon as it is free;
threads that compete inside SQLite sleep, starve and end with "database is locked".  So every store of a process that
has the same file open shares one write connection.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from holdwater.errors import RunnerClosed, StoreError, StoreUnavailable
from holdwater.storage import process_forks
from holdwater.storage.sqlite import connections, schema
from holdwater.storage.sqlite.errors import translate
from holdwater.storage.sqlite.file_identity import Identity
from holdwater.storage.urls import DEFAULT_BUSY_TIMEOUT_MS, DatabaseURL

_writers: Final[dict[str, Writer]] = {}


class Writer:
    """The write connection and the lock around it.  `users`: stores that share it."""

    def __init__(self, where: DatabaseURL) -> None:
        self.where: Final = where
        self.name: Final = connections.name(where)
        self.users = 1
        self.connection: sqlite3.Connection | None = None
        self.identity: Final = Identity(where.path)
        self._lock: Final = Lock()
        self._closed = False
        self._suspended = False
        # a thread waits for its turn among the threads of this process at least this long
        self._patience_seconds: Final = max(where.busy_timeout_ms, DEFAULT_BUSY_TIMEOUT_MS) / 1000
        try:
            if not self._is_current():
                with self.transaction() as connection:
                    schema.migrate(connection, self.name)
        except BaseException:
            self.close()
            raise
        process_forks.watch(self)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back on any exception.

        Raises StoreUnavailable, StoreReadOnly or StoreError in place of sqlite3's errors.
        """
        with self._turn() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self.identity.check()  # before it is acknowledged: it may have gone to a file without a name
            except BaseException:
                self._roll_back(connection)
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, to read what only it can see: a database in memory."""
        with self._turn() as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._disconnect()

    # -- forks

    def suspend(self) -> None:
        """Before a fork: wait for the transaction under way, and close the connection to a file."""
        self._suspended = self._lock.acquire(timeout=process_forks.PATIENCE_SECONDS)
        if self.where.path is None:
            return
        if self._suspended:
            self._disconnect()
        else:
            connections.spoil(self.where)

    def resume(self) -> None:
        if self._suspended:
            self._suspended = False
            self._lock.release()

    def abandon(self) -> None:
        """In the child: forget the writer; a connection it still has is the parent's and must not even be closed."""
        self._closed = True
        _forget(self)
        if self.connection is not None:
            process_forks.keep(self.connection)

    # -- within

    @contextmanager
    def _turn(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; it is opened if need be."""
        if not self._lock.acquire(timeout=self._patience_seconds):
            raise StoreUnavailable(
                f"{self.name} has been busy in another thread for {self._patience_seconds:g} s; nothing was changed"
            )
        try:
            if self._closed:
                raise RunnerClosed("this store was closed", hint="open a new one")
            if self.connection is not None:
                self.identity.check_if_stale()
            else:
                self.identity.check()  # a connection would make a new file in the place of one that is gone
                self.connection = connections.connect_writer(self.where)
                self.identity.note()
            yield self.connection
        except sqlite3.Error as error:
            raise translate(error, self.name, self.where.busy_timeout_ms) from error
        except OverflowError as error:  # an integer of more than 64 bits
            raise StoreError(f"{self.name} cannot take a value: {error}; nothing was changed") from error
        finally:
            self._lock.release()

    def _is_current(self) -> bool:
        with self._turn() as connection:
            return schema.is_current(connection, self.name)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """A full disk or an I/O error may have rolled back already, or may not."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            if self.where.path is not None:  # closing rolls back too, and the next transaction opens it anew
                self._disconnect()

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def acquire(where: DatabaseURL) -> Writer:
    """The process's writer of this database, opened by whoever comes first.  Called with `forks.lifecycle` held.

    Raises DatabaseURLError, StoreUnavailable, StoreReadOnly, SchemaTooNew.
    """
    if where.path is None:
        return Writer(where)
    key = os.path.realpath(where.path)
    writer = _writers.get(key)
    if writer is None:
        writer = _writers[key] = Writer(where)
    else:
        writer.users += 1
    return writer


def release(writer: Writer) -> None:
    """Give a writer back; the last one closes it.  Called with `forks.lifecycle` held."""
    writer.users -= 1
    if not writer.users:
        _forget(writer)
        writer.close()


def _forget(writer: Writer) -> None:
    for key, known in list(_writers.items()):
        if known is writer:
            del _writers[key]
