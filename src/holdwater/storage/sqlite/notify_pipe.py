"""News between processes that share a database file: each listener has a named pipe next to it.

A pipe costs nothing while nobody writes, needs no port, and is reached by whoever can reach the database.  A full pipe
is as good as news: its reader has yet to look at the database, and will then see this too.
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

from holdwater.model.records import News
from holdwater.storage import notifications

SETTLED_SECONDS: Final = 0.1
"""a directory that was changed so recently may be changed again without showing it in its time"""

_SUFFIX: Final = ".news"

HAS_PIPES: Final = sys.platform != "win32"


class Channel:
    """The listeners of one database file, and this store's own ear among them.  Thread-safe."""

    def __init__(self, database: Path) -> None:
        self._directory: Final = database.parent
        self._prefix: Final = f"{database.name}."
        self._mine: Path | None = None
        self._fd = -1
        self._thread: threading.Thread | None = None
        self._others: list[Path] = []
        self._listed_at: tuple[int, int] = (0, 0)

    def listen(self, tell: Callable[[News], None]) -> bool:
        """Have `tell` called with what others say; False where there are no named pipes."""
        if not HAS_PIPES:
            return False
        path = self._directory / f"{self._prefix}{os.urandom(8).hex()}{_SUFFIX}"
        unready = path.with_suffix(".unready")
        try:
            os.mkfifo(unready, 0o600)
            # opened for both, so that it never ends because a writer goes
            self._fd = os.open(unready, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            unready.rename(path)  # seen only when it has a reader: so one without is a dead one
        except OSError:  # a file system without pipes: then waits look again after a while
            unready.unlink(missing_ok=True)
            return False
        self._mine = path
        self._thread = threading.Thread(target=self._hear, args=(self._fd, tell), name="holdwater-news", daemon=True)
        self._thread.start()
        return True

    def say(self, news: News) -> None:
        """Tell every other listener."""
        line = b""
        for path in self._listeners():
            line = line or f"{notifications.encode(news)}\n".encode()
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nobody has it open
                    path.unlink(missing_ok=True)
                continue
            try:
                with contextlib.suppress(OSError):  # full, or just closed
                    os.write(fd, line)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Stop listening."""
        if self._mine is None:
            return
        self._mine.unlink(missing_ok=True)
        self._mine = None
        with contextlib.suppress(OSError):  # full: then the thread is awake anyway and finds the pipe gone
            os.write(self._fd, b"\n")
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        os.close(self._fd)

    def abandon(self) -> None:
        """In a forked child, which has the descriptor but not the thread."""
        if self._mine is not None:
            self._mine = None
            os.close(self._fd)

    # -- within

    def _hear(self, fd: int, tell: Callable[[News], None]) -> None:
        rest = b""
        while True:
            select.select([fd], [], [])
            if self._mine is None:
                return
            try:
                rest += os.read(fd, 1 << 16)
            except BlockingIOError:
                continue
            *lines, rest = rest.split(b"\n")
            for line in dict.fromkeys(lines):
                tell(notifications.decode(line.decode(errors="replace")))

    def _listeners(self) -> list[Path]:
        """The pipes of others; the directory is read again when it has changed."""
        if not HAS_PIPES:
            return []
        try:
            changed = os.stat(self._directory).st_mtime_ns
            if self._listed_at[0] != changed or self._listed_at[1] < changed + SETTLED_SECONDS * 1e9:
                now = time.time_ns()
                with os.scandir(self._directory) as entries:
                    names = [e.name for e in entries if e.name.endswith(_SUFFIX) and e.name.startswith(self._prefix)]
                self._others = [self._directory / name for name in names]
                self._listed_at = (changed, now)
        except OSError:  # the directory is gone; the database will say it better
            return []
        return [path for path in self._others if path != self._mine]
