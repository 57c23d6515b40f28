"""Revocations of keys and sessions by other servers: one connection that listens, and is opened again when it is lost.

In between it deletes what the server's tables keep no longer, once an hour.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg
from psycopg import sql as compose
from psycopg.pq import ConnStatus

from holdwater.errors import StoreError
from holdwater.model.time import Micros
from holdwater.server.control import statements as sql
from holdwater.server.control.tables import ServerTables
from holdwater.storage.postgres.pipeline import PostgresConnection

logger = logging.getLogger("holdwater.server")

RECONNECT_SECONDS: Final = 0.5
PRUNE_SECONDS: Final = 3600.0
START_SECONDS: Final = 2.0
"""longest wait of a starting server for the connection"""
JOIN_SECONDS: Final = 10.0


class AccessChanges:
    """The listening thread.

    `on_end`: called with the name of a key or session that is accepted no more, and from when on.  `on_gap`: called
    when it listens again after some may have been missed.
    """

    def __init__(self, tables: ServerTables, on_end: Callable[[str, Micros], None], on_gap: Callable[[], None]) -> None:
        self._tables, self._on_end, self._on_gap = tables, on_end, on_gap
        self._wakeup_read_fd, self._wakeup_write_fd = os.pipe()
        self._is_closed = False
        self._is_first = threading.Event()
        self._prune_due = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="holdwater-access", daemon=True)
        self._thread.start()
        self._is_first.wait(START_SECONDS)

    def close(self) -> None:
        """End the thread.  Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            os.write(self._wakeup_write_fd, b"x")
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        database = self._tables.database
        try:
            while not self._is_closed:
                # an unreachable server is reported by the calls that need it
                with contextlib.suppress(psycopg.Error), database.server.connect() as connection:
                    ((channel,),) = connection.execute(sql.GET_KEYS_CHANNEL).fetchall()
                    connection.execute(compose.SQL("LISTEN {}").format(compose.Identifier(channel)))
                    with contextlib.suppress(StoreError):  # the connection is lost again then
                        self._on_gap()
                    self._is_first.set()
                    self._receive(connection)
                self._is_first.set()
                if self._wait(RECONNECT_SECONDS):
                    return
        finally:
            os.close(self._wakeup_read_fd)
            os.close(self._wakeup_write_fd)

    def _receive(self, connection: PostgresConnection) -> None:
        server = connection.pgconn
        while not self._is_closed:
            while (said := server.notifies()) is not None:
                subject, _, at = said.extra.decode().rpartition(" ")
                self._on_end(subject, Micros(int(at)))
            if time.monotonic() >= self._prune_due:
                self._prune()
                continue
            self._wait(max(0.0, self._prune_due - time.monotonic()), server.socket)
            server.consume_input()
            if server.status != ConnStatus.OK:
                return

    def _prune(self) -> None:
        self._prune_due = time.monotonic() + PRUNE_SECONDS
        try:
            self._tables.prune()
        except StoreError:
            logger.warning(
                "old rows of the server's tables could not be deleted; they are an hour later", exc_info=True
            )

    def _wait(self, seconds: float, *other_fds: int) -> bool:
        """Wait; returns True if this is to end."""
        waiting = select.poll()
        for file in (self._wakeup_read_fd, *other_fds):
            waiting.register(file, select.POLLIN)
        ready = waiting.poll(seconds * 1000)
        return any([file == self._wakeup_read_fd for file, _ in ready])
