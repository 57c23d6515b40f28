"""The supervisor of a host: its parent, which ends all that the host leaves behind, as `tini` does in containers.

It has no code of the package.  It ends when the host has ended, when its own parent has (a pipe tells, also after
`kill -9`), and at SIGTERM; first it kills the host and whatever that has started, in whichever session that is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

SIGNAL_EXIT_CODE: Final = 128
"""added to the number of the signal that has ended a host, as shells do"""
_PR_SET_CHILD_SUBREAPER: Final = 36
_WATCHED: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGIO)


def supervise(liveness_fd: int, host_fds: tuple[int, ...], become_host: Callable[[], object]) -> NoReturn:
    """Call `become_host` in a child, and end when that ends.  `host_fds`: of the child alone.

    `liveness_fd`: the read end of a pipe that is closed when this process is to end.
    """
    _adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    _signal_when_closed(liveness_fd)
    host = os.fork()
    if not host:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.close(liveness_fd)
        os.setpgid(0, 0)
        become_host()
        sys.exit()
    with suppress(OSError):  # it has done so itself, or has ended
        os.setpgid(host, host)
    for fd in host_fds:
        os.close(fd)
    code = _wait_for_end(host, liveness_fd)
    _kill_descendants(host)
    os._exit(code)


def _adopt_orphans() -> None:
    """Linux: become the parent of what descendants leave behind."""
    if sys.platform == "linux" and os.getpid() != 1:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal_when_closed(liveness_fd: int) -> None:
    """Have SIGIO sent to this process when the other end of a pipe closes."""
    import fcntl

    fcntl.fcntl(liveness_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(liveness_fd, fcntl.F_SETFL, fcntl.fcntl(liveness_fd, fcntl.F_GETFL) | os.O_ASYNC)


def _wait_for_end(host: int, liveness_fd: int) -> int:
    """Wait until the host has ended, or is to; returns its exit code."""
    import select

    if select.select([liveness_fd], [], [], 0)[0]:
        return SIGNAL_EXIT_CODE + signal.SIGKILL
    while signal.sigwait(_WATCHED) == signal.SIGCHLD:
        code = _collect_children(host)
        if code is not None:
            return code
    code = _collect_children(host)  # it may have ended at the same time
    return SIGNAL_EXIT_CODE + signal.SIGKILL if code is None else code


def _collect_children(host: int) -> int | None:
    """Collect the children that have ended; returns the exit code of the host if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if not pid:
            return code
        if pid == host:
            code = os.waitstatus_to_exitcode(status)
            code = SIGNAL_EXIT_CODE - code if code < 0 else code


def _kill_descendants(host: int) -> None:
    """Kill all that is left, until there is nothing: what is killed leaves its own children to this process."""
    while True:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(host, signal.SIGKILL)  # at once, which a loop of forks does not outrun
        for pid in _find_children():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _find_children() -> list[int]:
    """Find the children of this process; Linux."""
    me = str(os.getpid())
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[1] == me:
                    found.append(int(name))
    return found
