"""Watching of source: one call per change, when the files have been quiet for a moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from holdwater.packages.registries.folder_events import FolderEvents

DEBOUNCE_SECONDS: Final = 0.2
"""silence after which files count as saved: editors write a file in several steps"""
MAX_WAIT_SECONDS: Final = 5.0
"""after which a folder that is never quiet is looked at all the same"""
RESCAN_SECONDS: Final = 2.0
"""between looks where nothing tells of changes, as on network mounts"""

Stamps = Mapping[Path, tuple[int, int, int]]
"""time of change, size and inode of files"""


class SourceWatcher:
    """Calls `on_change` in a thread of its own, at once, and again when the files that it returned have changed.

    `on_change`: reads the source, and returns the paths of its files, and of folders whose entries matter.  It may be
    called without a change.  It raises nothing.
    """

    def __init__(self, on_change: Callable[[], Iterable[Path]], *, debounce_seconds: float = DEBOUNCE_SECONDS) -> None:
        self._on_change, self._debounce_seconds = on_change, debounce_seconds
        self._events = FolderEvents(lambda path: self._wake.set())
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="holdwater-source", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, and wait for the call under way.  Idempotent."""
        self._is_closed = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._events.close()

    def _run(self) -> None:
        paths: list[Path] = []
        while not self._is_closed:
            self._wait_for_silence()
            before = stamps_of(paths)
            paths = list(self._on_change())
            stamps = stamps_of(paths)
            self._events.watch({path if path.is_dir() else path.parent for path in paths})
            if stamps == before:  # else something was written meanwhile, or is known for the first time
                while not (self._is_closed or self._has_changed(paths, stamps)):
                    continue
            self._wake.set()

    def _has_changed(self, paths: Iterable[Path], stamps: Stamps) -> bool:
        """Wait for an event, or for the time of a look; returns True if the files are others."""
        self._wake.wait(RESCAN_SECONDS)
        self._wait_for_silence()
        return stamps_of(paths) != stamps

    def _wait_for_silence(self) -> None:
        """Wait until there was no event for a moment, if there was one."""
        latest = time.monotonic() + MAX_WAIT_SECONDS
        while self._wake.is_set() and not self._is_closed and time.monotonic() < latest:
            self._wake.clear()
            self._wake.wait(self._debounce_seconds)


def stamps_of(paths: Iterable[Path]) -> Stamps:
    """Return the stamps of files; one that cannot be read is left out."""
    found = {}
    for path in paths:
        try:
            facts = os.stat(path)
        except OSError:
            continue
        found[path] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    return found
