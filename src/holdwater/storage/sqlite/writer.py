"""One writer per database and process.

SQLite lets one connection write at a time.  Threads that wait for a Python lock are served as soon as it is free;
threads that compete inside SQLite sleep, starve and fail with "database is locked".  So all stores of a process on the
same file share one write connection.
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
from holdwater.storage.sqlite.errors import translate_error
from holdwater.storage.sqlite.file_identity import FileIdentity
from holdwater.storage.urls import DEFAULT_BUSY_TIMEOUT_MS, DatabaseURL

_writers: Final[dict[str, WriteConnection]] = {}


class WriteConnection:
    """The write connection and its lock.  `user_count`: number of stores that share it."""

    def __init__(self, database_url: DatabaseURL) -> None:
        self.database_url: Final = database_url
        self.name: Final = connections.display_name(database_url)
        self.user_count = 1
        self.connection: sqlite3.Connection | None = None
        self.identity: Final = FileIdentity(database_url.path)
        self._lock: Final = Lock()
        self._closed = False
        self._suspended = False
        # shortest wait of a thread for its turn among the threads of this process before it gives up
        self._lock_timeout_seconds: Final = max(database_url.busy_timeout_ms, DEFAULT_BUSY_TIMEOUT_MS) / 1000
        try:
            if not self._is_current():
                with self.transaction() as connection:
                    schema.migrate(connection, self.name)
        except BaseException:
            self.close()
            raise
        process_forks.register_fork_aware(self)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin a write transaction, committed at the end of the block and rolled back on any exception.

        Raises StoreUnavailable, StoreReadOnly, StoreError in place of sqlite3's errors.
        """
        with self._exclusive_connection() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
                self.identity.check_unchanged()  # before it is acknowledged: the file may have been deleted
            except BaseException:
                self._roll_back(connection)
                raise

    @contextmanager
    def read_connection(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for reading a database in memory, which no other connection can see."""
        with self._exclusive_connection() as connection:
            yield connection

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._disconnect()

    # -- forks

    def before_fork(self) -> None:
        """Wait for the transaction under way before a fork, and close the connection to a file."""
        self._suspended = self._lock.acquire(timeout=process_forks.FORK_TIMEOUT_SECONDS)
        if self.database_url.path is None:
            return
        if self._suspended:
            self._disconnect()
        else:
            connections.mark_unsafe_after_fork(self.database_url)

    def after_fork_in_parent(self) -> None:
        if self._suspended:
            self._suspended = False
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Drop the writer in a forked child; a connection it still has is the parent's and must not be closed."""
        self._closed = True
        _drop_writer(self)
        if self.connection is not None:
            process_forks.keep_until_exit(self.connection)

    # -- within

    @contextmanager
    def _exclusive_connection(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread at a time, opening it if it is closed."""
        if not self._lock.acquire(timeout=self._lock_timeout_seconds):
            raise StoreUnavailable(
                f"{self.name} has been busy in another thread for {self._lock_timeout_seconds:g} s; nothing was changed"
            )
        try:
            if self._closed:
                raise RunnerClosed("this store was closed", hint="open a new one")
            if self.connection is not None:
                self.identity.check_if_due()
            else:
                self.identity.check_unchanged()  # connecting would create a new file in place of a deleted one
                self.connection = connections.connect_writer(self.database_url)
                self.identity.remember()
            yield self.connection
        except sqlite3.Error as error:
            raise translate_error(error, self.name, self.database_url.busy_timeout_ms) from error
        except OverflowError as error:  # an integer of more than 64 bits
            raise StoreError(f"{self.name} cannot take a value: {error}; nothing was changed") from error
        finally:
            self._lock.release()

    def _is_current(self) -> bool:
        with self._exclusive_connection() as connection:
            return schema.is_current(connection, self.name)

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """Roll back, unless SQLite has done so by itself (a full disk, an I/O error)."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            if self.database_url.path is not None:  # closing rolls back too, and the next transaction reopens it
                self._disconnect()

    def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def acquire_writer(database_url: DatabaseURL) -> WriteConnection:
    """Return the process's writer of this database, opened by the first call.

    Called with `process_forks.lifecycle_lock` held.

    Raises DatabaseURLError, StoreUnavailable, StoreReadOnly, SchemaTooNew.
    """
    if database_url.path is None:
        return WriteConnection(database_url)
    key = os.path.realpath(database_url.path)
    writer = _writers.get(key)
    if writer is None:
        writer = _writers[key] = WriteConnection(database_url)
    else:
        writer.user_count += 1
    return writer


def release_writer(writer: WriteConnection) -> None:
    """Give a writer back; the last user closes it.  Called with `process_forks.lifecycle_lock` held."""
    writer.user_count -= 1
    if not writer.user_count:
        _drop_writer(writer)
        writer.close()


def _drop_writer(writer: WriteConnection) -> None:
    for key, known in list(_writers.items()):
        if known is writer:
            del _writers[key]
