"""News from other runners, by LISTEN: one connection that waits, and connects again when it is lost.

Its session also holds a lock for each owner of the store.  When a process ends, so does its session, and whoever takes
over its work can tell that from a process that hangs.
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

from holdwater.model.records import News
from holdwater.storage import notifications
from holdwater.storage.postgres.liveness import lock_key
from holdwater.storage.postgres.pipeline import Session
from holdwater.storage.postgres.server import Server

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 5.0
FIRST_ATTEMPT_SECONDS: Final = 2.0
"""how long a runner waits for it at its start; without its locks a runner that hangs looks like one that is dead"""
LEAVE_AFTER_SECONDS: Final = 1.0
"""a thread that is about to connect cannot be stopped: it ends by itself as soon as that is decided"""


class Listener:
    """A thread that hears.  `origin`: what this store itself says, which is no news.  `owners`: of this store."""

    def __init__(
        self, server: Server, channel: str, origin: str, owners: Collection[str], tell: Callable[[News], None]
    ) -> None:
        self._server, self._channel, self._origin, self._tell = server, channel, origin, tell
        self._owners = owners
        self._bell_out, self._bell_in = os.pipe()
        self._pid = os.getpid()
        self._closed = False
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdwater-news", daemon=True)
        self._thread.start()

    def wait_tried(self) -> None:
        """Return when it hears and its locks are held, or could not at the first attempt."""
        self._tried.wait(FIRST_ATTEMPT_SECONDS)

    def close(self) -> None:
        """Stop, at once."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        os.write(self._bell_in, b"x")
        if threading.current_thread() is not self._thread:
            self._thread.join(LEAVE_AFTER_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while not self._closed:
                # the work itself will say what is wrong with the server
                with contextlib.suppress(psycopg.Error), self._server.connect() as connection:
                    if self._closed:
                        return
                    for owner in [*self._owners]:
                        connection.execute("SELECT pg_advisory_lock_shared($1::BIGINT)", (lock_key(owner),))
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
                    pause = FIRST_PAUSE_SECONDS
                    self._tried.set()
                    self._tell(notifications.ANY)  # whatever was said while nobody listened
                    self._hear(connection)
                self._tried.set()
                if self._rings(pause):
                    return
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            os.close(self._bell_out)
            os.close(self._bell_in)

    def _hear(self, connection: Session) -> None:
        """Until the connection is lost or the bell rings."""
        server = connection.pgconn
        while not self._closed:
            while (said := server.notifies()) is not None:
                origin, _, text = said.extra.decode().partition(" ")
                if origin != self._origin:
                    self._tell(notifications.decode(text))
            self._rings(None, server.socket)
            server.consume_input()
            if server.status != ConnStatus.OK:
                return

    def _rings(self, seconds: float | None, *others: int) -> bool:
        """Whether the bell has rung; waits so long for it, or for others to have something to say."""
        waiting = select.poll()  # `select` knows no file above 1,023
        for file in (self._bell_out, *others):
            waiting.register(file, select.POLLIN)
        ready = waiting.poll(None if seconds is None else seconds * 1000)
        return any([file == self._bell_out for file, _ in ready])
