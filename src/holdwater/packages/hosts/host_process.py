"""One host as its pool sees it: a worker that has the code of one release."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from holdwater.errors import BadAnswer
from holdwater.packages.hosts.host_environment import HostPlace
from holdwater.packages.hosts.host_requests import HostRequest
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.runtime.executors.processes.child_process import SHUTDOWN_SECONDS
from holdwater.runtime.executors.processes.output import CapturedOutput
from holdwater.runtime.executors.processes.worker_process import WorkerCaller, WorkerProcess

SIGNAL_EXIT_CODE: Final = 128
"""added by the supervisor to the number of the signal that has ended a host"""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class HostProcess(WorkerProcess):
    """A host and its supervisor.  `pid`: of the supervisor; `host_pid`: of the host, when it is known.

    `running_calls`, `waiting_calls` (those of them that wait for something, as a child run), `is_retired` (it is given
    no more calls), `is_extra` (it was started beyond the limits for the call it has), `started_at` (monotonic seconds):
    its pool's, under the lock of that.

    Raises OSError if it cannot be started.
    """

    def __init__(self, installed: InstalledRelease, place: HostPlace, supervisor_depth: int) -> None:
        self.installed = installed
        self.running_calls = self.waiting_calls = 0
        self.is_retired = self.is_extra = False
        self.started_at = 0.0
        self.host_pid: int | None = None
        self._place, self._supervisor_depth = place, supervisor_depth
        self._is_told_to_end = False
        self._kill_again: threading.Timer | None = None
        self._host_pidfd: int | None = None
        is_shared = installed.manifest.execution.bodies_per_host > 1
        super().__init__(place.command, CapturedOutput(passes_on=False, is_shared=is_shared))

    def load(self, request: HostRequest, timeout_seconds: float) -> None:
        """Have it import the package.  Raises EOFError, OSError, BadAnswer, RemoteTaskError, as `ask`."""
        self.ask(request, ["hello"], timeout_seconds)
        self._find_host()  # before it has code that may kill its supervisor
        self.ask(request, ["load"], timeout_seconds)

    def ask(self, request: HostRequest, row: Sequence[Any], timeout_seconds: float, *parts: bytes) -> bytes:
        """Have a request answered; the host is killed if that takes too long.

        Raises EOFError, OSError if the host ends, BadAnswer, RemoteTaskError for what code of the package raises,
        TimeoutError.
        """
        limit = _TimeLimit(self, timeout_seconds)
        try:
            answer = self.call(request, row, *parts)
            if limit.end():
                raise EOFError  # killed at the last moment
        except (EOFError, OSError) as error:
            if limit.end():
                raise TimeoutError(f"{request.label} took more than {timeout_seconds:g} s") from error
            raise
        finally:
            limit.end()
        return request.read_reply(answer)

    def perform(self, caller: WorkerCaller, reference: Sequence[Any], payload: bytes) -> bytes:
        """Have a node performed.  Raises EOFError, OSError if the host ends, BadAnswer."""
        return self.call(caller, ["perform", reference], payload)

    @property
    def is_waiting(self) -> bool:
        """True if all its calls wait: it does nothing."""
        return 0 < self.running_calls <= self.waiting_calls

    @property
    def has_lost_supervisor(self) -> bool:
        """True if the supervisor has ended: code of the package has killed it, and perhaps the host lives on."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # other code collects the children of this process
            return True

    @property
    def memory_bytes(self) -> int:
        """The resident memory of the host; 0 where that is unknown."""
        with suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{self.host_pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        return 0

    def reap(self) -> int:
        """Wait for its end, and remove what it leaves; returns its exit code, negative for a signal."""
        code = super().reap()
        if self._kill_again is not None:
            self._kill_again.cancel()
        self._place.remove()
        return SIGNAL_EXIT_CODE - code if code > SIGNAL_EXIT_CODE else code

    def _kill_group(self) -> None:
        """Have the supervisor kill all there is; if it does not end soon, it is killed too."""
        if self._is_reaped:
            return
        if self._is_told_to_end or self._supervisor_depth > 1:
            super()._kill_group()
            self._kill_host()
            return
        self._is_told_to_end = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        self._kill_again = threading.Timer(SHUTDOWN_SECONDS, self.kill)
        self._kill_again.daemon = True
        self._kill_again.start()

    def _kill_leftovers(self) -> None:
        """Kill the host, which lives on only if code of the package has killed its supervisor."""
        super()._kill_group()
        self._kill_host()
        if self._host_pidfd is not None:
            os.close(self._host_pidfd)
            self._host_pidfd = None

    def _kill_host(self) -> None:
        """Kill the host itself, where its supervisor cannot do it."""
        if self._host_pidfd is not None:
            with suppress(OSError):
                signal.pidfd_send_signal(self._host_pidfd, signal.SIGKILL)

    def _find_host(self) -> None:
        """Find the host below its supervisor; Linux."""
        pid = self.pid
        with suppress(OSError, ValueError, IndexError):
            for _ in range(self._supervisor_depth):
                pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
            self.host_pid = pid
            self._host_pidfd = os.pidfd_open(pid)


class _TimeLimit:
    """Kills a host after so many seconds, unless it is ended before."""

    def __init__(self, host: HostProcess, seconds: float) -> None:
        self._host, self._lock = host, threading.Lock()
        self._is_over = self._has_killed = False
        self._timer = threading.Timer(seconds, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> bool:
        """Kill it no more; returns True if it has been killed."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True
            return self._has_killed

    def _kill(self) -> None:
        with self._lock:
            if not self._is_over:
                self._has_killed = True
                self._host.kill()


def describe_exit(code: int) -> str:
    """Describe the end of a host in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name} (signal {-code})"
    except ValueError:
        return f"was killed by signal {-code}"


def bad_answer_error(host: HostProcess, label: str, error: BadAnswer) -> BadAnswer:
    """Build the error for what a host has sent and must not."""
    return BadAnswer(
        f"the host process {host.pid} of {label} sent what its runner does not take, and was killed: {error.message}",
        hint="code of the package writes to the pipe of the runner: see what closes or reuses file descriptors",
    )
