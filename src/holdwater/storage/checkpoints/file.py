"""Records of runs in a directory: one append-only file of JSON lines per run, the first of which is its id.

A record is on disk (fsync) when `append` returns.  A line that a crash cut off was never acknowledged: it is not read,
and the next append truncates it.  The operating system drops the lock of a process that ends, however it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from holdwater.errors import ConfigError, RunInProgress, StoreUnavailable
from holdwater.storage.sqlite import lock_files
from holdwater.storage.sqlite.lock_files import LockFile

FILE_SUFFIX: Final = ".jsonl"
MAX_FILE_NAME_CHARS: Final = 180
DAY_SECONDS: Final = 86_400


class FileRunLock:
    """A run's file, open for appending, and the lock file beside it."""

    def __init__(self, run_id: str, path: Path, lock: LockFile) -> None:
        self._run_id, self._path = run_id, path
        self._lock: LockFile | None = lock
        self._fd = -1

    def append(self, record: str) -> None:
        try:
            if self._fd < 0:
                self._open()
            end = os.lseek(self._fd, 0, os.SEEK_END)
            lines = f"{record}\n" if end else f"{json.dumps(self._run_id)}\n{record}\n"
            try:
                _write_all(self._fd, lines.encode(errors="surrogatepass"))
                os.fsync(self._fd)
            except OSError:
                os.ftruncate(self._fd, end)  # drop a half-written record, lest the next one be appended to it
                raise
        except OSError as error:
            raise StoreUnavailable(f"{self._path} cannot be written: {error}") from error

    def _open(self) -> None:
        is_new = not self._path.exists()
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        content = self._path.read_bytes()
        complete = content.rfind(b"\n") + 1
        if content.find(b"\n") + 1 == complete:  # an id alone is no record
            complete = 0
        os.ftruncate(self._fd, complete)
        if is_new:
            _sync_directory(self._path.parent)

    def renew(self) -> None:
        """Do nothing: a file lock does not expire."""

    def release(self) -> None:
        self._close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def after_fork_in_child(self) -> None:
        self._close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close_inherited()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class FileCheckpoints:
    """A directory of run files, created if it does not exist.

    With `retention_days`, opening it deletes the runs whose last record is older.  Raises ConfigError if the directory
    cannot be used.
    """

    def __init__(self, directory: str | os.PathLike[str], *, retention_days: int | None = None) -> None:
        self._directory = Path(os.path.abspath(directory))
        self.location = str(self._directory)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if retention_days is not None:
                self._delete_older_than(time.time() - retention_days * DAY_SECONDS)
        except OSError as error:
            raise ConfigError(
                f"checkpoint_path {self.location} cannot be a directory for checkpoints: {error}"
            ) from error

    def lock(self, run_id: str) -> FileRunLock:
        path = self._record_path(run_id)
        try:
            held = lock_files.try_acquire(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise StoreUnavailable(f"the lock file of {path} cannot be made: {error}") from error
        if held is None:
            raise RunInProgress(f"run {run_id!r} is executed by another process or runner at this moment ({path})")
        return FileRunLock(run_id, path, held)

    def load(self, run_id: str) -> list[str]:
        try:
            content = self._record_path(run_id).read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreUnavailable(f"the records of run {run_id!r} cannot be read: {error}") from error
        return content.decode(errors="surrogatepass").split("\n")[1:-1]

    def find_descendants(self, run_id: str) -> list[str]:
        found = []
        try:
            for path in self._directory.glob(f"{_quote_file_name(run_id)[: MAX_FILE_NAME_CHARS - 33]}*{FILE_SUFFIX}"):
                with path.open("rb") as file:
                    line = file.readline()
                if line.endswith(b"\n"):
                    found.append(json.loads(line))
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{self.location} cannot be read: {error}") from error
        return sorted(name for name in found if name.startswith(f"{run_id}/"))

    def close(self) -> None:
        """Do nothing: the only open files are those of run locks."""

    def _delete_older_than(self, instant: float) -> None:
        for path in self._directory.glob(f"*{FILE_SUFFIX}"):
            if path.stat().st_mtime < instant and lock_files.is_free(path.with_name(path.name + ".lock")):
                path.unlink(missing_ok=True)

    def _record_path(self, run_id: str) -> Path:
        name = _quote_file_name(run_id)
        if len(name) > MAX_FILE_NAME_CHARS:  # a file name has 255 bytes
            digest = hashlib.sha256(name.encode()).hexdigest()[:32]
            name = f"{name[: MAX_FILE_NAME_CHARS - 33]}-{digest}"
        return self._directory / f"{name}{FILE_SUFFIX}"


def _quote_file_name(run_id: str) -> str:
    """Quote a run id as a file name that is not hidden."""
    name = quote(run_id, safe="", errors="backslashreplace")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # pragma: no cover - where a directory cannot be opened
        return
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
