"""One call of a worker: the way from its function to the runner, and back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol

from holdwater.model.log_context import LogSink, OutputStream
from holdwater.runtime.executors.processes.channel import WorkerChannel
from holdwater.runtime.executors.processes.worker_children import WorkerChildren
from holdwater.runtime.executors.processes.worker_log import WorkerLog, WorkerOutputLog
from holdwater.runtime.executors.secret_calls import WorkerSecrets
from holdwater.runtime.handle import TaskHandle


class SendMessage(Protocol):
    """Sends a message to the runner, from any thread."""

    def __call__(self, message: list[Any], *blobs: bytes) -> None: ...


class WorkerCall(WorkerChannel):
    """A call by its number, which every message carries.

    `sends_records`: log records are sent; `sends_output`: and what Python's streams are given, where the pipes of the
    process do not tell of which call it is.
    """

    def __init__(
        self, number: int, send: SendMessage, *, sends_records: bool = False, sends_output: bool = False
    ) -> None:
        self.number = number
        self._send, self._sends_records, self._sends_output = send, sends_records, sends_output
        self._handle: TaskHandle | None = None
        self._cancel_reason: str | None = None
        self._slot_numbers = itertools.count(1)
        self._slot_requests: dict[int, Callable[[], None]] = {}
        self._children: WorkerChildren | None = None
        self._secrets = WorkerSecrets(lambda *request: send(["secret", number, *request]))

    # -- for the function

    def on_start(self, handle: TaskHandle) -> None:
        self._handle = handle
        if self._cancel_reason is not None:
            handle.request_cancel(self._cancel_reason)

    def open_log(self) -> LogSink | None:
        if not self._sends_records:
            return None
        return (
            WorkerOutputLog(self._send_record, self._send_output)
            if self._sends_output
            else WorkerLog(self._send_record)
        )

    def child_starter(self, main_module: str) -> WorkerChildren:
        self._children = WorkerChildren(
            lambda request, inputs: self._send(["child", self.number, request], inputs), main_module
        )
        return self._children

    def read_secret(self, name: str, field: str) -> str:
        return self._secrets.read_secret(name, field)

    def release_slot(self, call: Any) -> None:
        self._send(["defer", self.number])

    def reacquire_slot(self, call: Any, on_slot: Callable[[], None] | None) -> None:
        request = None
        if on_slot is not None:
            request = next(self._slot_numbers)
            self._slot_requests[request] = on_slot
        self._send(["resume", self.number, request])

    def take_slot_now(self, call: Any) -> None:
        self._send(["take", self.number])

    # -- from the runner

    def halt(self, reason: str) -> None:
        """Tell the function to stop."""
        self._cancel_reason = reason
        if self._handle is not None:
            self._handle.request_cancel(reason)

    def take_message(self, kind: str, content: Any, parts: list[bytes]) -> None:
        """Take a message of the runner: a reason to stop, or what it has asked for (slot, child, secret)."""
        if kind == "halt":
            self.halt(content)
        elif kind == "slot":
            on_slot = self._slot_requests.pop(content, None)
            if on_slot is not None:
                on_slot()
        elif kind == "child" and self._children is not None:
            self._children.deliver(content, parts)
        elif kind == "secret":
            self._secrets.deliver(content, parts)

    def _send_record(self, level: str, logger: str, text: str) -> None:
        self._send(["log", self.number, level, logger], _encode(text))

    def _send_output(self, stream: OutputStream, text: str) -> None:
        self._send(["output", self.number, stream], _encode(text))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
