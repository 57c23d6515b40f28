"""Lock files: proof that a process lives.

The operating system drops the lock when the process ends, however it ends; so a free lock is a dead owner, known at
once.  The file holds the number of the process, so that others can see whether it is stopped (SIGSTOP, Ctrl-Z).
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
    """The lock file of an owner, next to the database."""
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
        """Close the descriptor a fork gave this process too; file and lock are the parent's."""
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
        os.close(fd)  # somebody who thought it stale deleted it between the two calls


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock; a stale file is deleted.  False if that cannot be found out."""
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
    """Whether the process that holds the lock was stopped by a signal and does not run.  False if that is not known."""
    try:
        said = path.read_text(errors="replace")
    except OSError:
        return False
    found = re.fullmatch(r"([0-9]+) (.*)\n", said)
    if found is None or found[2] != _pid_namespace():  # in another container the number means another process
        return False
    return _process_state(int(found[1]))[:1] in ("T", "t")


def _write_pid(fd: int) -> None:
    if sys.platform != "win32":  # where nobody else can read a locked file
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {_pid_namespace()}\n".encode(), 0)


def _pid_namespace() -> str:
    """What tells process numbers of one container from those of another."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return "-"


def _process_state(pid: int) -> str:
    """The letter `ps` shows for a process, T for a stopped one; empty if there is none, or no way to know."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2]
    except OSError:
        if sys.platform != "darwin" and "bsd" not in sys.platform:
            return ""
    shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def _unlink_and_close(path: Path, fd: int) -> None:
    """Delete first, close then: between the two nobody can lock a file that is about to go."""
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
