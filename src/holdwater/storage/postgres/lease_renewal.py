"""Control of the child process that renews leases while no thread of this one can: one for all stores of a process.

`lease_renewal_process` is its program, docs/decisions/0017 its reason.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import Any, Final

_PROGRAM_PATH: Final = Path(__file__).with_name("lease_renewal_process.py")


class RenewalProcess:
    """The child process, started by the first message."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._parent_pid = 0

    def send(self, message: dict[str, Any]) -> None:
        """Send a message without waiting for a process that does not read; a dead process is replaced."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            for _ in range(2):
                try:
                    os.write(self._stdin_fd(), line)
                except BlockingIOError:  # it was stopped (SIGSTOP); once continued it renews by the last message
                    return
                except BrokenPipeError:
                    self.kill()
                else:
                    return

    def _stdin_fd(self) -> int:
        if self._process is None or self._parent_pid != os.getpid():
            self._process, self._parent_pid = self._start_process(), os.getpid()
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def _start_process(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM_PATH)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdin is not None
        pipe = process.stdin.fileno()
        os.write(pipe, json.dumps({"path": [str(part) for part in sys.path]}).encode() + b"\n")
        os.set_blocking(pipe, False)
        return process

    def kill(self) -> None:
        """Kill the process, unless a parent of this one started it."""
        process, self._process = self._process, None
        if process is not None and self._parent_pid == os.getpid():
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.communicate()


_renewal_process: Final = RenewalProcess()
atexit.register(_renewal_process.kill)


class PostgresRenewal:
    """Renewal of one owner's leases by the child process."""

    def __init__(self, owner: str, lease_us: int, parameters: dict[str, str], settings: list[str], text: str) -> None:
        """Describe the leases.

        `parameters`: of the connection.  `settings`: statements that begin the session.  `text`: the statement that
        renews, with an instant (µs) and the owner as parameters.
        """
        self._owner: Final = owner
        self._request: Final = {
            "owner": owner, "lease_us": lease_us, "parameters": parameters, "settings": settings, "statement": text,
        }  # fmt: skip

    def note_renewed(self, offset_us: int) -> None:
        """Report that the leases were renewed now; the process acts if no such report follows within half a lease.

        `offset_us`: instants minus the monotonic clock, µs.
        """
        _renewal_process.send({**self._request, "offset_us": offset_us})

    def stop(self) -> None:
        """Report that the owner holds no leases."""
        _renewal_process.send({"owner": self._owner})
