"""Durable maps: time and memory by the number of items, in the first call and in one that finds everything recorded.

    python bench/maps.py                                    # SQLite, 10,000 and 100,000 items
    python bench/maps.py --url postgresql://localhost/bench --items 100000

Each row is measured in a process of its own.  Memory is the growth of the peak of its resident set (ru_maxrss) while
the map runs, or while all results are iterated over; items come from a generator.  `in memory`: `map` without a
`workflow_id`, which holds all its results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from holdwater import AsyncRunner, Graph, SyncRunner, node
from holdwater.checkpointers import Checkpointer

COUNTS = (10_000, 100_000)


@node(output_name="y")
def double(x: int, factor: int) -> int:
    return factor * x


@node(output_name="z")
def describe(y: int) -> dict[str, Any]:
    return {"value": y, "text": f"item {y}"}


GRAPH = Graph([double, describe], name="bench")


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def map_items(kind: str, checkpointer: Checkpointer | None, count: int, run_id: str | None) -> Any:
    options: dict[str, Any] = {"map_over": "x", "workflow_id": run_id}
    if kind == "sync":
        return SyncRunner(checkpointer=checkpointer).map(GRAPH, {"x": numbers(count), "factor": 2}, **options)
    runner = AsyncRunner(checkpointer=checkpointer)
    return asyncio.run(runner.map(GRAPH, {"x": numbers(count), "factor": 2}, **options))


def measure(kind: str, url: str, count: int, run_id: str) -> dict[str, float]:
    """Measure one case, in this process."""
    checkpointer = Checkpointer(url) if url else None
    if checkpointer is not None:
        map_items(kind, checkpointer, 10, f"warm-{uuid4().hex}")
    else:
        map_items(kind, None, 10, None)
    before, started = peak_megabytes(), time.perf_counter()
    results = map_items(kind, checkpointer, count, run_id if url else None)
    mapped, peak = time.perf_counter() - started, peak_megabytes() - before
    started = time.perf_counter()
    total = sum(one["z"]["value"] for one in results)
    read = time.perf_counter() - started
    assert total == count * (count - 1)
    made = {"seconds": mapped, "megabytes": peak, "read_seconds": read, "read_megabytes": peak_megabytes() - before}
    if checkpointer is not None:
        checkpointer.close()
    return made


def in_process(*arguments: str) -> dict[str, float]:
    """Measure a case in a process of its own."""
    command = [sys.executable, __file__, "--case", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="", help="of a database; by default a new SQLite file")
    parser.add_argument("--items", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        kind, url, count, run_id = given.case
        print(json.dumps(measure(kind, url, int(count), run_id)))
        return
    print(f"{'items':>8}  {'case':<28}{'s':>7}{'items/s':>10}{'MB':>7}   {'reading s':>9}{'MB':>7}")
    with tempfile.TemporaryDirectory() as directory:
        url = given.url or f"sqlite:///{directory}/maps.db"
        for count in given.items:
            ids = {kind: uuid4().hex for kind in ("sync", "async")}
            for kind, case, where in (
                ("sync", "in memory", ""), ("sync", "recorded", url), ("async", "recorded before", url),
                ("async", "in memory", ""), ("async", "recorded", url), ("sync", "recorded before", url),
            ):  # fmt: skip
                other = {"sync": "async", "async": "sync"}[kind]
                found = in_process(kind, where, str(count), ids[other if case == "recorded before" else kind])
                print(
                    f"{count:>8}  {kind + ', ' + case:<28}{found['seconds']:>7.2f}{count / found['seconds']:>10,.0f}"
                    f"{found['megabytes']:>7.1f}   {found['read_seconds']:>9.2f}{found['read_megabytes']:>7.1f}"
                )


if __name__ == "__main__":
    main()
