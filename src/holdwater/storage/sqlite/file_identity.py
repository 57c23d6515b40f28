"""Whether a database's path still leads to the file that was opened.

An open descriptor outlives its name: SQLite goes on writing to a file that was deleted, or that another one was moved
over, and all of that is gone with the last descriptor.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from holdwater.errors import StoreReplaced

RECHECK_INTERVAL_SECONDS: Final = 0.05
"""how long a look at the path counts"""


class FileIdentity:
    """The file behind a path, by device and inode, as it was when it was first opened."""

    def __init__(self, path: Path | None) -> None:
        """None: a database in memory, which cannot be replaced."""
        self._path: Final = None if path is None else os.fspath(path)
        self._opened_file: tuple[int, int] | None = None
        self._checked_at = 0.0
        """when the path last led to the file, by the monotonic clock"""

    def remember(self) -> None:
        """The database has just been opened.  Raises StoreReplaced if it is another than before."""
        if self._path is not None and self._opened_file is None:
            self._opened_file = self._current_file()
        self.check_unchanged()

    def check_if_due(self) -> None:
        """`check`, unless that was done a moment ago: for the beginning of what is checked again before its end counts.

        Raises StoreReplaced.
        """
        if time.monotonic() - self._checked_at > RECHECK_INTERVAL_SECONDS:
            self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raises StoreReplaced if the path leads elsewhere by now; not before the first `note`."""
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
