"""Processes killed while bodies wait for child runs: each call has its own child, and each child is done once."""

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
from tests.suite.waiting import poll_pause

__all__ = ["places"]

SCRIPT = """
import asyncio, os, random, sys
from concurrent.futures import ThreadPoolExecutor
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import ProcessExecutor, Router

url, log, count = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT), int(sys.argv[3])

with WorkflowBuilder("leaf"):
    @task()
    def leaf(context, handle):
        os.write(log, f"{handle.idempotency_key}\\n".encode())
        context["got"] = context["n"]

def shuffled():
    numbers = list(range(count))
    random.shuffle(numbers)  # who asks first is another one in each life
    return numbers

with WorkflowBuilder("threads"):
    @task()
    def threads(context, handle):
        numbers, base = shuffled(), context["base"]
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda n: handle.execute("leaf", {"n": base + n}).final_context["got"], numbers))
        assert got == [base + n for n in numbers], (got, numbers)
        context["sum"] = sum(got)

with WorkflowBuilder("root"):
    @task()
    async def root(context, handle):
        numbers = shuffled()
        leaves = [handle.execute_async("leaf", {"n": n}) for n in numbers]
        below = [handle.execute_async("threads", {"base": 1000 * k}) for k in (1, 2)]
        found = await asyncio.gather(*leaves, *below)
        got = [result.final_context["got"] for result in found[:count]]
        assert got == numbers, (got, numbers)
        context["sum"] = sum(got) + sum(result.final_context["sum"] for result in found[count:])

parents = {
    "threads": {},
    "processes": {
        "executors": {"cpu": ProcessExecutor(2)},
        "routing": Router([("**::leaf::**", "default"), ("**", "cpu")]),
    },
}[sys.argv[4]]
config = DefaultRunnerConfig(
    max_concurrent_tasks=2, lease_seconds=1, recovery_interval_seconds=1, max_crashes_per_task=1000, **parents
)
with DefaultRunner(url, config=config) as runner:
    result = runner.submit("root", idempotency_key="once").result()
    print(result.status, result.final_context.to_dict().get("sum"), result.error_message)
"""


@pytest.mark.parametrize(
    ("kind", "kills", "parents"),
    [
        ("sqlite", 5, "threads"),
        ("sqlite", 3, "processes"),
        ("postgresql", 3, "threads"),
        pytest.param("sqlite", 60, "threads", marks=[pytest.mark.long, pytest.mark.timeout(600)]),
        pytest.param("sqlite", 40, "processes", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
        pytest.param("postgresql", 40, "threads", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_killed_while_children_run(kind: str, kills: int, parents: str, places: Databases, tmp_path: Path) -> None:
    rng, count = random.Random(kills), 10 * kills
    script, log = tmp_path / "family.py", tmp_path / "effects"
    script.write_text(textwrap.dedent(SCRIPT))
    log.touch()
    url = places.url(kind, "family").partition("?_")[0]
    command = [sys.executable, str(script), url, str(log), str(count), parents]

    def keys(from_byte: int = 0) -> list[str]:
        with log.open() as effects:
            effects.seek(from_byte)
            return effects.read().split()

    def done() -> set[str]:
        return {f"{run}:{task}" for run, task in places.recorded_results(kind, "family") if task == "leaf"}

    for _ in range(kills):
        recorded, size = done(), log.stat().st_size
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while process.poll() is None and len(keys(size)) < rng.randrange(1, 30):  # bounded by the test's time-out
            poll_pause()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not recorded & set(keys(size)), "what is recorded is never done again"
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120)
    total = sum(1000 * k * count for k in (0, 1, 2)) + 3 * sum(range(count))
    assert finished.stdout.splitlines() == [f"Completed {total} None"], finished.stderr
    store = open_store(url)
    try:
        runs = list(store.iter_runs())
        assert len(runs) == 1 + 2 + 3 * count, "one child for each call"
        assert {run.status for run in runs} == {"completed"}
        assert len(done()) == 3 * count
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()
