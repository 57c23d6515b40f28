"""A body that was running in crashed processes runs alone: it waits for the others, and none begins beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle
from holdwater.model.records import WorkRow
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]
OPTIONS: dict[str, Any] = {"max_crashes_per_task": 2, "lease_seconds": 1, "recovery_interval_seconds": 1}
CRASHING_SCRIPT = """
import os, signal, sys
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
with WorkflowBuilder("suspect"):
    @task(id="a")
    def a(context):
        os.kill(os.getpid(), signal.SIGKILL)
config = DefaultRunnerConfig(max_crashes_per_task=2, lease_seconds=1)
with DefaultRunner.with_config(sys.argv[1], config) as runner:
    runner.execute("suspect", idempotency_key="it")
"""


class SuspectScene:
    """A runner whose slots are free but for one that is held, and a run whose last process died while it ran."""

    def __init__(self, url: str, open_runner: Open, define: Define, gate: Gate) -> None:
        self.gate, self.open_runner = gate, open_runner
        self.events: list[str] = []
        self.suspect_started = threading.Event()
        self.suspect_function: Callable[[Context, TaskHandle], None] = lambda context, handle: None
        define("hold", ("a", self.hold, {}))
        define("suspect", ("a", self.suspect, {}))
        define("trivial", ("a", lambda context: self.events.append("trivial"), {}))
        self.runner = open_runner(**OPTIONS)
        self.held_run = self.runner.submit("hold")
        gate.wait_started()
        done = subprocess.run([sys.executable, "-c", CRASHING_SCRIPT, url], check=False)
        assert done.returncode == -signal.SIGKILL
        (run,) = [run for run in self.runner.list_runs() if run.workflow_name == "suspect"]
        self.run: WorkflowHandle = self.runner.handle(run.run_id)
        while self.row().owner != self.runner._engine.driver.owner:  # bounded by the test's time-out
            poll_pause()

    def row(self) -> WorkRow:
        (row,) = self.runner._engine.store.work_of_run(self.run.run_id)
        return row

    def hold(self, context: Context) -> None:
        self.gate()
        self.events.append("hold")

    def suspect(self, context: Context, handle: TaskHandle) -> None:
        self.events.append("suspect")
        self.suspect_started.set()
        self.suspect_function(context, handle)


@pytest.fixture
def scene(url: str, open_runner: Open, define: Define, gate: Gate) -> SuspectScene:
    return SuspectScene(url, open_runner, define, gate)


def test_a_suspect_waits_for_running_tasks_and_others_wait_for_it(scene: SuspectScene) -> None:
    active: list[int] = []
    rows: list[WorkRow] = []

    def body(context: Context, handle: TaskHandle) -> None:
        active.append(scene.runner.executor_metrics()["default"].active_tasks)
        rows.append(scene.row())

    scene.suspect_function = body
    trivial = scene.runner.submit("trivial")
    assert [row.owner for row in scene.runner._engine.store.work_of_run(trivial.run_id)] == [None]
    assert not scene.row().started
    scene.gate.open.set()
    assert scene.run.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert trivial.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert (active, [row.started for row in rows]) == ([1], [True])
    assert scene.events == ["hold", "suspect", "trivial"]


def test_another_runner_executes_the_queued_work(scene: SuspectScene) -> None:
    trivial = scene.runner.submit("trivial")
    scene.open_runner(**OPTIONS)
    assert trivial.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert scene.events == ["trivial"]


@pytest.mark.parametrize("how", ["cancel", "pause"])
def test_a_cancelled_or_paused_suspect_does_not_block_others(scene: SuspectScene, how: str) -> None:
    trivial = scene.runner.submit("trivial")
    getattr(scene.runner, how)(scene.run.run_id)
    assert trivial.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert scene.events == ["trivial"]
    if how == "pause":
        scene.runner.resume(scene.run.run_id)
        scene.gate.open.set()
        assert scene.run.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert scene.events == ["trivial", "hold", "suspect"]


def test_a_suspect_may_wait_for_a_child_run(scene: SuspectScene) -> None:
    def inner(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        scene.events.append("child")
        return {}

    register_workflow(Workflow("apart-child", [Step.lambda_("a", inner)]))
    scene.suspect_function = lambda context, handle: scene.events.append(handle.execute("apart-child").status)
    scene.gate.open.set()
    assert scene.run.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert scene.events == ["hold", "suspect", "child", "Completed"]


def test_an_abandoned_suspect_no_longer_blocks_others(url: str, open_runner: Open, define: Define, gate: Gate) -> None:
    scene = SuspectScene(url, lambda **options: open_runner(**options, cancel_grace_seconds=0), define, gate)
    release = threading.Event()

    def body(context: Context, handle: TaskHandle) -> None:
        release.wait(SIGNAL_TIMEOUT_SECONDS)

    scene.suspect_function = body
    scene.gate.open.set()
    assert scene.suspect_started.wait(SIGNAL_TIMEOUT_SECONDS)
    trivial = scene.runner.submit("trivial")
    scene.runner.cancel(scene.run.run_id)  # its body does not heed that
    assert trivial.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    release.set()
