"""Connections of Ray workers to the process that speaks with Ray: what a task function says, and what it is told."""

from __future__ import annotations

import hmac
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.model import message_framing
from holdwater.runtime.executors.processes.messages import WorkerMessage, read_message
from holdwater.runtime.executors.processes.worker import read_exactly
from holdwater.runtime.executors.ray.messages import RAY_WORKER_MESSAGES

TOKEN_BYTES: Final = 32
HELLO_SECONDS: Final = 10.0
"""time a connection may take to show its token"""
MAX_CONNECTIONS: Final = 10_000
KEEPALIVE_SECONDS: Final = 30
"""silence after which a connection is probed, and the interval of probes"""


class WorkerConnection:
    """One worker.  A thread of its own writes, as a worker may be in code that keeps it from reading."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, message: list[Any], *blobs: bytes) -> None:
        """Send a message; does not block, and one to a worker that is gone is lost with it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_all, name="holdwater-outbox", daemon=True)
                self._thread.start()
        self._waiting.put(message_framing.pack_frame(message, *blobs))

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):  # the other end is gone
            self._socket.shutdown(socket.SHUT_RDWR)
        self._waiting.put(None)
        self._socket.close()

    def _write_all(self) -> None:
        with suppress(OSError):
            while (frame := self._waiting.get()) is not None:
                self._socket.sendall(frame)


class WorkerConnections:
    """A port that workers connect to with a token."""

    def __init__(
        self,
        host: str,
        on_message: Callable[[WorkerConnection, WorkerMessage], None],
        on_gone: Callable[[WorkerConnection], None],
    ) -> None:
        self.token: Final = secrets.token_bytes(TOKEN_BYTES)
        self._on_message, self._on_gone = on_message, on_gone
        self._server = socket.create_server((host, 0))
        self.address: Final[tuple[str, int]] = self._server.getsockname()[:2]
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        threading.Thread(target=self._accept, name="holdwater-accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._server.accept()
            if not self._free.acquire(blocking=False):
                sock.close()
                continue
            threading.Thread(target=self._serve, args=(sock,), name="holdwater-worker", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        connection = WorkerConnection(sock)
        try:
            sock.settimeout(HELLO_SECONDS)
            if not hmac.compare_digest(_receive(sock, TOKEN_BYTES), self.token):
                return
            sock.settimeout(None)
            keep_alive(sock)
            read = partial(read_exactly, sock.fileno())
            while True:
                self._on_message(connection, read_message(read, RAY_WORKER_MESSAGES))
        except (EOFError, OSError, BadAnswer):
            pass  # the worker has ended, or is none of ours
        finally:
            connection.close()
            self._free.release()
            self._on_gone(connection)


def keep_alive(sock: socket.socket) -> None:
    """Send without delay, and notice within two minutes that the other machine is gone."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE_SECONDS), ("TCP_KEEPINTVL", KEEPALIVE_SECONDS), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _receive(sock: socket.socket, count: int) -> bytes:
    """Receive exactly so many bytes.  Raises EOFError, OSError."""
    data = b""
    while len(data) < count:
        got = sock.recv(count - len(data))
        if not got:
            raise EOFError
        data += got
    return data
