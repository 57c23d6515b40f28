"""`sys.stdout` and `sys.stderr` that show the log of an attempt what its function writes, and pass everything on.

An attempt is told by the context variable of its function.  A thread that it starts itself has that only if it runs in
a copy of the context, as with `asyncio.to_thread`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any, Final, TextIO

from holdwater.model.log_context import ORIGIN, OutputStream
from holdwater.runtime.logs.reentrancy import THREAD

_NAMES: Final[tuple[OutputStream, ...]] = ("stdout", "stderr")
_lock: Final = threading.Lock()
_users = 0


class CapturedStream:
    """In the place of a text stream.  All but writing is the stream's own."""

    def __init__(self, stream: TextIO, name: OutputStream) -> None:
        self.wrapped, self.captured_as = stream, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def write(self, text: str) -> int:
        """Pass on the text, and take it if an attempt writes it."""
        origin = ORIGIN.get()
        sink = None if origin is None or THREAD.is_capturing else origin.log_sink
        if sink is None or not sink.takes_output:
            return self.wrapped.write(text)
        THREAD.is_capturing = True  # one that leads to another captured stream has this taken once
        try:
            written = self.wrapped.write(text)
        finally:
            THREAD.is_capturing = False
        # what handlers of logging write is taken already, as the record
        if sys._getframe(1).f_globals.get("__name__") != "logging":
            sink.add_output(self.captured_as, text)
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> CapturedBuffer:
        """The same for bytes.  Raises AttributeError where the stream has none."""
        return CapturedBuffer(self.wrapped.buffer, self.captured_as)

    def __repr__(self) -> str:
        return f"CapturedStream({self.wrapped!r})"


class CapturedBuffer:
    """In the place of the binary stream below a text stream."""

    def __init__(self, stream: Any, name: OutputStream) -> None:
        self.wrapped, self.captured_as = stream, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    def write(self, data: Any) -> int:
        """Pass on the bytes, and take them as text if an attempt writes them."""
        written: int = self.wrapped.write(data)
        origin = ORIGIN.get()
        sink = None if origin is None or THREAD.is_capturing else origin.log_sink
        if sink is not None and sink.takes_output:
            sink.add_output(self.captured_as, bytes(data).decode("utf-8", "replace"))
        return written


def install() -> None:
    """Put captured streams in the place of stdout and stderr, once for all that ask."""
    global _users
    with _lock:
        _users += 1
        _wrap()


def wrap_again() -> None:
    """Capture in front of what has been put in the place of the streams since: by the display of a terminal, a test."""
    if type(sys.stdout) is CapturedStream and type(sys.stderr) is CapturedStream:
        return
    with _lock:
        if _users:
            _wrap()


def uninstall() -> None:
    """Put back the streams there were, when nothing captures any more; what others have put there stays."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            for name in _NAMES:
                stream = getattr(sys, name)
                if isinstance(stream, CapturedStream):
                    setattr(sys, name, stream.wrapped)


def _wrap() -> None:
    for name in _NAMES:
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, CapturedStream):
            setattr(sys, name, CapturedStream(stream, name))
