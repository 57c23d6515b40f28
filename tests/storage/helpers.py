"""Helper processes: each runs a script, says lines on its output and obeys lines on its input."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class ScriptProcess:
    """A running script.  `hear` waits for its next line, `tell` sends it one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def write_line(self, line: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def suspend(self) -> None:
        """Send SIGSTOP, and return when nothing of it runs any more."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)


@contextmanager
def run_script(script: str, *arguments: str) -> Iterator[ScriptProcess]:
    """Run a script in a Python of its own; at the end of the block it is waited for, or killed if that fails."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield ScriptProcess(process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)
        finally:
            process.kill()
