"""A bounded directory of small files; the least recently used ones are evicted (LRU by mtime)."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from holdwater.caching.signing import temporary_name

_FILE_NAME: Final = re.compile(r"[0-9a-f]{62}")
_SUBDIRECTORY_NAME: Final = re.compile(r"[0-9a-f]{2}")
_STALE_TEMPORARY_SECONDS: Final = 3600.0
"""age at which a temporary file counts as left behind by a process that died"""


class _File(NamedTuple):
    used_ns: int
    size_bytes: int
    path: str


class LruDirectory:
    """Files by name.  Counts and removes only files that match its own naming; others in the directory are ignored."""

    def __init__(self, directory: Path, max_bytes: int | None, max_files: int | None) -> None:
        self.directory: Final = directory
        self._max_bytes: Final = max_bytes
        self._max_files: Final = max_files
        self._uncounted_bytes = max_bytes or 0  # so that the first write counts
        self._uncounted_files = max_files or 0

    def path_for(self, name: str) -> Path:
        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self.directory / digest[:2] / digest[2:]

    def read(self, path: Path) -> bytes | None:
        """Read a file; None if it does not exist, empty bytes if it is larger than `max_bytes`."""
        try:
            with path.open("rb") as file:
                if self._max_bytes is not None and os.fstat(file.fileno()).st_size > self._max_bytes:
                    return b""
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file atomically.  Raises FileNotFoundError if the parent of the directory was deleted."""
        draft = path.with_name(temporary_name(path.name))
        try:
            descriptor = self._open_file(draft, os.O_EXCL)
            with open(descriptor, "wb") as file:
                file.write(data)
            self.touch(draft)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self._note_written(len(data))

    def append(self, path: Path, data: bytes) -> int:
        """Append to a file; returns its size in bytes.  One write with O_APPEND: lines of processes do not mix."""
        descriptor = self._open_file(path, os.O_APPEND)
        try:
            os.write(descriptor, data)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        self._note_written(len(data), files=size == len(data))
        return size

    def touch(self, path: Path) -> None:
        """Mark a file as used now."""
        now = time.time_ns()
        with suppress(FileNotFoundError):  # another process evicted it
            os.utime(path, ns=(now, now))

    def clear(self) -> None:
        for file in self._files():
            _remove(file.path)

    def __len__(self) -> int:
        return sum(1 for _ in self._files())

    def _open_file(self, path: Path, flags: int) -> int:
        flags |= os.O_WRONLY | os.O_CREAT
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self.directory.mkdir(exist_ok=True)
            path.parent.mkdir(exist_ok=True)
            return os.open(path, flags, 0o600)

    def _note_written(self, size_bytes: int, files: int = 1) -> None:
        self._uncounted_bytes += size_bytes
        self._uncounted_files += files
        if self._uncounted_bytes > _headroom(self._max_bytes) or self._uncounted_files > _headroom(self._max_files):
            self._uncounted_bytes = self._uncounted_files = 0
            self._evict()

    def _evict(self) -> None:
        files = sorted(self._files())
        size, count = sum([file.size_bytes for file in files]), len(files)
        for file in files[:-1]:  # never the file that was just written
            if _is_within_bound(size, self._max_bytes) and _is_within_bound(count, self._max_files):
                break
            _remove(file.path)
            size, count = size - file.size_bytes, count - 1

    def _files(self) -> Iterator[_File]:
        """Iterate over all files, removing half-written ones of dead processes."""
        long_ago = time.time_ns() - int(_STALE_TEMPORARY_SECONDS * 1e9)
        for shelf in _list_directory(self.directory):
            if not _SUBDIRECTORY_NAME.fullmatch(shelf.name):
                continue
            for entry in _list_directory(shelf.path):
                try:
                    state = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if _FILE_NAME.fullmatch(entry.name):
                    yield _File(state.st_mtime_ns, state.st_size, entry.path)
                elif entry.name.endswith(".tmp") and state.st_mtime_ns < long_ago:
                    _remove(entry.path)


def _list_directory(directory: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _headroom(bound: int | None) -> float:
    """Return the amount that is written between two counts, and kept free by each: a sixteenth of the bound."""
    return math.inf if bound is None else bound // 16


def _is_within_bound(amount: int, bound: int | None) -> bool:
    return bound is None or amount <= bound - bound // 16
