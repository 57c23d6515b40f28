"""The home of a daemon: its folders, and the lock that keeps a second daemon out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.errors import DaemonError, HoldwaterError
from holdwater.service.settings import DATABASE_NAME

LOCK_NAME: Final = "daemon.lock"
SOCKET_NAME: Final = "daemon.sock"


@dataclass(frozen=True, slots=True)
class Home:
    """Places below the home folder of a daemon."""

    folder: Path

    @property
    def packages(self) -> Path:
        """The folder that is always watched."""
        return self.folder / "packages"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def socket(self) -> Path:
        return self.folder / SOCKET_NAME

    @property
    def lock(self) -> Path:
        return self.folder / LOCK_NAME

    @property
    def database_url(self) -> str:
        """The URL of the database where no other one is set."""
        return f"sqlite:///{self.folder / DATABASE_NAME}"

    def create(self) -> None:
        """Create the folders that are not there, for this user alone.  Raises DaemonError."""
        with usable_home(self.folder):
            for folder in (self.folder, self.packages, self.logs):
                folder.mkdir(mode=0o700, parents=folder is self.folder, exist_ok=True)

    def open_to_hosts(self) -> None:
        """Let other users pass through the home, to the files of packages, and no further.  Raises OSError."""
        self.folder.chmod(0o711)

    def create_database(self) -> None:
        """Create the file of the database, empty, so that no other user can read what is written to it.

        Raises OSError.
        """
        os.close(os.open(self.folder / DATABASE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextmanager
def usable_home(folder: Path) -> Iterator[None]:
    """Raise DaemonError for what the operating system refuses inside the block, as on a disk that is full."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HoldwaterError):
            raise
        raise DaemonError(
            f"the home of the daemon cannot be used: {error.filename2 or error.filename or folder}: "
            f"{error.strerror or error}",
            hint="free some space, or name another one: --home, or HOLDWATER_HOME",
        ) from error


class HomeLock:
    """Held while a daemon lives: the operating system frees it with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock, and write the id of this process to its file.  Raises DaemonError if a daemon has it."""
        self._path = path
        self._handle = self._take()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> int:
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same_file(handle, self._path):
                    return handle
            except OSError as error:
                pid = read_pid(self._path)
                os.close(handle)
                raise DaemonError(
                    f"a daemon works on {self._path.parent} already"
                    + (f": process {pid}" if pid else f" ({error.strerror})"),
                    hint="`holdwater daemon status` asks it how it is, `holdwater daemon stop` ends it",
                ) from error
            os.close(handle)  # the daemon before has just removed it

    def release(self) -> None:
        """Remove the file, and free the lock.  Idempotent."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def is_locked(path: Path) -> bool:
    """Return True if a daemon holds this lock."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def read_pid(path: Path) -> int | None:
    """Read the process id in the file of a lock; None if there is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
