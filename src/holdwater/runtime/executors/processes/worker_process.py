"""A worker process as its runner sees it: calls in, messages out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from holdwater.errors import BadAnswer
from holdwater.model import message_framing
from holdwater.model.log_context import OutputStream
from holdwater.runtime.executors.child_calls import ChildRequest, unpack_request
from holdwater.runtime.executors.processes.child_process import ChildProcess, ProcessCommand
from holdwater.runtime.executors.processes.message_reader import MessageReader
from holdwater.runtime.executors.processes.messages import MAX_LEVEL_CHARS, WORKER_MESSAGES, Shapes, WorkerMessage
from holdwater.runtime.executors.processes.output import WorkerOutput
from holdwater.runtime.executors.secret_calls import pack_secret
from holdwater.runtime.future import Future
from holdwater.runtime.handle_protocols import ChildRunResult

MAX_REASON_CHARS: Final = 500
MAX_CHILD_REQUESTS: Final = 10_000
"""child runs one call waits for at once"""
CALL_ID_BYTES: Final = 6


class WorkerCaller(Protocol):
    """The side of the runner of a call, as a `TaskInvocation`."""

    def on_cancel(self, callback: Callable[[str], None]) -> None: ...

    def add_output(self, stream: OutputStream, text: str) -> None: ...

    def add_record(self, level: str, logger: str, text: str) -> None: ...

    def end_output(self) -> None: ...

    def release_slot(self) -> None: ...

    def reacquire_slot(self, on_slot: Callable[[], None] | None) -> None: ...

    def take_slot_now(self) -> None: ...

    def start_child_run(self, request: ChildRequest) -> Future[ChildRunResult]: ...

    def pack_child_answer(self, future: Future[ChildRunResult]) -> list[bytes]: ...

    def read_secret(self, name: str, field: str) -> str: ...


class WorkerProcess(ChildProcess):
    """One worker, as its parent sees it.  `call_count`: calls it was given; `is_call_sent`: it has all of the last one.

    It runs code of users, so what it sends is not trusted.  `shapes`: the messages it may send.  Raises OSError if it
    cannot be started.
    """

    def __init__(self, command: ProcessCommand, output: WorkerOutput, shapes: Shapes = WORKER_MESSAGES) -> None:
        self.call_count = 0
        self.is_call_sent = False
        self.idle_since = 0.0
        super().__init__(command, output)
        self._messages = MessageReader(self.read_fd, shapes)

    def call(self, caller: WorkerCaller, row: Sequence[Any], *parts: bytes) -> bytes:
        """Have a call carried out, and wait for its answer.  `row`: its kind, and what follows the number of the call.

        Raises EOFError or OSError when the worker dies, BadAnswer.
        """
        self.call_count += 1
        self.is_call_sent = False
        call_id = int.from_bytes(os.urandom(CALL_ID_BYTES), "big")  # no earlier code in the worker can answer for it
        self._messages.begin(call_id)
        call = CallUnderWay(self, caller, call_id)
        try:
            self.output.begin(caller)
            kind, *rest = row
            self.outbox.write(message_framing.frame_parts([kind, call_id, *rest], *parts))
            self.is_call_sent = True
            caller.on_cancel(call.halt)
            return call.read_answer(self._messages)
        finally:
            call.end()
            self._messages.end(call_id)


class CallUnderWay:
    """A call whose answer is waited for."""

    def __init__(self, worker: WorkerProcess, caller: WorkerCaller, call_id: int) -> None:
        self._worker, self._caller, self._call_id = worker, caller, call_id
        self._is_active = True
        self._child_requests: set[int] = set()

    def end(self) -> None:
        """Send nothing more that is about this call."""
        self._is_active = False

    def halt(self, reason: str) -> None:
        """Tell the function to stop.  Does not block."""
        self._send("halt", reason[:MAX_REASON_CHARS])

    def read_answer(self, messages: MessageReader) -> bytes:
        """Read messages until the answer is there.  Raises EOFError, OSError, BadAnswer."""
        caller, output = self._caller, self._worker.output
        while True:
            message = messages.next_message(self._call_id)
            match message.kind:
                case "done":
                    output.end()
                    return message.part
                case "log":
                    output.catch_up()  # what was printed before comes before it
                    caller.add_record(message.fields[0][:MAX_LEVEL_CHARS], message.fields[1], _decode(message))
                case "output":
                    caller.add_output("stderr" if message.fields[0] == "stderr" else "stdout", _decode(message))
                case "defer":
                    caller.release_slot()
                case "resume":
                    caller.reacquire_slot(self._slot_sender(message.fields[0]))
                case "take":
                    caller.take_slot_now()
                case "secret":
                    self._send_secret(*message.fields)
                case _:
                    self._start_child_run(message.fields[0], message.part)

    def _slot_sender(self, request: int | None) -> Callable[[], None] | None:
        return None if request is None else lambda: self._send("slot", request)

    def _start_child_run(self, request: int, part: bytes) -> None:
        """Start a child run, and send its result when it has ended.  Raises BadAnswer."""
        if request in self._child_requests or len(self._child_requests) >= MAX_CHILD_REQUESTS:
            raise BadAnswer(f"it asked for a child run twice as one, or for more than {MAX_CHILD_REQUESTS:,} at once")
        self._child_requests.add(request)
        future = self._caller.start_child_run(unpack_request(part))

        def make_parts() -> list[bytes]:
            if not self._is_active:
                return []
            self._child_requests.discard(request)
            return message_framing.frame_parts(
                ["child", self._call_id, request], *self._caller.pack_child_answer(future)
            )

        future.add_done_callback(lambda _: self._worker.outbox.put(make_parts))

    def _send_secret(self, request: int, name: str, field: str) -> None:
        """Read a secret, and send it or the error."""
        answer = pack_secret(lambda: self._caller.read_secret(name, field))

        def make_parts() -> list[bytes]:
            return message_framing.frame_parts(["secret", self._call_id, request], answer) if self._is_active else []

        self._worker.outbox.put(make_parts)

    def _send(self, kind: str, content: object) -> None:
        """Send a short message; does not block."""

        def make_parts() -> list[bytes]:
            return message_framing.frame_parts([kind, self._call_id, content]) if self._is_active else []

        self._worker.outbox.put(make_parts)


def _decode(message: WorkerMessage) -> str:
    return message.part.decode("utf-8", "replace")
