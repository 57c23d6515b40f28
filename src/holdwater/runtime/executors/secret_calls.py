"""Secrets for a function in another process: asked of the runner, and answered by it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from holdwater.errors import SecretsUnavailable
from holdwater.model.message_framing import pack_frame, unpack_frame
from holdwater.runtime.executors.child_calls import pack_error, rebuild_error
from holdwater.runtime.future import Future


def pack_secret(read: Callable[[], str]) -> bytes:
    """Pack the text that `read` returns, or the error it raises."""
    try:
        return pack_frame(["secret"], read().encode())
    except Exception as error:  # noqa: BLE001 - it is raised where the function waits
        return pack_error(error)


def unpack_secret(data: bytes) -> str:
    """Return the text.  Raises the error that was sent in its place."""
    (kind, *row), parts = unpack_frame(data)
    if kind == "error":
        raise rebuild_error(*row)
    return parts[0].decode()


class WorkerSecrets:
    """The requests of one call.  `send(number, name, field)`: sends one to the runner.  Thread-safe."""

    def __init__(self, send: Callable[[int, str, str], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[bytes]] = {}

    def read_secret(self, name: str, field: str) -> str:
        """Ask for a secret, and wait for it.  Raises the error of the runner."""
        if not isinstance(name, str) or not isinstance(field, str):
            raise SecretsUnavailable(f"a secret has a name and a field, not {name!r:.80} and {field!r:.80}")
        answer: Future[bytes] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = answer
        self._send(number, name, field)
        answer.wait()
        return unpack_secret(answer.result())

    def deliver(self, number: int, parts: list[bytes]) -> None:
        """Take the answer of the runner."""
        with self._lock:
            waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting.set_result(parts[0])
