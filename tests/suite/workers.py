"""Worker processes on modules that the process of the test cannot import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FLOWS = '''
"""Workflows of all styles; the test's own process cannot import this module."""

import datetime as dt
import enum
import time
from dataclasses import dataclass
from pathlib import Path

from holdwater import (
    END, DefaultRunnerConfig, Graph, Step, StepResult, TaskHandle, Workflow, WorkflowBuilder, interrupt, node,
    register_graph, register_workflow, route, task,
)


class Speed(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Order:
    id: int
    parts: list[str]


with WorkflowBuilder("tasks").description("Tasks that add.").tag("team", "data"):

    @task(retry_attempts=2)
    def add(context):
        """Add one."""
        context["sum"] = context["n"] + 1
        context["order"] = Order(context["n"], [])


with WorkflowBuilder("blocks"):

    @task()
    def block(context, handle: TaskHandle):
        with open("blocked", "a") as log:
            log.write(f"{handle.attempt}\\n")
        while not Path("go").exists() and not (handle.cancelled and context.get("heeds")):
            time.sleep(0.005)
        if context.get("heeds"):
            handle.raise_if_cancelled()


with WorkflowBuilder("fails"):

    @task()
    def fail_until_mended(context):
        if not Path("mended").exists():
            raise ValueError("broken")


def scale(ctx, config):
    return StepResult.ok({"scaled": ctx.get_param("n") * ctx.get_param("factor")})


register_workflow(Workflow("steps", [Step.lambda_("scale", scale)], defaults={"factor": 3}, tags=["one"]))


@node(output_name="shipped")
def ship(order: Order, when: dt.date, speed: Speed = Speed.FAST) -> str:
    """Ship an order."""
    return f"{order} {when!r} {speed}"


@interrupt(answer_name="approved", response_type=bool)
def review(shipped: str) -> str:
    return f"ship {shipped}?"


@node(output_name="done")
def close(approved: bool) -> str:
    return "closed" if approved else "refused"


graph = Graph([ship, review, close], name="graph")  # a worker registers what a module holds


@node(output_name="count")
def increase(count: int, step: int = 1) -> int:
    return count + step


@route(targets=["increase", END])
def again(count: int, limit: int) -> str:
    return END if count >= limit else "increase"


register_graph(Graph([increase, again], name="loop"))

impatient = DefaultRunnerConfig(lease_seconds=1, recovery_interval_seconds=1)
'''


class Worker:
    """A process of `holdwater worker`, once it has said that it is ready."""

    def __init__(self, home: Path, url: str, *arguments: str, flows: str = FLOWS) -> None:
        (home / "client_flows.py").write_text(flows)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDWATER")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "holdwater", "worker", "client_flows", "--database", url, *arguments],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        self.ready_line = self.process.stdout.readline()
        assert self.ready_line.startswith("ready: "), self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait for the end; returns the exit code and what was written to stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


StartWorker = Callable[..., Worker]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return f"sqlite:///{tmp_path}/runs.db" if request.param == "sqlite" else migrated_schema()


@pytest.fixture
def start_worker(tmp_path: Path, database_url: str) -> Iterator[StartWorker]:
    """Starts workers on the database, in the directory of the test; they are gone after it."""
    started: list[Worker] = []

    def start(*arguments: str, flows: str = FLOWS) -> Worker:
        started.append(Worker(tmp_path, database_url, *arguments, flows=flows))
        return started[-1]

    yield start
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
        for pipe in (worker.process.stdout, worker.process.stderr):
            assert pipe is not None
            pipe.close()
