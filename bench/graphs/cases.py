"""The cases, the same for every system.  Run in the system's own interpreter: `python cases.py SYSTEM CASE N`.

An adapter module has IMPORTS, statements to time, and an `Adapter` with any of chain(n), fan(n), map(n), cycle(n) and
sleep(n, sleep_seconds, at_once): each builds a graph and returns a function of no arguments that runs it.  Prints one
line of JSON: `first`, seconds until the first result, and `us`, per node in the best run (sleep: ms in all); nothing
for a case the system does not have; or what went wrong.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import sources

SLEEP_S = 0.010
AT_ONCE = 100
BUDGET_S = 2.0
"""how long a case is repeated"""
EXPECTED: dict[str, Callable[[int], object]] = {
    "chain": lambda n: n,
    "fan": lambda n: sum(1 + i for i in range(n)),
    "map": lambda n: [3 * (i + 1) for i in range(n)],
    "cycle": lambda n: n,
    "sleep": lambda n: n * (n - 1) // 2,
}
NODES: dict[str, Callable[[int], int]] = {
    "chain": lambda n: n,
    "fan": lambda n: n + 1,
    "map": lambda n: 3 * n,
    "cycle": lambda n: 2 * n,
    "sleep": lambda n: 1000,  # so that the unit is ms in all
}

SOURCES: dict[str, Callable[[int], object]] = {
    "chain": sources.chain,
    "fan": sources.fan,
    "map": lambda n: sources.three(),
    "cycle": lambda n: None,
    "sleep": lambda n: sources.sleepers(n, SLEEP_S),
}


def best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of some runs."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 2 or (time.perf_counter() - began < BUDGET_S and len(times) < 200):
        gc.collect()
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(adapter: Any, case: str, n: int) -> dict[str, float]:
    make = getattr(adapter, case)
    SOURCES[case](n)
    start = time.perf_counter()
    run = make(n, SLEEP_S, AT_ONCE) if case == "sleep" else make(n)
    result = run()
    first = time.perf_counter() - start
    if result != EXPECTED[case](n):
        raise SystemExit("the system returned a wrong result")
    return {"first": first, "us": best(run) / NODES[case](n) * 1e6}


def import_ms(statement: str) -> float:
    """Net of Python, best of some pairs."""

    def took(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    took(statement)
    pairs = [(took("pass"), took(statement)) for _ in range(7)]
    return (min(full for _, full in pairs) - min(bare for bare, _ in pairs)) * 1e3


def main() -> None:
    system, case, n = sys.argv[1:]
    stdout = os.dup(1)
    os.dup2(2, 1)  # some systems print
    module = importlib.import_module(f"{system}_adapter")
    result: dict[str, Any]
    try:
        if case == "import":
            result = {statement: import_ms(statement) for statement in module.IMPORTS}
        elif hasattr(module.Adapter, case):
            result = measure(module.Adapter(), case, int(n))
        else:
            result = {}
    except RecursionError:
        result = {"error": "RecursionError"}
    os.write(stdout, (json.dumps(result) + "\n").encode())
    os._exit(0)


if __name__ == "__main__":
    main()
