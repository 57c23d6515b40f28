"""Events of the operating system about files in folders, through watchdog.

They are hints: a folder that cannot be watched, because the limit of inotify is reached or its file system has no
events, is warned of once and left to scans.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

logger = logging.getLogger("holdwater.packages")

_CHANGES: Final = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""the types of events that are changes; reading a file makes others"""

_Identity = tuple[int, int]
"""device and inode: a folder that was made anew has another one"""


class _FolderHandler(FileSystemEventHandler):
    def __init__(self, on_event: Callable[[Path], None]) -> None:
        self._on_event = on_event

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _CHANGES:
            for path in (event.src_path, event.dest_path):
                if path:
                    self._on_event(Path(os.fsdecode(path)))


class FolderEvents:
    """Calls `on_event` with the path of each file that changes, in a thread of watchdog's.  For one caller's thread."""

    def __init__(self, on_event: Callable[[Path], None]) -> None:
        self._handler = _FolderHandler(on_event)
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, tuple[_Identity, ObservedWatch | None]] = {}
        """by folder; None: it cannot be watched"""

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch these folders and no others; one that was deleted and made anew is watched anew."""
        wanted = {folder: identity for folder in folders if (identity := _identify(folder)) is not None}
        for folder, (identity, watch) in list(self._watches.items()):
            if wanted.get(folder) != identity:
                self._unwatch(watch)
                del self._watches[folder]
        for folder, identity in wanted.items():
            if folder not in self._watches:
                self._watches[folder] = (identity, self._schedule(folder))

    def _schedule(self, folder: Path) -> ObservedWatch | None:
        try:
            if self._observer is None:
                observer = Observer()
                observer.start()
                self._observer = observer
            return self._observer.schedule(self._handler, str(folder), recursive=False)
        except OSError as error:
            logger.warning(
                "changes in %s are found by looking from time to time only: %s", folder, error.strerror or error
            )
            return None

    def _unwatch(self, watch: ObservedWatch | None) -> None:
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def close(self) -> None:
        """Stop, and wait for the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        self._watches.clear()


def _identify(folder: Path) -> _Identity | None:
    try:
        facts = os.stat(folder)
    except OSError:  # it has gone since it was scanned
        return None
    return facts.st_dev, facts.st_ino
