from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdwater.model.ports.clock import Clock
from holdwater.operations.databases import Database
from tests.suite.runners import define, empty_registry, gate, open_runner, runner, url

__all__ = ["define", "empty_registry", "gate", "open_runner", "runner", "url"]

StartProcess = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Starts a Python process with this code; it is killed at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        script = tmp_path / f"process{len(started)}.py"
        script.write_text(textwrap.dedent(code))
        started.append(subprocess.Popen([sys.executable, str(script)], cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def later(database: Database, seconds: float) -> Database:
    """The database as it is seen so many seconds later, if nothing happens until then."""
    return Database(database.store, _LaterClock(database.clock, seconds), database.runs)  # type: ignore[arg-type]


class _LaterClock:
    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._us = clock, int(seconds * 1e6)

    def now(self) -> int:
        return self._clock.now() + self._us
