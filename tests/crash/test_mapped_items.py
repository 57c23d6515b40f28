"""Processes killed in the middle of a mapped task or step: the next one runs the items that are not recorded alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.crash.databases import Databases, places
from tests.suite.effort import LONG

__all__ = ["places"]

SCRIPT = """
import os, signal, sys, time
from holdwater import DefaultRunner, DefaultRunnerConfig, Step, WorkflowBuilder, WorkflowRunner, task
from holdwater.steps import Workflow

face, url, (count, dies_at) = sys.argv[3], sys.argv[1], map(int, sys.argv[4:])
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def double(item):
    os.write(log, f"{item}\\n".encode())
    if item == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item

with WorkflowBuilder("mapping"):
    @task()
    def numbers(context):
        return {"numbers": list(range(count))}

    @task(dependencies=["numbers"], map_over="numbers", map_concurrency=20)
    def doubled(item):
        return double(item)

one = Step.lambda_("double", lambda ctx, config: {"y": double(ctx.params["item"])})
steps = Workflow("steps", [Step.map("doubled", items=list(range(count)), step=one, max_concurrency=20)])

def run_steps():
    with WorkflowRunner(url) as runner:
        done = runner.execute(steps, run_id="r") if dies_at >= 0 else runner.resume("r", workflow=steps)
        return [one["y"] for one in done.context.get_output("doubled", "results")]

if face == "steps":
    print(sum(run_steps()))
    sys.exit()
config = DefaultRunnerConfig(lease_seconds=1, recovery_interval_seconds=1)
with DefaultRunner(url, config=config) as runner:
    handle = runner.submit("mapping", {}, idempotency_key="once")
    print(sum(handle.result(300).final_context["doubled"]))
"""


FACES = [("tasks", "sqlite"), ("tasks", "postgresql"), ("steps", "sqlite")]


@pytest.mark.parametrize(("face", "database"), [*FACES, pytest.param("steps", "postgresql", marks=LONG)])
@pytest.mark.parametrize("count", [100, pytest.param(2_000, marks=LONG)])
def test_only_the_rest_is_run(places: Databases, tmp_path: Path, count: int, face: str, database: str) -> None:
    url, log = places.url(database, "mapping"), tmp_path / "log"
    command = [sys.executable, "-c", SCRIPT, url, str(log), face, str(count)]
    died = subprocess.run([*command, str(2 * count // 3)], timeout=300, check=False)
    assert died.returncode == -signal.SIGKILL
    before, recorded = log.read_text().split(), completed_items(url)
    assert recorded
    assert recorded <= set(before)
    done = subprocess.run([*command, "-1"], timeout=300, check=True, capture_output=True, text=True)
    assert done.stdout == f"{sum(2 * item for item in range(count))}\n"
    again = log.read_text().split()[len(before) :]
    assert sorted(map(int, again)) == sorted(set(range(count)) - set(map(int, recorded)))
    store = open_store(url)
    try:
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()


def completed_items(url: str) -> set[str]:
    """Items whose results are in the journals of their runs."""
    store, found = open_store(url), set()
    try:
        for run in store.iter_runs():
            entries = [entry for row in store.read_journal(run.id) for entry in json.loads(row.entries)]
            if run.parent_id is not None and any(entry[0] == "succeeded" for entry in entries):
                given = entries[0][1]["*"]
                found.add(str((given["set"] if "set" in given else given["params"])["item"]))
    finally:
        store.close()
    return found
