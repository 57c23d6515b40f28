"""Notifications of other runners by LISTEN, on one connection that is opened again when it is lost.

Its session also holds an advisory lock for each owner of the store.  The session ends with its process, so other
runners can tell a dead owner from one that hangs.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Collection
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus

from holdwater.model.records import Notification
from holdwater.storage import notifications
from holdwater.storage.postgres.liveness import owner_lock_key
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer

MIN_RECONNECT_DELAY_SECONDS: Final = 0.05
MAX_RECONNECT_DELAY_SECONDS: Final = 5.0
STARTUP_TIMEOUT_SECONDS: Final = 2.0
"""longest wait of a starting runner for the connection; without its locks a hanging runner looks like a dead one"""
JOIN_TIMEOUT_SECONDS: Final = 1.0
"""longest wait for the thread to end: while it connects it cannot be interrupted, and ends by itself afterwards"""


class NotificationListener:
    """The listening thread.  `origin`: prefix of this store's own notifications, ignored.  `owners`: of this store."""

    def __init__(
        self,
        server: PostgresServer,
        channel: str,
        origin: str,
        owners: Collection[str],
        callback: Callable[[Notification], None],
    ) -> None:
        self._server, self._channel, self._origin, self._callback = server, channel, origin, callback
        self._owners = owners
        self._wakeup_read_fd, self._wakeup_write_fd = os.pipe()
        self._pid = os.getpid()
        self._closed = False
        self._first_attempt_done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdwater-notify", daemon=True)
        self._thread.start()

    def wait_first_attempt(self) -> None:
        """Wait until it listens and holds its locks, or its first attempt failed; `STARTUP_TIMEOUT_SECONDS` at most."""
        self._first_attempt_done.wait(STARTUP_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Stop the thread at once."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        os.write(self._wakeup_write_fd, b"x")
        if threading.current_thread() is not self._thread:
            self._thread.join(JOIN_TIMEOUT_SECONDS)

    def _run(self) -> None:
        pause = MIN_RECONNECT_DELAY_SECONDS
        try:
            while not self._closed:
                # an unreachable server is reported by the calls that work on the store
                with contextlib.suppress(psycopg.Error), self._server.connect() as connection:
                    if self._closed:
                        return
                    for owner in [*self._owners]:
                        connection.execute("SELECT pg_advisory_lock_shared($1::BIGINT)", (owner_lock_key(owner),))
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    pause = MIN_RECONNECT_DELAY_SECONDS
                    self._first_attempt_done.set()
                    self._callback(notifications.ANYTHING_CHANGED)  # some may have been sent while it did not listen
                    self._receive(connection)
                self._first_attempt_done.set()
                if self._wait_for_wakeup(pause):
                    return
                pause = min(pause * 2, MAX_RECONNECT_DELAY_SECONDS)
        finally:
            os.close(self._wakeup_read_fd)
            os.close(self._wakeup_write_fd)

    def _receive(self, connection: PostgresConnection) -> None:
        """Deliver notifications until the connection is lost or `_wakeup_read_fd` is readable."""
        server = connection.pgconn
        while not self._closed:
            while (said := server.notifies()) is not None:
                origin, _, text = said.extra.decode().partition(" ")
                if origin != self._origin:
                    self._callback(notifications.decode(text))
            self._wait_for_wakeup(None, server.socket)
            server.consume_input()
            if server.status != ConnStatus.OK:
                return

    def _wait_for_wakeup(self, seconds: float | None, *other_fds: int) -> bool:
        """Wait for the wake-up pipe or another descriptor; True if it was the wake-up pipe.  None: no time limit."""
        waiting = select.poll()  # select() refuses descriptors above 1,023
        for file in (self._wakeup_read_fd, *other_fds):
            waiting.register(file, select.POLLIN)
        ready = waiting.poll(None if seconds is None else seconds * 1000)
        return any([file == self._wakeup_read_fd for file, _ in ready])
