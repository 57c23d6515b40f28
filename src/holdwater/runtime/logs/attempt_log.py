"""The log of one attempt, from any thread of it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final, ParamSpec

from holdwater.model import logs
from holdwater.model.error_report import describe_error, format_traceback
from holdwater.model.log_context import OutputStream
from holdwater.model.logs import MAX_LINE_CHARS, LogRow, LogStream
from holdwater.model.ports.clock import Clock
from holdwater.model.time import Micros
from holdwater.runtime.logs.line_assembly import LineAssembler
from holdwater.runtime.logs.reentrancy import THREAD
from holdwater.runtime.logs.writer import LogWriter

P = ParamSpec("P")

_HEAD_SHARE: Final = 4
"""of a text that is too long the first quarter is kept, and of the rest the end"""


class AttemptLog:
    """Takes lines of one attempt, up to its limit.  Thread-safe.  Raises nothing: a body does not fail by its log."""

    __slots__ = (
        "_assemblers",
        "_clock",
        "_dropped_count",
        "_fence",
        "_is_cut",
        "_left_bytes",
        "_lock",
        "_node",
        "_run_id",
        "_writer",
        "takes_output",
        "takes_records",
    )  # fmt: skip

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        run_id: str,
        node: int,
        fence: int,
        *,
        takes_records: bool = True,
        takes_output: bool = True,
    ) -> None:
        self._writer, self._clock = writer, clock
        self._run_id, self._node, self._fence = run_id, node, fence
        self.takes_records, self.takes_output = takes_records, takes_output
        self._lock = threading.Lock()
        self._left_bytes = logs.MAX_ATTEMPT_BYTES
        self._is_cut = False
        self._dropped_count = 0
        self._assemblers: dict[OutputStream, LineAssembler] = {}

    def add_record(self, record: logging.LogRecord) -> None:
        """Take a log record, at the moment it is made."""
        if self.takes_records:
            self._enter(self._put_record, record)

    def add_line(self, text: str, level: str, logger: str) -> None:
        """Take a log record of another process, as text."""
        self._enter(self._put, text, level, logger)

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Take what was written to stdout or stderr."""
        self._enter(self._put_output, stream, text)

    def finish(self) -> None:
        """End lines without a newline, and say how many are missing: the attempt is over."""
        if self._assemblers or self._dropped_count:
            self._enter(self._finish)

    # -- within

    def _enter(self, take: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        # In a forked child there is no thread that writes, and the lock may be held for ever.
        if self._is_cut or THREAD.is_capturing or self._writer.pid != os.getpid():
            return
        THREAD.is_capturing = True  # also what keeps a `__del__` that logs off a lock that this thread holds
        try:
            take(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - it is reported, and is no failure of the task function
            self._writer.report_once(error)
        finally:
            THREAD.is_capturing = False

    def _put_output(self, stream: OutputStream, text: str) -> None:
        with self._lock:
            assembler = self._assemblers.get(stream)
            if assembler is None:
                assembler = self._assemblers[stream] = LineAssembler()
            if assembler.extend(text):  # most pieces are words between two spaces
                return
            assembler.written_at = now = self._clock.now()
            for line in assembler.feed(text):
                self._add(now, stream, line)
                if self._is_cut:
                    return

    def _put_record(self, record: logging.LogRecord) -> None:
        self._put(format_record(record), record.levelname, record.name)

    def _put(self, text: str, level: str, logger: str) -> None:
        with self._lock:
            self._add(self._clock.now(), "log", shorten(text), level, logger)

    def _finish(self) -> None:
        with self._lock:
            for stream, assembler in self._assemblers.items():
                for line in assembler.finish():
                    self._add(assembler.written_at, stream, line)
            self._say_dropped()

    def _add(
        self, at: Micros, stream: LogStream, text: str, level: str | None = None, logger: str | None = None
    ) -> None:
        """Hand over one line; the lock is held."""
        if self._is_cut:
            return
        row = LogRow(self._run_id, self._node, self._fence, at, stream, text, level, logger)
        self._left_bytes -= row.size_bytes
        if self._left_bytes < 0:
            self._is_cut = True
            row = self._notice(f"this attempt has written {logs.MAX_ATTEMPT_BYTES // 1_000_000} MB and is cut here")
        if not self._say_dropped() or not self._writer.add(row):
            self._dropped_count += 1

    def _say_dropped(self) -> bool:
        """Return False if lines were dropped, and there is still no room to say so."""
        if self._dropped_count:
            count = self._dropped_count
            text = f"{count:,} {'line is' if count == 1 else 'lines are'} missing: more came than could be written"
            if not self._writer.add(self._notice(text)):
                return False
            self._dropped_count = 0
        return True

    def _notice(self, text: str) -> LogRow:
        return LogRow(self._run_id, self._node, self._fence, self._clock.now(), "notice", text)


def format_record(record: logging.LogRecord) -> str:
    """The message of a record, with the traceback of its exception; also where its arguments do not fit."""
    try:
        text = str(record.getMessage())
    except Exception as error:  # noqa: BLE001 - arguments are objects of users; logging shows the error on stderr
        text = f"{str(record.msg)[:MAX_LINE_CHARS]} (its arguments cannot be shown: {describe_error(error)})"
    raised = record.exc_info[1] if record.exc_info else None
    if raised is not None:
        text = f"{text}\n{format_traceback(raised) or describe_error(raised)}"
    return f"{text}\n{record.stack_info}" if record.stack_info else text


def shorten(text: str) -> str:
    """A text that is too long without its middle."""
    if len(text) <= MAX_LINE_CHARS:
        return text
    head = MAX_LINE_CHARS // _HEAD_SHARE
    tail = MAX_LINE_CHARS - head
    return f"{text[:head]}\n... {len(text) - head - tail:,} characters left out ...\n{text[-tail:]}"
