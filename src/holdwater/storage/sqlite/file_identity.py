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

FRESH_SECONDS: Final = 0.05
"""how long a look at the path counts"""


class Identity:
    """The file behind a path, by device and inode, as it was when it was first opened."""

    def __init__(self, path: Path | None) -> None:
        """None: a database in memory, which cannot be replaced."""
        self._path: Final = None if path is None else os.fspath(path)
        self._seen: tuple[int, int] | None = None
        self._checked_at = 0.0
        """when the path last led to the file, by the monotonic clock"""

    def note(self) -> None:
        """The database has just been opened.  Raises StoreReplaced if it is another than before."""
        if self._path is not None and self._seen is None:
            self._seen = self._now()
        self.check()

    def check_if_stale(self) -> None:
        """`check`, unless that was done a moment ago: for the beginning of what is checked again before its end counts.

        Raises StoreReplaced.
        """
        if time.monotonic() - self._checked_at > FRESH_SECONDS:
            self.check()

    def check(self) -> None:
        """Raises StoreReplaced if the path leads elsewhere by now; not before the first `note`."""
        if self._seen is None:
            return
        now = self._now()
        if now != self._seen:
            raise StoreReplaced(
                f"{self._path} was {'deleted or moved' if now is None else 'replaced by another file'} while it was "
                "open; what is written now would be lost, and is not accepted",
                hint="move the file back, or shut this runner down and start one on the file that is there now",
            )
        self._checked_at = time.monotonic()

    def _now(self) -> tuple[int, int] | None:
        assert self._path is not None
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
