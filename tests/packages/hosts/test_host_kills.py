"""Hosts that are killed at random under load cost attempts, and nothing else (F01)."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.operations import Database, verify_database
from tests.packages.hosted import Load, OpenPool, WritePackage, wait_until
from tests.suite.effort import LONG

SOURCE = """
with WorkflowBuilder("chain"):

    @task(retry_attempts=50, retry_delay_ms=0)
    def first(context):
        time.sleep(0.01)
        context["a"] = context["n"] + 1

    @task(dependencies=["first"], retry_attempts=50, retry_delay_ms=0)
    def second(context):
        time.sleep(0.01)
        context["b"] = context["a"] + 1

    @task(dependencies=["second"], retry_attempts=50, retry_delay_ms=0)
    def third(context):
        context["c"] = context["b"] + 1
"""


@pytest.mark.parametrize(
    ("runs", "kills"), [pytest.param(20, 6, id="quick"), pytest.param(1000, 200, id="long", marks=LONG)]
)
def test_hosts_are_killed_at_random(
    runs: int,
    kills: int,
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    pool = open_pool(max_hosts=3)
    loaded(pool, write_package(SOURCE))
    runner = open_hosted(pool)
    chance = random.Random(runs)
    handles = [runner.submit("chain", {"n": n}) for n in range(runs)]
    killed = 0
    while killed < kills and not all(handle.done() for handle in handles):
        busy = [host for entry in pool._releases.values() for host in entry.hosts if host.running_calls]
        if busy:
            host = chance.choice(busy)
            victim = chance.choice([host.pid, host.host_pid or host.pid])
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            killed += 1
            wait_until(lambda gone=host: gone not in [one for e in pool._releases.values() for one in e.hosts])  # type: ignore[misc]
    results = [handle.result() for handle in handles]
    assert Counter(result.status for result in results) == {"Completed": runs}
    assert [result.final_context["c"] for result in results] == [n + 3 for n in range(runs)]
    assert killed == kills
    assert max(one.attempt_count for result in results for one in result.task_results) > 1
    violations: list[object] = []
    verify_database(Database.of(runner._engine), violations.append)
    assert violations == []
