"""A directory with a module of workflows, and a way to call `holdwater` in it."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import holdwater.cli
from tests.suite.forking import ForkServer

PRELOADED_MODULES = [
    *(f"holdwater.cli.{module.name}" for module in pkgutil.iter_modules(holdwater.cli.__path__)),
    "holdwater.runners.tasks.default_runner",
    "holdwater.storage.sqlite.store",
    "holdwater.storage.postgres.store",
    "shutil",
]

FLOWS = '''
"""Workflows that do as their context says, and note in effects.log what they did."""

import time
from pathlib import Path

from holdwater import RetryPolicy, WorkflowBuilder, task


def effect(context, name):
    with open("effects.log", "a") as log:
        log.write(name + "\\n")


def block(context):
    """Say that the body runs, and wait for the file `go`."""
    Path("blocked").touch()
    while not Path("go").exists():
        time.sleep(0.005)


with WorkflowBuilder("sums"):

    @task()
    def first(context):
        print("a user's print")
        context["x"] = context.get("x", 1) + 1

    @task(dependencies=[first])
    def second(context):
        context["y"] = context["x"] * 2


with WorkflowBuilder("fails"):

    @task(retry_attempts=1)
    def broken(context):
        raise ValueError("no [red]luck[/red] \\x1b]0;owned\\x07\\nsecond line")

    @task(dependencies=[broken])
    def never(context):
        pass


with WorkflowBuilder("waits"):

    @task()
    def one(context):
        effect(context, "one")

    @task(dependencies=[one])
    def two(context):
        effect(context, "two")
        block(context)

    @task(dependencies=[two])
    def three(context):
        effect(context, "three")
        context["done"] = True
'''


class Shell:
    """Calls `holdwater` in a directory."""

    def __init__(self, home: Path, interpreter: ForkServer) -> None:
        self.home = home
        self._interpreter = interpreter
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {
            k: v for k, v in os.environ.items() if not k.startswith("HOLDWATER") and k not in ("NO_COLOR", "COLUMNS")
        }
        self.environment["PYTHONIOENCODING"] = "utf-8"

    def __call__(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        if not self._interpreter.matches_environment(self.environment):
            return self.run_fresh(*arguments, stdin=stdin)
        return self._interpreter.run(
            "-m", "holdwater", *arguments, cwd=self.home, env=self.environment, stdin_text=stdin, timeout=120
        )

    def run_fresh(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The same in an interpreter that starts for it."""
        return subprocess.run(
            [sys.executable, "-m", "holdwater", *arguments],
            cwd=self.home,
            env=self.environment,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "holdwater", *arguments],
            cwd=self.home,
            env=self.environment,
            encoding="utf-8",
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )
        self.processes.append(process)
        return process

    def wait_until(self, condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Wait for a sign in the file system from a process that must not end before it gives it."""
        give_up = time.monotonic() + 60
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.002)

    def read_effects(self) -> list[str]:
        return (self.home / "effects.log").read_text().split()

    def close(self) -> None:
        """End the processes that are left."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def release_tasks(self) -> None:
        """Let the bodies go on that wait for a sign."""
        (self.home / "go").touch()


@pytest.fixture(scope="session")
def interpreter() -> Iterator[ForkServer]:
    """Has imported the command line, and forks for each call."""
    made = ForkServer(PRELOADED_MODULES)
    yield made
    made.close()


@pytest.fixture
def shell(tmp_path: Path, interpreter: ForkServer) -> Iterator[Shell]:
    (tmp_path / "flows.py").write_text(FLOWS)
    made = Shell(tmp_path, interpreter)
    yield made
    made.close()
