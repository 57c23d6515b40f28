"""Notifications between processes that share a database file: each listener has a named pipe next to it.

A pipe costs nothing while it is idle, needs no port, and has the permissions of the database's directory.  A full pipe
needs no further notification: its reader has not read the database yet, and will then see this change too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdwater.model.records import Notification
from holdwater.storage import notifications

MTIME_GRANULARITY_SECONDS: Final = 0.1
"""granularity of the directory's mtime: a later change within it may not be visible"""

_PIPE_SUFFIX: Final = ".notify"

HAS_PIPES: Final = sys.platform != "win32"


class NotifyPipes:
    """The pipes of the listeners of one database file, that of this store included.  Thread-safe."""

    def __init__(self, database: Path) -> None:
        self._directory: Final = database.parent
        self._prefix: Final = f"{database.name}."
        self._own_pipe: Path | None = None
        self._fd = -1
        self._thread: threading.Thread | None = None
        self._other_pipes: list[Path] = []
        self._listed_at_ns: tuple[int, int] = (0, 0)

    def subscribe(self, callback: Callable[[Notification], None]) -> bool:
        """Call `callback` with each notification of other processes; False where there are no named pipes."""
        if not HAS_PIPES:
            return False
        path = self._directory / f"{self._prefix}{os.urandom(8).hex()}{_PIPE_SUFFIX}"
        temporary = path.with_suffix(".notify-tmp")
        try:
            os.mkfifo(temporary, 0o600)
            # opened for reading and writing, so that a writer that closes its end causes no end of file
            self._fd = os.open(temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            temporary.rename(path)  # visible only with a reader, so that a pipe without one is stale
        except OSError:  # a file system without pipes: waiting callers poll the database
            temporary.unlink(missing_ok=True)
            return False
        self._own_pipe = path
        self._thread = threading.Thread(
            target=self._read_loop, args=(self._fd, callback), name="holdwater-notify", daemon=True
        )
        self._thread.start()
        return True

    def publish(self, notification: Notification) -> None:
        """Write a notification to the pipe of every other listener."""
        line = b""
        for path in self._subscriber_pipes():
            line = line or f"{notifications.encode(notification)}\n".encode()
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ENXIO:  # it has no reader: its process has ended
                    path.unlink(missing_ok=True)
                continue
            try:
                with contextlib.suppress(OSError):  # full, or closed meanwhile
                    os.write(fd, line)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Stop listening."""
        if self._own_pipe is None:
            return
        self._own_pipe.unlink(missing_ok=True)
        self._own_pipe = None
        with contextlib.suppress(OSError):  # full: the thread reads anyway, and sees that the pipe is closed
            os.write(self._fd, b"\n")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._fd)

    def after_fork_in_child(self) -> None:
        """Close, in a forked child, the inherited descriptor; the thread exists only in the parent."""
        if self._own_pipe is not None:
            self._own_pipe = None
            os.close(self._fd)

    # -- within

    def _read_loop(self, fd: int, callback: Callable[[Notification], None]) -> None:
        rest = b""
        while self._own_pipe is not None:  # checked before each wait: a read may have taken the byte of `close`
            select.select([fd], [], [])
            if self._own_pipe is None:
                return
            try:
                rest += os.read(fd, 1 << 16)
            except BlockingIOError:
                continue
            *lines, rest = rest.split(b"\n")
            for line in dict.fromkeys(lines):
                callback(notifications.decode(line.decode(errors="replace")))

    def _subscriber_pipes(self) -> list[Path]:
        """List the pipes of other listeners; the directory is read again when it has changed."""
        if not HAS_PIPES:
            return []
        try:
            changed = os.stat(self._directory).st_mtime_ns
            if self._listed_at_ns[0] != changed or self._listed_at_ns[1] < changed + MTIME_GRANULARITY_SECONDS * 1e9:
                now = time.time_ns()
                with os.scandir(self._directory) as entries:
                    names = [
                        e.name for e in entries if e.name.endswith(_PIPE_SUFFIX) and e.name.startswith(self._prefix)
                    ]
                self._other_pipes = [self._directory / name for name in names]
                self._listed_at_ns = (changed, now)
        except OSError:  # the directory was deleted, which the next transaction reports
            return []
        return [path for path in self._other_pipes if path != self._own_pipe]
