"""Lock files, which prove that a process lives.

The operating system drops the lock when the process ends, however it ends; so a free lock means a dead owner, without
delay.  The file contains the process id, so that other processes can see if it is stopped (SIGSTOP, Ctrl-Z).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def lock_file_path(database: Path, owner: str) -> Path:
    """Return the path of an owner's lock file, next to the database."""
    return database.with_name(f"{database.name}.{quote(owner, safe='', errors='backslashreplace')}.lock")


class LockFile:
    """A lock file that this process holds."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path: Final = path
        self._fd = fd

    def release(self) -> None:
        """Delete the file and drop the lock."""
        _unlink_and_close(self.path, self._fd)
        self._fd = -1

    def close_inherited(self) -> None:
        """Close the descriptor inherited by a fork; file and lock stay the parent's."""
        os.close(self._fd)
        self._fd = -1


def try_acquire(path: Path) -> LockFile | None:
    """Create the file and lock it; None if another process holds it.  Raises OSError."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        if not _try_lock(fd):
            os.close(fd)
            return None
        if _is_file_at(path, fd):
            _write_pid(fd)
            return LockFile(path, fd)
        os.close(fd)  # another process took it for stale and deleted it between the two calls


def is_free(path: Path) -> bool:
    """Return True if no process holds the lock, deleting the stale file.  False if that cannot be found out."""
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        free = _try_lock(fd)
    except OSError:
        free = False
    if free and _is_file_at(path, fd):
        _unlink_and_close(path, fd)
    else:
        os.close(fd)
    return free


def is_holder_stopped(path: Path) -> bool:
    """Return True if the process that holds the lock was stopped by a signal.  False if that cannot be found out."""
    try:
        said = path.read_text(errors="replace")
    except OSError:
        return False
    found = re.fullmatch(r"([0-9]+) (.*)\n", said)
    if found is None or found[2] != _pid_namespace():  # the id of a process in another container
        return False
    return _process_state(int(found[1]))[:1] in ("T", "t")


def _write_pid(fd: int) -> None:
    if sys.platform != "win32":  # there no other process can read a locked file
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {_pid_namespace()}\n".encode(), 0)


def _pid_namespace() -> str:
    """Name the PID namespace of this process, which tells its process ids from those of other containers."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"


def _process_state(pid: int) -> str:
    """Return the state letter `ps` shows for a process, T for a stopped one; empty if that cannot be found out."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2]
    except OSError:
        if sys.platform != "darwin" and "bsd" not in sys.platform:
            return ""
    shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def _unlink_and_close(path: Path, fd: int) -> None:
    """Delete the file before closing it, so that no process can lock a file that is about to be deleted."""
    if sys.platform == "win32":  # pragma: no cover - where an open file cannot be deleted
        os.close(fd)
        path.unlink(missing_ok=True)
        return
    path.unlink(missing_ok=True)
    os.close(fd)


def _is_file_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
