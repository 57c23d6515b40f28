"""Processes of `tests.engine.stopped_processes`, as tests deal with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store

ROOT = Path(__file__).parents[2]
SAFETY_SECONDS = 60.0


def wait_for_two_renewals(url: str, run_id: str) -> None:
    """Returns when a lease of the run was renewed twice more."""
    store, seen = open_store(url), set[int]()
    end = SystemClock().monotonic() + int(SAFETY_SECONDS * 1e6)
    while len(seen) < 3:
        assert SystemClock().monotonic() < end, "nobody renews it"
        seen |= {row.lease_until for row in store.work_of_run(run_id)}
        threading.Event().wait(0.05)  # nobody tells of it
    store.close()


class OtherProcess:
    """A process of `tests.engine.stopped_processes`."""

    def __init__(self, url: str, pipe: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.engine.stopped_processes", url, json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOG": str(pipe), "EFFECTS": str(pipe.with_name("effects"))},
        )
        self._kill_timer = threading.Timer(SAFETY_SECONDS, self.process.kill)
        self._kill_timer.start()
        self._interpreter_pipe = pipe
        self.output_lines: list[str] = []
        self._unread_lines: list[str] = []

    def send_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_for_line(self, prefix: str) -> str:
        """The next line that begins so, of those that nobody has asked for yet; `said` has all of them."""
        assert self.process.stdout is not None
        for line in self._unread_lines:
            if line.startswith(prefix):
                self._unread_lines.remove(line)
                return line
        for line in map(str.strip, self.process.stdout):
            self.output_lines.append(line)
            if line.startswith(prefix):
                return line
            self._unread_lines.append(line)
        raise AssertionError(
            f"it ended with {self.process.wait()} before it said {prefix!r}; it said {self.output_lines}"
        )

    def start_run(self, name: str) -> str:
        self.send_line(f"start {name}")
        return self.wait_for_line("started").split()[1]

    def suspend(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def continue_(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def release_interpreter(self) -> None:
        with self._interpreter_pipe.open("r+b", buffering=0) as pipe:
            pipe.write(b"x")

    def kill(self) -> None:
        self._kill_timer.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_other(url: str, tmp_path: Path) -> Iterator[Callable[..., OtherProcess]]:
    pipe = tmp_path / "hog"
    os.mkfifo(pipe)
    keep = os.open(pipe, os.O_RDWR)
    made: list[OtherProcess] = []

    def start(at: str = url, **options: Any) -> OtherProcess:
        made.append(OtherProcess(at, pipe, **options))
        made[-1].wait_for_line("ready")
        return made[-1]

    yield start
    for other in made:
        other.kill()
    os.close(keep)
