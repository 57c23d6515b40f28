"""`holdwater dev` in a process of its own, and source to serve."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

FLOWS = """
import time
from pathlib import Path

import numbers_of_shop
from holdwater import WorkflowBuilder, task

FOLDER = Path({folder!r})

with WorkflowBuilder("orders"):

    @task(retry_attempts=1)
    def load(context):
        context["n"] = numbers_of_shop.N
        if context.get("waits"):
            (FOLDER / "waiting").touch()
            while not (FOLDER / "go").exists():
                time.sleep(0.005)

    @task(dependencies=["load"], retry_attempts=1)
    def double(context):
        context["doubled"] = 2 * context["n"] / context.get("by", 1)
"""


class DevProcess:
    """A running `holdwater dev`, and the lines it has written."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._seen = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append("<the end>")
            self._changed.notify_all()

    def wait_for(self, pattern: str) -> str:
        """Wait for a line, behind the one waited for before; returns it."""
        with self._changed:
            while True:
                while self._seen < len(self.lines):
                    line = self.lines[self._seen]
                    self._seen += 1
                    if re.search(pattern, line):
                        return line
                    assert line != "<the end>", "\n".join(self.lines)
                assert self._changed.wait(SIGNAL_TIMEOUT_SECONDS), "\n".join(self.lines)

    @property
    def link(self) -> str:
        """The link to the web UI."""
        return next(word for line in self.lines for word in line.split() if word.startswith("http://"))

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(SIGNAL_TIMEOUT_SECONDS)
        self._thread.join(SIGNAL_TIMEOUT_SECONDS)
        return code


StartDev = Callable[..., DevProcess]


@contextmanager
def dev_starter(folder: Path) -> Iterator[StartDev]:
    """Starts `holdwater dev ARGUMENTS` in a folder with the module `flows`; kills what is left at the end."""
    write_flows(folder)
    with ExitStack() as started:

        def start(*arguments: str) -> DevProcess:
            process = subprocess.Popen(
                [sys.executable, "-m", "holdwater", "dev", *arguments, "--no-open", "--port", "0"],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            )
            started.callback(_end, process)
            return DevProcess(process)

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def write_flows(folder: Path, number: str = "21") -> None:
    (folder / "flows.py").write_text(FLOWS.format(folder=str(folder)), encoding="utf-8")
    (folder / "numbers_of_shop.py").write_text(f"N = {number}\n", encoding="utf-8")
