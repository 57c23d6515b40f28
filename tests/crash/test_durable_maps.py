"""Processes killed in the middle of a durable map: another one, with another runner, runs the rest and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdwater.model.map_items import MapItemRow
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.crash.databases import Databases, places
from tests.suite.effort import LONG

__all__ = ["places"]

SCRIPT = """
import asyncio, functools, os, signal, sys, time
from holdwater import AsyncRunner, DaftRunner, Graph, SyncRunner, node
from holdwater.checkpointers import Checkpointer
from holdwater.runners.graphs.durable import checkpointers

# a server cannot see that a process died: only that it does not renew its leases; and dying often is no failure
checkpointers.DriverConfig = functools.partial(checkpointers.DriverConfig, lease_seconds=1, max_crashes_per_task=2)
url, log, kind, count, dies_at = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
if "daft" in sys.argv:
    from holdwater.runners.graphs import daft_runner
    from tests.suite.daft_library import native_daft
    native_daft()
    daft_runner.RECORDED_BATCH_ITEMS = 20
dying = []
log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@node(output_name="y")
def double(x: int) -> int:
    while dying:
        time.sleep(1)
    os.write(log, f"{x}\\n".encode())
    if x == dies_at:
        dying.append(x)
        while checkpointer.engine.store.count_map_items("the-map").ended < dies_at // 2:
            time.sleep(0.001)  # items are written a moment after they end
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x

@node(output_name="z")
def more(y: int) -> int:
    return y + 1

graph = Graph([double, more], name="mapping")
with Checkpointer(url) as checkpointer:
    options = {"max_concurrency": 4} if kind == "async" else {}
    kinds = {"sync": SyncRunner, "async": AsyncRunner, "daft": DaftRunner}
    runner = kinds[kind](checkpointer=checkpointer, **options)
    call = runner.collect_map if kind == "daft" else runner.map
    found = call(graph, {"x": iter(range(count))}, map_over="x", workflow_id="the-map")
    results = asyncio.run(found) if kind == "async" else found
    print(results.status.value, len(results), sum(results["z"]), results.restored_count)
"""


PAIRS = [
    ("sync", "async", "sqlite"), ("async", "sync", "postgresql"), ("daft", "sync", "sqlite"),
    *[
        pytest.param(*pair, marks=LONG)
        for pair in (("sync", "async", "postgresql"), ("async", "sync", "sqlite"), ("async", "daft", "postgresql"))
    ],
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "database"), PAIRS)
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=LONG)])
def test_a_killed_map_is_gone_on_with_by_another_runner(
    places: Databases, tmp_path: Path, count: int, first: str, second: str, database: str
) -> None:
    if "daft" in (first, second):
        pytest.importorskip("daft", reason="needs Daft: pip install 'holdwater[daft]'")
    url, log = places.url(database, "maps"), tmp_path / "log"
    before: list[str] = []
    recorded: list[MapItemRow] = []
    for kind, dies_at in ((first, count // 3), (second, count - 50)):  # killed twice, by the way
        died = run(url, log, kind, count, dies_at)
        assert died.returncode == -signal.SIGKILL, died.stderr
        again = log.read_text().split()[len(before) :]
        assert {row.index for row in recorded}.isdisjoint(map(int, again))
        before += again
        recorded = read_items(url)
        assert {row.index for row in recorded} <= set(map(int, before))
    assert len(recorded) >= (count - 50) // 2
    done = run(url, log, first, count, -1)
    total = sum(2 * x + 1 for x in range(count))
    assert done.stdout == f"completed {count} {total} {len(recorded)}\n", done.stderr
    again = log.read_text().split()[len(before) :]
    assert sorted(map(int, again)) == sorted(set(range(count)) - {row.index for row in recorded})
    store = open_store(url)
    try:
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()


def run(url: str, log: Path, kind: str, count: int, dies_at: int) -> subprocess.CompletedProcess[str]:
    command: list[Any] = [sys.executable, "-c", SCRIPT, url, log, kind, str(count), str(dies_at)]
    return subprocess.run(command, timeout=300, check=False, capture_output=True, text=True, env=dict(os.environ))


def read_items(url: str) -> list[MapItemRow]:
    store, rows = open_store(url), list[MapItemRow]()
    try:
        while page := store.read_map_items("the-map", len(rows) and rows[-1].index + 1, 1000):
            rows += page
    finally:
        store.close()
    return rows
