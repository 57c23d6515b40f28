"""The far side: a task function in a Ray worker, and its connection to the process that speaks with Ray."""

from __future__ import annotations

import importlib
import os
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any, Final

from holdwater.errors import WorkerCrashed
from holdwater.model import message_framing
from holdwater.runtime.executors.processes.channel import run_call, unpickle_code
from holdwater.runtime.executors.processes.worker import read_exactly
from holdwater.runtime.executors.processes.worker_call import WorkerCall
from holdwater.runtime.executors.ray.worker_connections import keep_alive
from holdwater.runtime.logs import captured_streams
from holdwater.runtime.logs.capture import log_info_records
from holdwater.runtime.logs.reentrancy import THREAD

CODE_BLOBS_KEPT: Final = 256
"""of code that a worker remembers"""
CONNECT_SECONDS: Final = 30.0

_lock: Final = threading.Lock()
_connections: Final[dict[bytes, WorkerSide]] = {}
"""by token; one in practice, as Ray gives each driver workers of its own"""
_loaded: Final[dict[str, Any]] = {}
"""code that was loaded, the last used last"""


def execute_call(
    address: tuple[str, int],
    token: bytes,
    number: int,
    capture_output: bool,
    payload_count: int,
    code_keys: list[str],
    *parts: bytes,
) -> bytes:
    """Carry out one call, as a Ray task; returns the answer for `ExecutorBackend.run_invocation`.

    `parts`: the first `payload_count` are the payload, the others code by its keys.
    """
    connection = _connect(address, token, capture_output)
    code = dict(zip(code_keys, parts[payload_count:], strict=True))
    return connection.run(number, b"".join(parts[:payload_count]), code)


class WorkerSide:
    """The connection of this worker, which runs one call at a time.  `sends_log`: output and records are sent."""

    def __init__(self, sock: socket.socket, *, sends_log: bool) -> None:
        self._socket, self._sends_log = sock, sends_log
        self._pid = os.getpid()
        self._write_lock = threading.Lock()
        self._call: WorkerCall | None = None
        self._cancel_request: tuple[int, str] = (0, "")
        threading.Thread(target=self._read_messages, name="holdwater-listen", daemon=True).start()

    def run(self, number: int, payload: bytes, code: dict[str, bytes]) -> bytes:
        """Run a call, between `begun` and `end`."""
        if self._sends_log:
            captured_streams.wrap_again()
        call = WorkerCall(number, self._send, sends_records=self._sends_log, sends_output=True)
        self._call = call
        if self._cancel_request[0] == number:  # it came before the call
            call.halt(self._cancel_request[1])
        self._send(["begun", number, _node_id()])
        try:
            return run_call(payload, partial(_load_task, code), call)
        finally:
            self._send(["end", number])

    # -- messages

    def _send(self, message: list[Any], *blobs: bytes) -> None:
        if os.getpid() != self._pid:  # a fork of the worker must not speak for it
            return
        was_capturing, THREAD.is_capturing = THREAD.is_capturing, True
        try:
            with self._write_lock:
                self._socket.sendall(message_framing.pack_frame(message, *blobs))
        except OSError:
            os._exit(1)  # the runner is gone
        finally:
            THREAD.is_capturing = was_capturing

    def _read_messages(self) -> None:
        read = partial(read_exactly, self._socket.fileno())
        with suppress(EOFError, OSError):
            while True:
                message, blobs = message_framing.read_frame(read)
                kind, number, content = message
                if kind == "halt":
                    self._cancel_request = (number, content)
                call = self._call
                if call is not None and call.number == number:
                    call.take_message(kind, content, blobs)
        os._exit(1)  # the runner is gone, and with it the use of this worker


def _connect(address: tuple[str, int], token: bytes, capture_output: bool) -> WorkerSide:
    """Return the connection of this process, making it for the first call.  Raises WorkerCrashed."""
    with _lock:
        connection = _connections.get(token)
        if connection is None:
            try:
                sock = socket.create_connection(address, CONNECT_SECONDS)
                sock.settimeout(None)
                keep_alive(sock)
                sock.sendall(token)
            except OSError as error:
                raise WorkerCrashed(
                    f"this worker cannot reach the process that speaks with Ray at {address[0]}:{address[1]}: {error}"
                ) from error
            if capture_output:
                captured_streams.install()
                log_info_records()
            connection = _connections[token] = WorkerSide(sock, sends_log=capture_output)
        return connection


def _node_id() -> str:
    """The node this worker is on, as the cluster calls it."""
    ray: Any = importlib.import_module("ray")
    node_id: str = ray.get_runtime_context().get_node_id()
    return node_id


def _load_task(code: dict[str, bytes]) -> Any:
    task, *_ = [_load(key, blob) for key, blob in code.items()]
    return task


def _load(key: str, blob: bytes) -> Any:
    thing = _loaded.pop(key, None)
    if thing is None:
        thing = unpickle_code(blob)
    _loaded[key] = thing
    if len(_loaded) > CODE_BLOBS_KEPT:
        del _loaded[next(iter(_loaded))]
    return thing
