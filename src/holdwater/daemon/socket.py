"""The socket of a daemon: a client that connects gets its health as one JSON object, and the connection ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from holdwater.errors import DaemonError

MAX_PATH_BYTES: Final = 100
"""of the address of a socket: operating systems have 104 to 108"""
SEND_SECONDS: Final = 5.0
"""longest time a client takes to read its answer"""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


class HealthSocket:
    """Answers with `read()`, in a thread.  Only the user of this process can connect."""

    def __init__(self, path: Path, read: Callable[[], dict[str, Any]]) -> None:
        """Listen.  A socket that is there is of a daemon that died: the caller holds the lock.  Raises DaemonError."""
        self._path, self._read = path, read
        self._is_closed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                with _short_address(path) as address:
                    self._socket.bind(address)
            finally:
                os.umask(before)
            self._socket.listen(16)
        except OSError as error:
            self._socket.close()
            raise DaemonError(f"the socket {path} cannot be made: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._serve, name="holdwater-socket", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and remove the socket.  Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(OSError):  # wakes the thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)
        if self._thread.ident is not None:
            self._thread.join()

    def _serve(self) -> None:
        while not self._is_closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # it was closed
                return
            with connection, contextlib.suppress(OSError):  # the client has gone
                connection.settimeout(SEND_SECONDS)
                connection.sendall(json.dumps(self._read()).encode() + b"\n")


def read_health(path: Path, timeout_seconds: float = 10.0) -> dict[str, Any]:
    """Ask the daemon behind a socket.  Raises DaemonError if none answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        try:
            with _short_address(path) as address:
                connection.connect(address)
            data = b""
            while chunk := connection.recv(1 << 16):
                data += chunk
                if len(data) > MAX_ANSWER_BYTES:
                    raise DaemonError(f"the answer at {path} is no health of a daemon")
            found = json.loads(data)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise DaemonError(
                f"no daemon works on {path.parent}", hint="`holdwater daemon start` starts one; --home names its home"
            ) from error
        except (OSError, ValueError) as error:
            raise DaemonError(f"the daemon on {path.parent} does not answer: {error}") from error
    if not isinstance(found, dict):
        raise DaemonError(f"the answer at {path} is no health of a daemon")
    return found


@contextlib.contextmanager
def _short_address(path: Path) -> Iterator[str]:
    """Name a socket by an address that is short enough, where its path is not: through its folder, on Linux."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)
