"""Detection of a database file that was replaced or deleted while it is open.

An open descriptor outlives its name: SQLite goes on writing to a file that was deleted or replaced by a rename, and all
of that is lost when the last descriptor is closed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from holdwater.errors import StoreReplaced

RECHECK_INTERVAL_SECONDS: Final = 0.05
"""time for which `check_if_due` relies on an earlier check"""


class FileIdentity:
    """Device and inode of the file at a path when it was first opened."""

    def __init__(self, path: Path | None) -> None:
        """Create the record for a path; None for a database in memory, which cannot be replaced."""
        self._path: Final = None if path is None else os.fspath(path)
        self._opened_file: tuple[int, int] | None = None
        self._checked_at = 0.0
        """last successful check, by the monotonic clock, in seconds"""

    def remember(self) -> None:
        """Record the file, which has just been opened.  Raises StoreReplaced if another one was recorded before."""
        if self._path is not None and self._opened_file is None:
            self._opened_file = self._current_file()
        self.check_unchanged()

    def check_if_due(self) -> None:
        """Call `check_unchanged` unless the last check is recent; for what is checked again before it is acknowledged.

        Raises StoreReplaced.
        """
        if time.monotonic() - self._checked_at > RECHECK_INTERVAL_SECONDS:
            self.check_unchanged()

    def check_unchanged(self) -> None:
        """Check that the path leads to the recorded file, if there is one.  Raises StoreReplaced."""
        if self._opened_file is None:
            return
        now = self._current_file()
        if now != self._opened_file:
            raise StoreReplaced(
                f"{self._path} was {'deleted or moved' if now is None else 'replaced by another file'} while it was "
                "open; what is written now would be lost, and is not accepted",
                hint="move the file back, or shut this runner down and start one on the file that is there now",
            )
        self._checked_at = time.monotonic()

    def _current_file(self) -> tuple[int, int] | None:
        assert self._path is not None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
