"""Lists, counts and histograms of runs in a large database: median and 95th percentile of each question.

CPU time is that of this process: with SQLite all of it, with PostgreSQL without the server's.

usage: lists.py [--database sqlite|postgresql] [--runs 1000000] [--rounds 20] [--keep FILE]

The runs are of 100 workflows over 90 days: 97 % completed, 2.9 % failed, 0.1 % cancelled, a few open; a tenth are
children; a third have labels.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.durable import postgresql_databases, sqlite_files  # noqa: E402
from holdwater.model.ids import new_run_id  # noqa: E402
from holdwater.model.ports.store import Store  # noqa: E402
from holdwater.model.provenance import encode_labels  # noqa: E402
from holdwater.model.records import RunFilter, RunRow, RunUpdate  # noqa: E402
from holdwater.model.time import Micros, add_seconds, wall_now  # noqa: E402
from holdwater.storage import open_store  # noqa: E402

DAYS = 90
WORKFLOWS = 100
BATCH_RUNS = 5_000
GOAL_MS = 200.0


def make_runs(count: int, end: Micros) -> Iterator[RunRow]:
    dice, begin, parent = random.Random(1), add_seconds(end, -86_400 * DAYS), ""
    step = (end - begin) // count
    for number in range(count):
        born = Micros(begin + number * step)
        luck = dice.random()
        status = "completed" if luck < 0.97 else "failed" if luck < 0.999 else "cancelled"
        if number > count - 20:
            status = "running"
        is_child = number % 10 == 9
        run = RunRow(
            new_run_id(born),
            f"workflow-{int(WORKFLOWS * dice.random() ** 3):02}",
            "tasks",
            "structure",
            "code",
            born,
            status,
            error="TimeoutError: upstream said 502 Bad Gateway" if status == "failed" else None,
            finished_at=None if status == "running" else add_seconds(born, 60 * dice.random()),
            parent_id=parent if is_child else None,
            origin="child" if is_child else "cron" if number % 3 else "cli",
            started_by="schedule:nightly" if number % 3 else "cli:ann",
        )
        if number % 3 == 0:
            labels = {"env": "prod" if number % 2 else "dev", "customer": f"c{int(1000 * dice.random())}"}
            run.labels_json = encode_labels(labels)
        parent = parent if is_child else run.id
        yield run


def fill(store: Store, count: int, end: Micros) -> None:
    batch: list[RunUpdate] = []
    for run in make_runs(count, end):
        batch.append(RunUpdate(run, 0, [], run.created_at, is_new=True))
        if len(batch) == BATCH_RUNS:
            store.commit(batch)
            batch = []
    store.commit(batch)


def questions(store: Store, end: Micros) -> dict[str, Callable[[], object]]:
    def day(ago: float) -> Micros:
        return add_seconds(end, -86_400 * ago)

    top = RunFilter(top_level=True)
    middle = store.list_runs(RunFilter(top_level=True, until=day(DAYS / 2), limit=1))[0]

    def page(**conditions: object) -> Callable[[], object]:
        which = RunFilter(**{"top_level": True, **conditions})  # type: ignore[arg-type]
        return lambda: store.page_runs(which)

    return {
        "newest": page(),
        "newest, with children": page(top_level=False),
        "page in the middle": page(cursor=(middle.created_at, middle.id)),
        "newer page in the middle": page(cursor=(middle.created_at, middle.id), newer=True),
        "rare status (cancelled)": page(status="cancelled"),
        "open": page(statuses=("running", "paused")),
        "not completed": page(excluded_statuses=("completed",)),
        "workflow, frequent": page(workflow="workflow-00"),
        "workflow, rare": page(workflow="workflow-99"),
        "workflow and rare status": page(workflow="workflow-99", status="cancelled"),
        "pattern of workflows, failed": page(workflows=("workflow-1*",), status="failed"),
        "all but a pattern of workflows": page(excluded_workflows=("workflow-0*",)),
        "label, frequent (env=prod)": page(labels={"env": "prod"}),
        "label, rare (customer=c7)": page(labels={"customer": "c7"}),
        "label and rare status": page(labels={"env": "prod"}, status="cancelled"),
        "two labels": page(labels={"env": "prod", "customer": "c7"}),
        "origin": page(origins=("cli",)),
        "origin without runs": page(origins=("trigger",)),
        "ended in the last day": page(ended_since=day(1)),
        "ended in the last day, cancelled": page(ended_since=day(1), status="cancelled"),
        "text, frequent": page(text="502 bad"),
        "text, nowhere": page(text="no such text"),
        "children of a run": page(top_level=False, parent_id=middle.id),
        "counts": lambda: store.count_runs(top),
        "counts of a label": lambda: store.count_runs(RunFilter(top_level=True, labels={"env": "prod"})),
        "counts of a text": lambda: store.count_runs(RunFilter(top_level=True, text="502")),
        "histogram of a day": lambda: store.run_histogram(top, day(1), end, 86_400_000_000 // 60),
        "histogram of everything": lambda: store.run_histogram(top, day(DAYS), end, 86_400_000_000),
    }


def measure(question: Callable[[], object], rounds: int) -> tuple[list[float], float]:
    """Milliseconds of each round, in order; and the median of CPU time in this process."""
    took, busy = [], []
    for _ in range(rounds):
        start, cpu = time.perf_counter(), time.thread_time()
        question()
        took.append(1_000 * (time.perf_counter() - start))
        busy.append(1_000 * (time.thread_time() - cpu))
    return sorted(took), statistics.median(busy)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", help="a SQLite file to fill if it does not exist, and to keep")
    args = parser.parse_args()
    print(f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, {args.database}")
    with sqlite_files() if args.database == "sqlite" else postgresql_databases() as fresh:
        is_kept = args.keep is not None and Path(args.keep).exists()
        url = fresh() if args.keep is None else f"sqlite:///{Path(args.keep).absolute()}"
        end = Micros(1_790_000_000_000_000) if args.keep else wall_now()
        with closing(open_store(url + ("?_synchronous=OFF" if args.database == "sqlite" else ""))) as store:
            if not is_kept:
                start = time.perf_counter()
                fill(store, args.runs, end)
                print(f"{args.runs:,} runs written in {time.perf_counter() - start:.0f} s")
                if args.database == "postgresql":
                    import psycopg

                    with psycopg.connect(url, autocommit=True) as connection:
                        connection.execute("VACUUM ANALYZE")
            print("\n| question | p50 ms | p95 ms | CPU ms | x newest | |\n|---|---|---|---|---|---|")
            base = 0.0
            for name, question in questions(store, end).items():
                took, cpu = measure(question, args.rounds)
                median, late = statistics.median(took), took[int(0.95 * (len(took) - 1))]
                base = base or median
                said = "" if late <= GOAL_MS else "late"
                print(f"| {name} | {median:.1f} | {late:.1f} | {cpu:.1f} | {median / base:.1f} | {said} |")


if __name__ == "__main__":
    main()
