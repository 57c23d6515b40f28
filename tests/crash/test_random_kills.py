"""A runner killed at random moments under load, again and again: every accepted run ends, nothing is done twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.crash.databases import Databases, places

__all__ = ["places"]

SCRIPT = """
import os, sys
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

with WorkflowBuilder("load"):
    for k in range(6):
        @task(id=f"t{k}", dependencies=[f"t{k - 1}"] if k % 3 else [])
        def body(context, handle):
            os.write(log, f"{handle.idempotency_key}\\n".encode())
            context[handle.task_id] = 1

config = DefaultRunnerConfig(lease_seconds=1, recovery_interval_seconds=1)
with DefaultRunner(sys.argv[1], config=config) as runner:
    handles = [runner.submit("load", {"n": n}, idempotency_key=str(n)) for n in range(int(sys.argv[3]))]
    print("accepted", flush=True)
    assert {h.result().status for h in handles} == {"Completed"}
print("done", flush=True)
"""


def recorded_successes(places: Databases, kind: str) -> set[str]:
    """Keys of the tasks whose success is in a journal."""
    return {f"{run}:{task}" for run, task in places.recorded_results(kind, "load")}


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("sqlite", 8),
        ("postgresql", 4),
        pytest.param("sqlite", 200, marks=pytest.mark.long),
        pytest.param("postgresql", 100, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_killed_at_random(kind: str, kills: int, places: Databases, tmp_path: Path) -> None:
    rng = random.Random(kills)
    script, log, url = tmp_path / "load.py", tmp_path / "effects", places.url(kind, "load").partition("?_")[0]
    script.write_text(textwrap.dedent(SCRIPT))
    runs = 40 * kills
    command = [sys.executable, str(script), url, str(log), str(runs)]
    log.touch()
    for _ in range(kills):
        done = recorded_successes(places, kind)
        before = log.stat().st_size
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            process.wait(rng.uniform(0.1, 0.6))  # the moment of death is what is random here
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with log.open() as effects:
            effects.seek(before)
            again = set(effects.read().split())
        assert not done & again
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout == "accepted\ndone\n"
    assert len(recorded_successes(places, kind)) == 6 * runs
    store = open_store(url)
    try:
        checker = StoreChecker(store, SystemClock().now)
        assert list(checker.find_violations()) == []
        assert checker.counts.runs == runs
    finally:
        store.close()
