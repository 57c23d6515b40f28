"""Holdwater beside its peers on one database, alternating in one run; prints a table of medians and ratios.

usage: durable.py [--database sqlite|postgresql] [--dbos PYTHON] [--procrastinate PYTHON]
                  [--case one,chain,...] [--setting shipped,tuned] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
UNITS = {
    "one": "ms", "threads": "workflows/s", "two": "workflows/s", "chain": "ms", "fan": "ms", "big": "ms", "cold": "s",
    "idle": "CPU s", "statements": "transactions/s",
}  # fmt: skip
CASES = {
    "sqlite": "one,threads,chain,fan,big,cold,idle,grown",
    "postgresql": "one,threads,two,chain,fan,big,cold,idle,statements,grown",
}
CANNOT = {"procrastinate": {"grown"}}
"""a finished job leaves nothing its next ones could stumble over"""
ROUNDS_AT_MOST = {"idle": 1, "statements": 1, "grown": 1}

Fresh = Callable[[], str]
"""makes an empty database and gives its URL"""


@contextmanager
def sqlite_files() -> Iterator[Fresh]:
    directory = tempfile.mkdtemp(prefix="bench-")
    made = iter(range(1 << 30))
    try:
        yield lambda: f"sqlite:///{directory}/{next(made)}.db"
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def postgresql_databases() -> Iterator[Fresh]:
    """On one server of its own that writes to disk before it answers."""
    import psycopg

    sys.path.insert(0, str(HERE.parent))
    from tests.postgres.cluster import Cluster

    made = iter(range(1 << 30))
    with Cluster(durable=True) as server:

        def fresh() -> str:
            name = f"bench{next(made)}"
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(f"create database {name}")
            return server.url(name)

        yield fresh


def measure(python: str, peer: str, setting: str, case: str, url: str) -> float:
    with tempfile.NamedTemporaryFile(prefix="bench-tally-") as tally:
        environment = {**os.environ, "BENCH_TALLY": tally.name} if case == "two" else dict(os.environ)
        start = time.perf_counter()
        done = subprocess.run(
            [python, str(HERE / "peers" / "cases.py"), peer, setting, case, url],
            capture_output=True, text=True, timeout=300, check=False, env=environment,
        )  # fmt: skip
        took = time.perf_counter() - start
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"{peer} {setting} {case} failed:\n{done.stderr[-2000:]}")
    if "ran twice" in done.stderr:
        print(f"  {peer}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return took if case == "cold" else float(json.loads(done.stdout)["value"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=CASES, default="sqlite")
    parser.add_argument("--dbos", help="a Python that has dbos installed")
    parser.add_argument("--procrastinate", help="a Python that has procrastinate installed (PostgreSQL only)")
    parser.add_argument("--case")
    parser.add_argument("--setting", default="shipped,tuned")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    pythons = {"dbos": args.dbos, "procrastinate": args.procrastinate if args.database == "postgresql" else None}
    peers = {name: python for name, python in pythons.items() if python}
    print(
        f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{f'SQLite {sqlite3.sqlite_version}' if args.database == 'sqlite' else 'PostgreSQL'}\n\n"
        f"| case | setting | unit | Holdwater | {' | '.join(f'{p} | ratio' for p in peers)} |\n"
        f"|---|---|---|---{'|---|---' * len(peers)}|",
        flush=True,
    )
    with sqlite_files() if args.database == "sqlite" else postgresql_databases() as fresh:
        for case in (args.case or CASES[args.database]).split(","):
            for setting in args.setting.split(","):
                pick: dict[str, list[float]] = {
                    "holdwater": [],
                    **{p: [] for p in peers if case not in CANNOT.get(p, ())},
                }
                for _ in range(min(args.rounds, ROUNDS_AT_MOST.get(case, args.rounds))):
                    for peer, figures in pick.items():
                        python = peers.get(peer, sys.executable)
                        figures.append(measure(python, peer, setting, case, fresh()))
                medians = {peer: statistics.median(figures) for peer, figures in pick.items()}
                ours = medians["holdwater"]
                cells = [f"{ours:.4g}"]
                for p in peers:
                    theirs = medians.get(p)
                    cells += ["", ""] if theirs is None else [f"{theirs:.4g}", f"{ours / theirs:.3g}" if theirs else ""]
                print(f"| {case} | {setting} | {UNITS.get(case, 'x its own')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
