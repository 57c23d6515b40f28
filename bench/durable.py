"""Penstock beside DBOS on SQLite, alternating in one run; prints a table of medians and ratios.

usage: durable.py --dbos PYTHON [--case one,chain,...] [--setting shipped,tuned] [--rounds 3]
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
from pathlib import Path

HERE = Path(__file__).parent
UNITS = {"one": "ms", "threads": "workflows/s", "chain": "ms", "fan": "ms", "big": "ms", "cold": "s", "idle": "CPU s"}
HIGHER_IS_BETTER = {"threads"}
ROUNDS_AT_MOST = {"idle": 1, "grown": 1}


def measure(python: str, peer: str, setting: str, case: str) -> float:
    directory = tempfile.mkdtemp(prefix=f"bench-{peer}-")
    try:
        start = time.perf_counter()
        done = subprocess.run(
            [python, str(HERE / "peers" / "cases.py"), peer, setting, case, directory],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        took = time.perf_counter() - start
        if done.returncode or not done.stdout.strip():
            raise SystemExit(f"{peer} {setting} {case} failed:\n{done.stderr[-2000:]}")
        return took if case == "cold" else float(json.loads(done.stdout)["value"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dbos", required=True, help="a Python that has dbos installed")
    parser.add_argument("--case", default="one,threads,chain,fan,big,cold,idle,grown")
    parser.add_argument("--setting", default="shipped,tuned")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(
        f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}\n\n"
        "| case | setting | unit | Penstock | DBOS | ratio |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for case in args.case.split(","):
        for setting in args.setting.split(","):
            ours, theirs = [], []
            for _ in range(min(args.rounds, ROUNDS_AT_MOST.get(case, args.rounds))):
                ours.append(measure(sys.executable, "penstock", setting, case))
                theirs.append(measure(args.dbos, "dbos", setting, case))
            a, b = statistics.median(ours), statistics.median(theirs)
            ratio = a / b if b else float("nan")
            unit = UNITS.get(case, "x its own")
            print(f"| {case} | {setting} | {unit} | {a:.4g} | {b:.4g} | {ratio:.3g} |", flush=True)


if __name__ == "__main__":
    main()
