"""A folder of archives that is looked at when it is asked for, and not watched."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Final

from holdwater.packages.registries.settled_files import FileStamp, SettledFiles
from holdwater.packages.registries.watching import scan_folder

logger = logging.getLogger("holdwater.packages")

SETTLED_SECONDS: Final = 1.0
"""time without a change after which a file is complete"""


class ScannedFolder:
    """The complete archives in a folder.  Thread-safe.

    A file is complete when nothing about it has changed for `settled_seconds`: by its time of change where it is seen
    for the first time, and by this process's observation where it was seen to change.
    """

    def __init__(self, folder: Path, settled_seconds: float = SETTLED_SECONDS) -> None:
        self._folder, self._settled_us = folder, int(settled_seconds * 1e6)
        self._files = SettledFiles(settled_seconds)
        self._lock = threading.Lock()
        self._is_available = True

    def files(self) -> dict[Path, FileStamp]:
        """Look at the folder, and return its complete archives; those of a folder that cannot be read stay."""
        with self._lock:
            try:
                found = scan_folder(self._folder)
            except OSError as error:
                if self._is_available:
                    logger.warning("the folder of packages %s cannot be read: %s", self._folder, error)
                self._is_available = False
                return self._files.files
            self._is_available = True
            old_us = time.time_ns() // 1000 - self._settled_us
            complete = [path for path, stamp in found.items() if stamp.modified_ns // 1000 <= old_us]
            self._files.observe(found, time.monotonic(), complete=complete)
            return self._files.files

    def is_available(self, path: Path) -> bool:
        """Return False if the folder could not be read, or the file is not complete yet."""
        with self._lock:
            return self._is_available and not self._files.is_unsettled(path)
