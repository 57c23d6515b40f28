"""A workflow of very many steps that do next to nothing, beside a plain loop and DBOS; the best round counts.

usage: steps.py [--dbos PYTHON] [--steps 10000] [--rounds 3]

Alternating in one run, each side in a process of its own.  `memory` keeps nothing; `shipped` and `tuned` record every
step in SQLite, with synchronous=FULL (DBOS: as it installs) and both with WAL and synchronous=NORMAL.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parent / "peers"


def plain(setting: str, url: str, steps: int) -> Callable[[], object]:
    calls: list[Callable[[dict[str, int]], dict[str, int]]] = [lambda params: {"n": params["n"] + 1}] * steps

    def run() -> int:
        params = {"n": 0}
        for call in calls:
            params.update(call(params))
        return params["n"]

    return run


def holdwater(setting: str, url: str, steps: int) -> Callable[[], object]:
    from holdwater.runners.steps import WorkflowRunner
    from holdwater.steps import Step, StepResult, Workflow

    def count(context: Any, config: Any) -> Any:
        return StepResult.ok(context_updates={"n": context.params["n"] + 1})

    workflow = Workflow(name="steps", steps=[Step.lambda_(f"s{i}", count) for i in range(steps)])
    runner = WorkflowRunner({"memory": None, "shipped": url, "tuned": f"{url}?_synchronous=NORMAL"}[setting])
    return lambda: runner.execute(workflow, params={"n": 0}).context.params["n"]


def dbos(setting: str, url: str, steps: int) -> Callable[[], object]:
    sys.path.insert(0, str(PEERS))
    from dbos import DBOS
    from dbos_adapter import Adapter

    @DBOS.step()
    def count(n: int) -> int:
        return n + 1

    @DBOS.workflow()
    def workflow(n: int) -> int:
        for _ in range(steps):
            n = count(n)
        return n

    Adapter(setting, url).start()
    return lambda: workflow(0)


SYSTEMS = {"plain": plain, "holdwater": holdwater, "dbos": dbos}
ROWS = {"memory": ("holdwater", "plain"), "shipped": ("holdwater", "dbos"), "tuned": ("holdwater", "dbos")}


def child(system: str, setting: str, steps: int) -> None:
    """Print microseconds per step."""
    stdout = os.dup(1)
    os.dup2(2, 1)  # some systems print
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        run = SYSTEMS[system](setting, f"sqlite:///{directory}/steps.db", steps)
        start = time.perf_counter()
        result = run()
        took = time.perf_counter() - start
        if result != steps:
            raise SystemExit(f"{system} came to {result!r}")
    os.write(stdout, (json.dumps(took / steps * 1e6) + "\n").encode())
    os._exit(0)


def measure(python: str, system: str, setting: str, steps: int) -> float:
    command = [python, __file__, "--steps", str(steps), "--child", system, setting]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode or not done.stdout.strip():
        raise SystemExit(f"{system} {setting} failed:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dbos", help="a Python that has dbos installed")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        system, setting = args.child
        child(system, setting, args.steps)
    print(
        f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}, {args.steps:,} steps\n\n"
        "| setting | Holdwater us per step | beside | us per step | ratio |\n|---|---|---|---|---|",
        flush=True,
    )
    for setting, systems in ROWS.items():
        pythons = {s: args.dbos if s == "dbos" else sys.executable for s in systems}
        pick: dict[str, list[float]] = {s: [] for s, python in pythons.items() if python}
        for _ in range(args.rounds):
            for system, figures in pick.items():
                figures.append(measure(pythons[system], system, setting, args.steps))
        ours = min(pick["holdwater"])
        cells = [f"{ours:.4g}"]
        for system in systems[1:]:
            theirs = min(pick[system]) if system in pick else None
            cells += [system, "", ""] if theirs is None else [system, f"{theirs:.4g}", f"{ours / theirs:.3g}"]
        print(f"| {setting} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
