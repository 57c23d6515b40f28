"""Ends what a process of a test run leaves behind, however that process ended: servers, children, children's children.

Each process of a test run (pytest, and each worker of pytest-xdist) has a reaper: a child with the read end of a pipe
whose end of file says that the process is gone, after SIGKILL too.  What the process starts inherits an environment
variable with a value of its own, which is how its reaper finds it; what it forks tells the reaper by itself.  Servers
keep their files in a directory that the reaper removes.

Processes are found in /proc, so this works on Linux; elsewhere only the directory is removed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MARKER_VARIABLE = "TEST_RUN_DIRECTORY"
GRACE_SECONDS = 20.0
POLL_SECONDS = 0.02

_reaper: subprocess.Popen[bytes] | None = None
_pipe = -1


# -- in the process of the test run


def start() -> None:
    """Start the reaper of this process, once."""
    global _reaper, _pipe
    if _reaper is not None:
        return
    directory = Path(tempfile.mkdtemp(prefix="holdwater-tests-"))
    directory.chmod(0o711)  # servers run as another user if this one is root
    unmarked = {name: value for name, value in os.environ.items() if name != MARKER_VARIABLE}
    command = [sys.executable, "-S", "-E", __file__, str(directory)]
    ours, _pipe = os.pipe()
    nowhere = subprocess.DEVNULL
    _reaper = subprocess.Popen(
        command, stdin=ours, stdout=nowhere, stderr=nowhere, env=unmarked, start_new_session=True
    )
    os.close(ours)
    os.environ[MARKER_VARIABLE] = str(directory)
    os.register_at_fork(after_in_child=_register_fork)
    atexit.register(stop)


def stop() -> None:
    """Have everything ended that is left, and wait for it."""
    global _pipe
    if _reaper is not None and _pipe >= 0:
        os.close(_pipe)
        _pipe = -1
        _reaper.wait()


def directory() -> str | None:
    """Where servers keep their files; None outside a test run: where temporary files are."""
    return os.environ.get(MARKER_VARIABLE)


def marker_environment() -> dict[str, str]:
    """The part of the environment that a child must have, if it does not inherit all of it."""
    return {MARKER_VARIABLE: os.environ[MARKER_VARIABLE]} if MARKER_VARIABLE in os.environ else {}


def pid() -> int:
    """The reaper's own."""
    assert _reaper is not None
    return _reaper.pid


def _register_fork() -> None:
    """In a forked child, which has the environment its parent began with."""
    global _pipe
    if _pipe >= 0:
        with contextlib.suppress(BrokenPipeError):  # the parent is gone already
            os.write(_pipe, f"{os.getpid()} {_start_ticks(os.getpid())}\n".encode())
        os.close(_pipe)
        _pipe = -1


# -- in the reaper


def main(directory: str) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    forked = [(int(number), started) for number, started in (line.split() for line in sys.stdin)]
    kill_marked(directory, forked)
    shutil.rmtree(directory, ignore_errors=True)


def kill_marked(marker: str, forked: list[tuple[int, str]]) -> None:
    """End every process that has the mark, and these; again, until no one has started another in the meantime."""
    began = time.monotonic()
    while pids := [*_find_marked(marker), *(number for number, started in forked if _start_ticks(number) == started)]:
        late = time.monotonic() - began > GRACE_SECONDS
        for number in pids:
            with contextlib.suppress(ProcessLookupError):
                # a killed postmaster leaves its shared memory, and its children if they are stopped
                os.kill(number, signal.SIGQUIT if _is_postgres(number) and not late else signal.SIGKILL)
                os.kill(number, signal.SIGCONT)
        time.sleep(POLL_SECONDS)


def _find_marked(marker: str) -> list[int]:
    wanted = f"{MARKER_VARIABLE}={marker}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or it has just ended
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return found


def _start_ticks(number: int) -> str:
    """When the process began, in ticks since the machine did; empty if there is none (any more)."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


def _is_postgres(number: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/comm").read_text().strip() == "postgres"
    return False


if __name__ == "__main__":
    main(sys.argv[1])
