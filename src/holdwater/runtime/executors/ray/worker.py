"""The far side: a task function in a Ray worker, and its connection to the process that speaks with Ray."""

from __future__ import annotations

import importlib
import itertools
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from holdwater.errors import WorkerCrashed
from holdwater.model import message_framing
from holdwater.model.log_context import LogSink, OutputStream
from holdwater.model.logs import MAX_ATTEMPT_BYTES
from holdwater.runtime.executors.processes.channel import WorkerChannel, run_call, unpickle_code
from holdwater.runtime.executors.processes.worker import read_exactly
from holdwater.runtime.executors.processes.worker_children import WorkerChildren
from holdwater.runtime.executors.processes.worker_log import WorkerLog
from holdwater.runtime.executors.ray.worker_connections import keep_alive
from holdwater.runtime.handle import TaskHandle
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


class WorkerSide(WorkerChannel):
    """The connection of this worker, which runs one call at a time.  `sends_log`: output and records are sent."""

    def __init__(self, sock: socket.socket, *, sends_log: bool) -> None:
        self._socket, self._sends_log = sock, sends_log
        self._pid = os.getpid()
        self._write_lock = threading.Lock()
        self._number = 0
        self._handle: TaskHandle | None = None
        self._cancel_request: tuple[int, str] = (0, "")
        self._slot_numbers = itertools.count(1)
        self._slot_requests: dict[int, Callable[[], None]] = {}
        self._children: WorkerChildren | None = None
        threading.Thread(target=self._read_messages, name="holdwater-listen", daemon=True).start()

    def run(self, number: int, payload: bytes, code: dict[str, bytes]) -> bytes:
        """Run a call, between `begun` and `end`."""
        self._number, self._handle, self._children = number, None, None
        self._slot_requests.clear()
        self._send(["begun", number, _node_id()])
        try:
            return run_call(payload, partial(_load_task, code), self)
        finally:
            self._send(["end", number])

    # -- the channel of the task function

    def on_start(self, handle: TaskHandle) -> None:
        self._handle = handle
        number, reason = self._cancel_request
        if number == self._number:
            handle.request_cancel(reason)

    def open_log(self) -> LogSink | None:
        if not self._sends_log:
            return None
        captured_streams.wrap_again()
        number = self._number
        return RayWorkerLog(
            lambda level, logger, text: self._send(["log", number, level, logger], _encode(text)),
            lambda stream, text: self._send(["output", number, stream], _encode(text)),
        )

    def release_slot(self, call: Any) -> None:
        self._send(["defer", self._number])

    def reacquire_slot(self, call: Any, on_slot: Callable[[], None] | None) -> None:
        request = None
        if on_slot is not None:
            request = next(self._slot_numbers)
            self._slot_requests[request] = on_slot
        self._send(["resume", self._number, request])

    def take_slot_now(self, call: Any) -> None:
        self._send(["take", self._number])

    def child_starter(self, main_module: str) -> WorkerChildren:
        number = self._number
        self._children = WorkerChildren(
            lambda request, inputs: self._send(["child", number, request], inputs), main_module
        )
        return self._children

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
                match message:
                    case ["halt", number, reason]:
                        self._cancel_request = (number, reason)
                        if number == self._number and self._handle is not None:
                            self._handle.request_cancel(reason)
                    case ["slot", _, request]:
                        on_slot = self._slot_requests.pop(request, None)
                        if on_slot is not None:
                            on_slot()
                    case ["child", number, request]:
                        if number == self._number and self._children is not None:
                            self._children.deliver(request, blobs)
        os._exit(1)  # the runner is gone, and with it the use of this worker


class RayWorkerLog:
    """The log of one call: its records, and what it prints by Python's streams."""

    takes_output: Final = True

    def __init__(
        self, send_record: Callable[[str, str, str], None], send_output: Callable[[OutputStream, str], None]
    ) -> None:
        self._records = WorkerLog(send_record)
        self._send_output, self._pid = send_output, os.getpid()
        self._left_chars = 2 * MAX_ATTEMPT_BYTES  # the runner says where it is cut

    def add_record(self, record: logging.LogRecord) -> None:
        """Send a record."""
        self._records.add_record(record)

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Send what was written to a stream, but not from a fork of the worker."""
        if self._left_chars < 0 or os.getpid() != self._pid:
            return
        self._left_chars -= len(text)
        self._send_output(stream, text[: 2 * MAX_ATTEMPT_BYTES])


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


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
