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


def renewed(url: str, run_id: str) -> None:
    """Returns when a lease of the run was renewed twice more."""
    store, seen = open_store(url), set[int]()
    end = SystemClock().steady() + int(SAFETY_SECONDS * 1e6)
    while len(seen) < 3:
        assert SystemClock().steady() < end, "nobody renews it"
        seen |= {row.lease_until for row in store.work(run_id)}
        threading.Event().wait(0.05)  # nobody tells of it
    store.close()


class Other:
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
        self._deadline = threading.Timer(SAFETY_SECONDS, self.process.kill)
        self._deadline.start()
        self._pipe = pipe
        self.said: list[str] = []
        self._heard: list[str] = []

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self, word: str) -> str:
        """The next line that begins so, of those that nobody has asked for yet; `said` has all of them."""
        assert self.process.stdout is not None
        for line in self._heard:
            if line.startswith(word):
                self._heard.remove(line)
                return line
        for line in map(str.strip, self.process.stdout):
            self.said.append(line)
            if line.startswith(word):
                return line
            self._heard.append(line)
        raise AssertionError(f"it ended with {self.process.wait()} before it said {word!r}; it said {self.said}")

    def start(self, name: str) -> str:
        self.tell(f"start {name}")
        return self.hear("started").split()[1]

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def let_interpreter_go(self) -> None:
        with self._pipe.open("r+b", buffering=0) as pipe:
            pipe.write(b"x")

    def end(self) -> None:
        self._deadline.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_other(url: str, tmp_path: Path) -> Iterator[Callable[..., Other]]:
    pipe = tmp_path / "hog"
    os.mkfifo(pipe)
    keep = os.open(pipe, os.O_RDWR)
    made: list[Other] = []

    def start(at: str = url, **options: Any) -> Other:
        made.append(Other(at, pipe, **options))
        made[-1].hear("ready")
        return made[-1]

    yield start
    for other in made:
        other.end()
    os.close(keep)
