"""A TCP proxy between runners and their server, to take the network away from some of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Final, Literal

Fault = Literal["frozen", "half open", "cut"]
FAULTS: Final[tuple[Fault, ...]] = ("frozen", "half open", "cut")
_CHUNK_BYTES: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: a close is a reset"""


class Proxy:
    """Forwards 127.0.0.1:`port` to a port of the loopback.

    A fault lasts until `clear_fault`..  Frozen: nothing passes either way, and goes on its way afterwards..  Half open:
    requests arrive and no reply does, and the connections that met this stay so for good, as behind a router that
    forgot them..  Cut: every connection is reset, and new ones are refused.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._closed = False
        self._accept_thread = threading.Thread(target=self._accept, daemon=True)
        self._accept_thread.start()

    def inject_fault(self, fault: Fault) -> None:
        self._fault = fault
        if fault == "frozen":
            self._flowing.clear()
        elif fault == "cut":
            self._reset_all()

    def clear_fault(self) -> None:
        self._fault = None
        self._flowing.set()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accept_thread.join()
        self._reset_all()
        self._flowing.set()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within

    def _reset_all(self) -> None:
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            _reset(each)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._fault == "cut":
                _reset(client)
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection, until either side ends it."""
        self._flowing.wait()
        with client, socket.create_connection(("127.0.0.1", self._upstream)) as server:
            with self._lock:
                self._sockets |= {client, server}
            if self._closed or self._fault == "cut":  # broken in this moment
                _reset(client)
            there = threading.Thread(target=self._forward, args=(client, server, False), daemon=True)
            there.start()
            self._forward(server, client, True)
            there.join()
            with self._lock:
                self._sockets -= {client, server}

    def _forward(self, source: socket.socket, target: socket.socket, is_reply: bool) -> None:
        is_lost = False
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                is_lost = is_lost or (is_reply and self._fault == "half open")
                if not is_lost:
                    target.sendall(data)
        if not is_lost:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)


def _reset(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        each.shutdown(socket.SHUT_RDWR)
