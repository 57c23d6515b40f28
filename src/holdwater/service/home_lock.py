"""The lock on the home of a daemon or a server, which keeps a second one out."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from holdwater.errors import DaemonError, HoldwaterError, ServerError

Service = Literal["daemon", "server"]
_ERRORS: Final[dict[Service, type[DaemonError] | type[ServerError]]] = {"daemon": DaemonError, "server": ServerError}


LOOK_SECONDS: Final = 0.5
"""longest time for which those that look whether there is a lock may hold it"""
LOOK_PAUSE_SECONDS: Final = 0.005


@contextmanager
def usable_home(folder: Path, service: Service = "daemon") -> Iterator[None]:
    """Raise DaemonError or ServerError for what the operating system refuses inside the block, as on a full disk."""
    try:
        yield
    except OSError as error:
        if isinstance(error, HoldwaterError):
            raise
        raise _ERRORS[service](
            f"the home of the {service} cannot be used: {error.filename2 or error.filename or folder}: "
            f"{error.strerror or error}",
            hint="free some space, or name another one: --home, or HOLDWATER_HOME",
        ) from error


class HomeLock:
    """Held while a daemon or a server lives: the operating system frees it with the process, however that ends."""

    def __init__(self, path: Path, service: Service = "daemon") -> None:
        """Take the lock, and write the id of this process to its file.

        Raises DaemonError or ServerError if another process has it.
        """
        self._path, self._service = path, service
        self._handle = self._take()
        os.ftruncate(self._handle, 0)
        self._length = os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def write_address(self, address: str) -> None:
        """Write where this process can be reached to the second line of the file."""
        os.pwrite(self._handle, f"{address}\n".encode(), self._length)

    def _take(self) -> int:
        give_up = time.monotonic() + LOOK_SECONDS
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_same_file(handle, self._path):
                    return handle
            except OSError as error:
                pid, service = read_pid(self._path), self._service
                os.close(handle)
                if pid is None and time.monotonic() < give_up:  # `is_locked` has it for a moment
                    time.sleep(LOOK_PAUSE_SECONDS)
                    continue
                raise _ERRORS[service](
                    f"a {service} works on {self._path.parent} already"
                    + (f": process {pid}" if pid else f" ({error.strerror})"),
                    hint=f"`holdwater {service} status` asks it how it is, `holdwater {service} stop` ends it",
                ) from error
            os.close(handle)  # the process before has just removed it

    def release(self) -> None:
        """Remove the file, and free the lock.  Idempotent."""
        if self._handle >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = -1


def is_locked(path: Path) -> bool:
    """Return True if a process holds this lock."""
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
    lines = _read_lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def read_address(path: Path) -> str:
    """Read the address in the file of a lock; "" if there is none."""
    return "".join(_read_lines(path)[1:2])


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
