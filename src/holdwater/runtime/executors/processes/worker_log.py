"""Log records of task functions in a worker process: sent to the runner at once."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

from holdwater.model.log_context import ORIGIN, OutputStream
from holdwater.model.logs import MAX_ATTEMPT_BYTES
from holdwater.runtime.logs.attempt_log import format_record, shorten
from holdwater.runtime.logs.reentrancy import THREAD


class WorkerLog:
    """The log of one call.  `send`: sends level, logger and text."""

    takes_output: Final = False
    """the runner takes it from a pipe"""

    def __init__(self, send: Callable[[str, str, str], None]) -> None:
        self._send, self._pid = send, os.getpid()
        self._left_chars = 2 * MAX_ATTEMPT_BYTES  # the runner says where it is cut

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Do nothing."""

    def add_record(self, record: logging.LogRecord) -> None:
        """Send a record, but not from a fork of the worker."""
        if THREAD.is_capturing or self._left_chars < 0 or os.getpid() != self._pid:
            return
        THREAD.is_capturing = True
        try:
            text = shorten(format_record(record))
            self._left_chars -= len(text)
            self._send(record.levelname, record.name, text)
        finally:
            THREAD.is_capturing = False


class WorkerOutputLog:
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


class RecordedElsewhere:
    """In the place of stderr: what handlers of logging write goes past the pipe, as the record is taken already."""

    def __init__(self, stream: TextIO, unrecorded: TextIO) -> None:
        self._stream, self._unrecorded, self._pid = stream, unrecorded, os.getpid()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the pipe, or past it."""
        by_logging = sys._getframe(1).f_globals.get("__name__") == "logging"
        is_recorded = by_logging and ORIGIN.get() is not None and os.getpid() == self._pid
        return (self._unrecorded if is_recorded else self._stream).write(text)

    def flush(self) -> None:
        """Flush both."""
        self._unrecorded.flush()
        self._stream.flush()
