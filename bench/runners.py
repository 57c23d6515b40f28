"""One graph by every runner: a single run, many items, many coroutines that wait.

    python bench/runners.py                   # about two minutes
    python bench/runners.py --items 10000

Medians, of processor time except where items wait.  The table of docs/guides/which-runner.md comes from here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "true")  # Daft's telemetry

from holdwater import AsyncRunner, DaftRunner, DefaultRunner, Graph, SyncRunner, node, register_graph

WAIT_SECONDS = 0.01
ROUNDS = 3


@node(output_name="a")
def plus(x: int) -> int:
    return x + 1


@node(output_name="b")
def times(a: int) -> int:
    return a * 2


@node(output_name="c")
def minus(b: int) -> int:
    return b - 3


@node(output_name="page")
async def fetch(x: int) -> int:
    await asyncio.sleep(WAIT_SECONDS)
    return x


CHAIN = Graph([plus, times, minus], name="chain")
FETCH = Graph([fetch], name="fetch")
register_graph(CHAIN)


def measure(function: Callable[[], Any], times_each: int = 1, clock: Callable[[], float] = time.process_time) -> float:
    """Median seconds of one call, after a first one that does not count."""
    function()
    found = []
    for _ in range(ROUNDS):
        begin = clock()
        for _ in range(times_each):
            function()
        found.append((clock() - begin) / times_each)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=1_000)
    options = parser.parse_args()
    numbers, waiting = [*range(options.items)], [*range(options.waiting)]
    sync, awaited, rows = SyncRunner(), AsyncRunner(), DaftRunner()
    print("one run of three nodes")
    show("SyncRunner", measure(lambda: sync.run(CHAIN, x=1), 1000))
    show("AsyncRunner", measure(lambda: asyncio.run(awaited.run(CHAIN, x=1)), 20))
    show("DaftRunner", measure(lambda: rows.run(CHAIN, x=1), 20))
    with tempfile.TemporaryDirectory() as directory, DefaultRunner(f"sqlite:///{directory}/runs.db") as runner:
        show("DefaultRunner on SQLite", measure(lambda: runner.execute("chain", {"x": 1}), 20))
    print(f"{options.items:,} items through three nodes")
    show("SyncRunner", measure(lambda: sync.map(CHAIN, x=numbers, map_over="x")), options.items)
    few = numbers[: max(1, options.items // 10)]
    show(
        "AsyncRunner",
        measure(lambda: asyncio.run(awaited.map(CHAIN, x=few, map_over="x", max_concurrency=100))),
        len(few),
    )
    show(
        "DaftRunner, to a DataFrame", measure(lambda: rows.map(CHAIN, x=numbers, map_over="x").collect()), options.items
    )
    print(f"{options.waiting:,} items through a coroutine function that waits {WAIT_SECONDS * 1000:g} ms, 100 at once")
    show(
        "AsyncRunner",
        measure(
            lambda: asyncio.run(awaited.map(FETCH, x=waiting, map_over="x", max_concurrency=100)), 1, time.perf_counter
        ),
    )
    show("DaftRunner", measure(lambda: rows.map(FETCH, x=waiting, map_over="x").collect(), 1, time.perf_counter))


def show(name: str, seconds: float, items: int = 1) -> None:
    each = f"  {seconds / items * 1e6:8.2f} us an item" if items > 1 else ""
    print(f"  {name:30} {seconds * 1000:10.3f} ms{each}")


if __name__ == "__main__":
    main()
