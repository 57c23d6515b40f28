"""Watched folders: which complete archives they have.

Events of the operating system only wake the watcher; what counts is a scan of the folders, repeated at an interval, so
that network mounts and exhausted inotify watches cost latency and nothing else.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from holdwater.packages.registries.folder_events import FolderEvents
from holdwater.packages.registries.settled_files import FileStamp, SettledFiles

logger = logging.getLogger("holdwater.packages")

ARCHIVE_SUFFIX: Final = ".cloacina"


def is_archive_name(name: str) -> bool:
    """Return True for the name of an archive; a hidden file, and one that ends in `.part` or `.tmp`, is none yet."""
    return name.endswith(ARCHIVE_SUFFIX) and not name.startswith(".")


def scan_folder(folder: Path) -> dict[Path, FileStamp]:
    """Find the archives in a folder; one that vanishes meanwhile is left out.  Raises OSError for the folder."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_archive_name(entry.name):
                continue
            try:
                facts = entry.stat()
            except OSError:  # it has just been deleted, or is a link to nothing
                continue
            if stat.S_ISREG(facts.st_mode):
                found[folder / entry.name] = FileStamp(facts.st_mtime_ns, facts.st_size, facts.st_ino)
    return found


class PackageWatcher:
    """Watches folders for archives, in a thread of its own.

    `on_change`: called, in that thread, when the complete files have changed.  Durations in seconds.
    """

    def __init__(
        self, folders: Iterable[Path], *, debounce_seconds: float, rescan_seconds: float, on_change: Callable[[], None]
    ) -> None:
        self._rescan_seconds, self._on_change = rescan_seconds, on_change
        self._files = SettledFiles(debounce_seconds)
        self._folders: tuple[Path, ...] = ()
        self._unavailable: frozenset[Path] = frozenset()
        self._unseen: frozenset[Path] = frozenset()
        """folders that were never scanned"""
        self._lock = threading.Lock()
        self._wake, self._is_closed = threading.Event(), False
        self._events = FolderEvents(self._on_event)
        self._thread = threading.Thread(target=self._run, name="holdwater-watcher", daemon=True)
        self.set_folders(folders)

    # -- from any thread

    def start(self) -> None:
        """Scan the folders once, so that what is there is known when this returns, and begin to watch."""
        self._scan()
        self._thread.start()

    def files(self) -> dict[Path, FileStamp]:
        """Return the complete archives of all folders, with their stamps."""
        with self._lock:
            return self._files.files

    def is_available(self, path: Path) -> bool:
        """Return False if it is not known what a file is: its folder cannot be read, or it is not complete yet."""
        with self._lock:
            return path.parent not in self._unavailable and not self._files.is_unsettled(path)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that are watched."""
        return self._folders

    def set_folders(self, folders: Iterable[Path]) -> None:
        """Watch these folders from now on, each once; the files of the others are forgotten."""
        wanted = tuple({os.path.realpath(folder): folder.absolute() for folder in folders}.values())
        with self._lock:
            dropped = [folder for folder in self._folders if folder not in wanted]
            self._unseen = self._unseen.union(set(wanted) - set(self._folders)) - set(dropped)
            self._folders = wanted
            self._unavailable -= set(dropped)
            for folder in dropped:
                self._files.drop_folder(folder)
        self._wake.set()

    def set_intervals(self, *, debounce_seconds: float, rescan_seconds: float) -> None:
        """Use these durations from now on."""
        with self._lock:
            self._files.debounce_seconds, self._rescan_seconds = debounce_seconds, rescan_seconds
        self._wake.set()

    def close(self) -> None:
        """Stop watching, and wait for the threads.  Idempotent."""
        self._is_closed = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._events.close()

    # -- the thread

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait(self._seconds_to_next_scan())
            self._wake.clear()
            if not self._is_closed and self._scan():
                self._on_change()

    def _seconds_to_next_scan(self) -> float:
        with self._lock:
            next_at = self._files.next_check_at()
            rescan_seconds = self._rescan_seconds
        return rescan_seconds if next_at is None else max(0.0, min(rescan_seconds, next_at - time.monotonic()))

    def _on_event(self, path: Path) -> None:
        if is_archive_name(path.name):
            with self._lock:
                self._files.note_event(path, time.monotonic())
            self._wake.set()

    def _scan(self) -> bool:
        with self._lock:
            folders, unseen = self._folders, self._unseen
        found: dict[Path, FileStamp] = {}
        unavailable = set()
        for folder in folders:
            try:
                found |= scan_folder(folder)
            except OSError as error:
                unavailable.add(folder)
                if folder not in self._unavailable:
                    logger.warning(
                        "the watched folder %s cannot be read (%s); its packages stay as they are until it is back",
                        folder, error.strerror or error,
                    )  # fmt: skip
        for folder in self._unavailable & set(folders) - unavailable:
            logger.warning("the watched folder %s is back", folder)
        self._events.watch([folder for folder in folders if folder not in unavailable])
        wall_ns = time.time_ns()
        with self._lock:
            self._unavailable = frozenset(unavailable)
            self._unseen -= set(folders) - unavailable
            debounce_ns = self._files.debounce_seconds * 1e9
            current = {path: stamp for path, stamp in found.items() if path.parent in self._folders}
            complete = [
                path
                for path, stamp in current.items()
                if path.parent in unseen and wall_ns - stamp.modified_ns >= debounce_ns
            ]
            return self._files.observe(current, time.monotonic(), unseen_folders=unavailable, complete=complete)
