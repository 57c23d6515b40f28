"""A child process with a pipe each way: started, killed with its process group, collected, and closed in forks."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

from holdwater.model import message_framing
from holdwater.runtime.executors.processes.outbox import Outbox
from holdwater.runtime.executors.processes.output import WorkerOutput

SHUTDOWN_SECONDS: Final = 2.0
"""time a process may take to end by itself"""


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """The command line of a child; the numbers of its pipes are added to it: to read, to write, to live, unrecorded.

    `environment`: None for that of this process.  `folder`: the one it starts in; None: that of this process.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: str | None = None


class ChildProcess:
    """A process that is started by this one and speaks with it.  Raises OSError if it cannot be started.

    The pipe "to live" is closed when this process has ended, however that was.
    """

    def __init__(self, command: ProcessCommand, output: WorkerOutput) -> None:
        self.output = output
        self._lock = threading.Lock()
        self._is_reaped = False
        self._kill_timer: threading.Timer | None = None
        inbox, write_fd = os.pipe()
        self.read_fd, outbox = os.pipe()
        life, self._liveness_fd = os.pipe()
        self.outbox = Outbox(write_fd, self.kill)
        unrecorded_fd = output.unrecorded_fd
        theirs = (inbox, outbox, life, *([] if unrecorded_fd is None else [unrecorded_fd]))
        try:
            self._process = subprocess.Popen(
                [*command.arguments, *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                stdout=output.stdout,
                stderr=output.stderr,
                pass_fds=theirs,
                env=command.environment,
                cwd=command.folder,
                process_group=0,  # not reached by Ctrl-C, and killed as a whole
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for fd in (inbox, outbox, life):
                os.close(fd)
            output.close_worker_fds()
        output.start()
        self.pid = self._process.pid
        _live_processes.add(self)

    def kill(self) -> None:
        """At once, with its process group.  Does not block."""
        with self._lock:
            self._kill_group()

    def send_goodbye(self) -> None:
        """Have it end by itself: it has no call."""
        self._start_kill_timer()
        with suppress(OSError):
            self.outbox.write(message_framing.frame_parts(["bye"]))

    def reap(self) -> int:
        """Wait for its end, kill what it left, release everything; the exit code, negative for a signal."""
        self._start_kill_timer()
        with suppress(ChildProcessError):  # other code collects the children of this process
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:  # its number is its own as long as it is not collected, so that no stranger is killed
            self._kill_leftovers()
            code = self._process.wait()
            self._is_reaped = True
            self.output.end()
            self._close_pipes()
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        _live_processes.discard(self)
        return code

    def _start_kill_timer(self) -> None:
        """It may have closed its pipes, or said good-bye, and live on."""
        if self._kill_timer is None:
            self._kill_timer = threading.Timer(SHUTDOWN_SECONDS, self.kill)
            self._kill_timer.daemon = True
            self._kill_timer.start()

    def _kill_group(self) -> None:
        if not self._is_reaped:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _kill_leftovers(self) -> None:
        """Kill what it has left behind; it has ended and is not collected yet."""
        self._kill_group()

    def _close_pipes(self) -> None:
        self.outbox.close()
        for fd in (self.read_fd, self._liveness_fd):
            os.close(fd)
        self.output.close()

    def release(self) -> None:
        """In a fork of the parent: close its pipes, which must not keep the worker alive."""
        if not self._is_reaped:
            self._is_reaped = True
            self.outbox.release()
            for fd in (self.read_fd, self._liveness_fd):
                os.close(fd)
            self.output.release()


_live_processes: Final[WeakSet[ChildProcess]] = WeakSet()


def _after_fork() -> None:
    for process in list(_live_processes):
        process.release()


os.register_at_fork(after_in_child=_after_fork)
