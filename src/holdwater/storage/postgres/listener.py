"""Messages of channels by LISTEN, on one connection that is opened again when it is lost.

Its session also holds an advisory lock for each owner of the stores that listen.  The session ends with its process, so
other runners can tell a dead owner from one that hangs.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

import psycopg
from psycopg import sql
from psycopg.pq import ConnStatus

from holdwater.storage.postgres.liveness import owner_lock_key
from holdwater.storage.postgres.pipeline import PostgresConnection
from holdwater.storage.postgres.server import PostgresServer

MIN_RECONNECT_DELAY_SECONDS: Final = 0.05
MAX_RECONNECT_DELAY_SECONDS: Final = 5.0
STARTUP_TIMEOUT_SECONDS: Final = 2.0
"""longest wait of a starting runner for the connection; without its locks a hanging runner looks like a dead one"""
JOIN_TIMEOUT_SECONDS: Final = 1.0
"""longest wait for the thread to end: while it connects it cannot be interrupted, and ends by itself afterwards"""

logger = logging.getLogger("holdwater.storage")


class ChannelSubscription:
    """A channel as one subscriber listens to it.  `held`: the owners whose locks the session holds for it."""

    def __init__(
        self,
        channel: str,
        on_message: Callable[[str], None],
        on_reconnected: Callable[[], None],
        owners: Collection[str],
        on_close: Callable[[ChannelSubscription], None],
    ) -> None:
        self.channel: Final = channel
        self.on_message, self.on_reconnected, self.owners = on_message, on_reconnected, owners
        self._on_close = on_close
        self.held: tuple[str, ...] = ()
        self.first_attempt_done: Final = threading.Event()

    def wait_first_attempt(self) -> None:
        """Wait until it listens and holds its locks, or its first attempt failed; `STARTUP_TIMEOUT_SECONDS` at most."""
        self.first_attempt_done.wait(STARTUP_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Listen no more.  Idempotent."""
        self._on_close(self)


class ChannelListener:
    """The listening thread, started by the first subscription.  A `SharedListener`."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._subscriptions: dict[ChannelSubscription, None] = {}
        self._added: list[ChannelSubscription] = []
        self._removed: list[ChannelSubscription] = []
        self._by_channel: dict[str, tuple[ChannelSubscription, ...]] = {}
        """those that are listened to; only the thread changes it"""
        self._wakeup_read_fd, self._wakeup_write_fd = os.pipe()
        os.set_blocking(self._wakeup_write_fd, False)
        self._pid = os.getpid()
        self._is_closed = self._is_started = False
        self._lost_at: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="holdwater-notify", daemon=True)

    @property
    def is_started(self) -> bool:
        """True since the first subscription."""
        return self._is_started

    @property
    def seconds_lost(self) -> float:
        """Seconds since the connection was lost, or was first wanted; 0 while it listens."""
        lost_at = self._lost_at
        return 0.0 if lost_at is None else time.monotonic() - lost_at

    def subscribe(
        self,
        channel: str,
        on_message: Callable[[str], None],
        on_reconnected: Callable[[], None],
        owners: Collection[str] = (),
    ) -> ChannelSubscription:
        """Listen to a channel; see `SharedListener`."""
        made = ChannelSubscription(channel, on_message, on_reconnected, owners, self._remove)
        with self._lock:
            self._subscriptions[made] = None
            self._added.append(made)
            if not self._is_started:
                self._is_started = True
                self._lost_at = time.monotonic()
                self._thread.start()
        self._wake()
        return made

    def close(self) -> None:
        """Stop the thread at once."""
        if self._is_closed or os.getpid() != self._pid:
            return
        self._is_closed = True
        if not self._is_started:
            os.close(self._wakeup_read_fd)
            os.close(self._wakeup_write_fd)
            return
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(JOIN_TIMEOUT_SECONDS)

    def _remove(self, subscription: ChannelSubscription) -> None:
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._subscriptions.pop(subscription, self) is self:
                return
            self._removed.append(subscription)
        self._wake()

    def _wake(self) -> None:
        try:
            os.write(self._wakeup_write_fd, b"x")
        except BlockingIOError:
            pass  # it is full of reasons to wake up
        except OSError:
            if not self._is_closed:
                raise

    # -- the thread

    def _run(self) -> None:
        pause = MIN_RECONNECT_DELAY_SECONDS
        try:
            while not self._is_closed:
                try:
                    with self._server.connect() as connection:
                        if self._is_closed:
                            return
                        # of messages that come while a statement is executed
                        connection.add_notify_handler(lambda said: self._deliver(said.channel, said.payload))
                        self._listen_to_all(connection)
                        self._lost_at = None
                        pause = MIN_RECONNECT_DELAY_SECONDS
                        self._receive(connection)
                except psycopg.Error:
                    pass  # an unreachable server is reported by the calls that work on the stores
                if self._lost_at is None:
                    self._lost_at = time.monotonic()
                with self._lock:
                    waiting = list(self._added)
                for one in waiting:
                    one.first_attempt_done.set()
                if not self._is_closed:
                    self._wait_for_wakeup(pause)
                pause = min(pause * 2, MAX_RECONNECT_DELAY_SECONDS)
        finally:
            self._is_closed = True
            os.close(self._wakeup_read_fd)
            os.close(self._wakeup_write_fd)

    def _listen_to_all(self, connection: PostgresConnection) -> None:
        with self._lock:
            self._added.clear()
            self._removed.clear()
            wanted = list(self._subscriptions)
        self._by_channel = {}
        for one in wanted:
            one.held = ()
        self._begin(connection, wanted)

    def _begin(self, connection: PostgresConnection, added: Iterable[ChannelSubscription]) -> None:
        """Take the locks of subscriptions, listen to their channels, and say so."""
        added = list(added)
        with connection.pipeline():  # a round trip for all of them
            for one in added:
                one.held = tuple(one.owners)
                for owner in one.held:
                    connection.execute("SELECT pg_advisory_lock_shared($1::BIGINT)", (owner_lock_key(owner),))
                if one.channel not in self._by_channel:
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(one.channel)))
                self._by_channel[one.channel] = (*self._by_channel.get(one.channel, ()), one)
        for one in added:
            one.first_attempt_done.set()
            _call(one.on_reconnected)  # some may have been sent while it did not listen

    def _end(self, connection: PostgresConnection, removed: Iterable[ChannelSubscription]) -> None:
        with connection.pipeline():
            for one in removed:
                left = tuple([other for other in self._by_channel.get(one.channel, ()) if other is not one])
                if left:
                    self._by_channel[one.channel] = left
                elif self._by_channel.pop(one.channel, None) is not None:
                    connection.execute(sql.SQL("UNLISTEN {}").format(sql.Identifier(one.channel)))
                for owner in one.held:
                    connection.execute("SELECT pg_advisory_unlock_shared($1::BIGINT)", (owner_lock_key(owner),))

    def _receive(self, connection: PostgresConnection) -> None:
        """Deliver messages until the connection is lost or the listener is closed."""
        server = connection.pgconn
        while not self._is_closed:
            self._apply_changes(connection)
            while (said := server.notifies()) is not None:
                self._deliver(said.relname.decode(), said.extra.decode())
            self._wait_for_wakeup(None, server.socket)
            server.consume_input()
            if server.status != ConnStatus.OK:
                return

    def _deliver(self, channel: str, message: str) -> None:
        for one in self._by_channel.get(channel, ()):
            _call(partial(one.on_message, message))

    def _apply_changes(self, connection: PostgresConnection) -> None:
        with self._lock:
            added, self._added = self._added, []
            removed, self._removed = self._removed, []
            still_wanted = [one for one in added if one in self._subscriptions]
        if still_wanted:
            self._begin(connection, still_wanted)
        if removed:
            self._end(connection, removed)

    def _wait_for_wakeup(self, seconds: float | None, *other_fds: int) -> None:
        """Wait for the wake-up pipe or another descriptor, and empty the pipe.  None: no time limit."""
        waiting = select.poll()  # select() refuses descriptors above 1,023
        for file in (self._wakeup_read_fd, *other_fds):
            waiting.register(file, select.POLLIN)
        ready = waiting.poll(None if seconds is None else seconds * 1000)
        if any([file == self._wakeup_read_fd for file, _ in ready]):
            os.read(self._wakeup_read_fd, 65_536)


def _call(callback: Callable[[], None]) -> None:
    """Call a subscriber in its error boundary: the others hear of their channels all the same."""
    try:
        callback()
    except Exception:
        logger.exception("a notification could not be delivered")
