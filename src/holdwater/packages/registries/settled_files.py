"""Files that are complete: nothing about them has changed for some time.

A trailing edge: a file counts from the instant at which its size, time and inode were seen to change last, or an event
about it came in.  The same holds for its end: a file which is deleted and written anew is replaced, not removed.
It knows no folder and no clock: what was seen, and when, is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The facts about a file by which a change shows.  `modified_ns`: nanoseconds since the epoch."""

    modified_ns: int
    size_bytes: int
    inode: int


@dataclass(slots=True)
class _Observed:
    stamp: FileStamp | None
    """None: it is not there"""
    quiet_since: float


class SettledFiles:
    """Files as they were when they last were quiet for `debounce_seconds`.  Instants are seconds of one clock."""

    def __init__(self, debounce_seconds: float) -> None:
        self.debounce_seconds = debounce_seconds
        self._observed: dict[Path, _Observed] = {}
        self._settled: dict[Path, FileStamp] = {}

    @property
    def files(self) -> dict[Path, FileStamp]:
        """The files that are complete, with their stamps; a copy."""
        return dict(self._settled)

    def note_event(self, path: Path, now: float) -> None:
        """Take note that something happens to a file, whatever its stamp says."""
        seen = self._observed.get(path)
        if seen is not None:
            seen.quiet_since = now

    def observe(
        self,
        found: Mapping[Path, FileStamp],
        now: float,
        *,
        unseen_folders: Collection[Path] = (),
        complete: Collection[Path] = (),
    ) -> bool:
        """Take in a scan; returns True if a file has settled in a new state, or is settled as gone.

        `unseen_folders`: could not be scanned; their files stay as they were.  `complete`: files that count at once if
        they are seen for the first time.
        """
        has_changed = False
        for path in [*found, *[known for known in self._observed if known not in found]]:
            if path.parent in unseen_folders:
                continue
            stamp = found.get(path)
            seen = self._observed.get(path)
            if seen is None:
                self._observed[path] = seen = _Observed(stamp, now - self.debounce_seconds * (path in complete))
            elif seen.stamp != stamp:
                seen.stamp, seen.quiet_since = stamp, now
            if now >= seen.quiet_since + self.debounce_seconds:
                has_changed |= self._settle(path, seen)
        return has_changed

    def _settle(self, path: Path, seen: _Observed) -> bool:
        if seen.stamp is None:
            del self._observed[path]
            return self._settled.pop(path, None) is not None
        if self._settled.get(path) == seen.stamp:
            return False
        self._settled[path] = seen.stamp
        return True

    def is_unsettled(self, path: Path) -> bool:
        """Return True for a file that is there, and was not complete yet since it was first seen."""
        seen = self._observed.get(path)
        return seen is not None and seen.stamp is not None and path not in self._settled

    def drop_folder(self, folder: Path) -> bool:
        """Forget the files of a folder that is watched no more; returns True if there were any."""
        for path in [path for path in self._observed if path.parent == folder]:
            del self._observed[path]
        gone = [path for path in self._settled if path.parent == folder]
        for path in gone:
            del self._settled[path]
        return bool(gone)

    def next_check_at(self) -> float | None:
        """Return the instant at which the next file may have settled; None if all have."""
        waiting = [seen.quiet_since for path, seen in self._observed.items() if self._settled.get(path) != seen.stamp]
        return min(waiting) + self.debounce_seconds if waiting else None
