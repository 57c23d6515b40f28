"""Requests to a host that are no invocations of nodes: their output, their answers, and the errors in these."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from holdwater.errors import BadAnswer, SecretsUnavailable
from holdwater.model import message_framing
from holdwater.model.error_report import MAX_TEXT_CHARS, sanitize_text
from holdwater.model.log_context import OutputStream
from holdwater.model.message_framing import FrameLimits
from holdwater.runtime.attempt import RemoteTaskError
from holdwater.runtime.executors.base import read_failure
from holdwater.runtime.executors.child_calls import ChildRequest
from holdwater.runtime.future import Future
from holdwater.runtime.handle_protocols import ChildRunResult

MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
MAX_OUTPUT_CHARS: Final = 16_384
"""of what is printed during a request: its end is kept"""
_IMPORT_FRAMES: Final = re.compile(r'  File "(<frozen importlib|[^"]*/importlib/)[^\n]*\n(    [^\n]*\n)*')
_LIMITS: Final = FrameLimits(max_header_bytes=16 * MAX_TEXT_CHARS, max_blobs=1, max_blob_bytes=MAX_REPLY_BYTES)


class HostRequest:
    """A `WorkerCaller` that has no slot and no child runs.  `label`: names it in errors."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._output = ""

    @property
    def output(self) -> str:
        """The end of what was printed and logged."""
        return sanitize_text(self._output, MAX_OUTPUT_CHARS)

    def read_reply(self, answer: bytes) -> bytes:
        """Return the result in an answer.  Raises BadAnswer, RemoteTaskError for what the package has raised."""
        failure, blobs = message_framing.unpack_untrusted_frame(answer, _LIMITS)
        if failure is not None:
            raise read_failure(failure, "")
        if len(blobs) != 1:
            raise BadAnswer(f"the answer to {self.label} has {len(blobs)} parts, and not one")
        return blobs[0]

    # -- as a caller of a worker

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Do nothing: a request is not cancelled, its host is killed."""

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Keep the end of what is printed."""
        self._output = (self._output + text)[-2 * MAX_OUTPUT_CHARS :]

    def add_record(self, level: str, logger: str, text: str) -> None:
        """Keep a log record."""
        self.add_output("stderr", f"{level} {logger}: {text}\n")

    def end_output(self) -> None:
        """Do nothing."""

    def release_slot(self) -> None:
        """Do nothing: there is no slot."""

    def reacquire_slot(self, on_slot: Callable[[], None] | None) -> None:
        """Let it go on at once."""
        if on_slot is not None:
            on_slot()

    def take_slot_now(self) -> None:
        """Do nothing."""

    def start_child_run(self, request: ChildRequest) -> Future[ChildRunResult]:
        """Refuse.  Raises BadAnswer."""
        raise BadAnswer(f"it asked for a child run during {self.label}")

    def read_secret(self, name: str, field: str) -> str:
        """Refuse.  Raises SecretsUnavailable."""
        raise SecretsUnavailable(f"there are no secrets during {self.label}", hint="ask in a task, a step or a node")

    def pack_child_answer(self, future: Future[ChildRunResult]) -> list[bytes]:
        """Refuse.  Raises BadAnswer."""
        raise BadAnswer(f"there are no child runs during {self.label}")


def describe_failure(error: RemoteTaskError) -> str:
    """Describe an exception of a package with its traceback, without frames of Python's import system."""
    report = error.report
    return _IMPORT_FRAMES.sub("", report.traceback.rstrip()) or f"{report.kind}: {report.text}"
