"""The cases, the same for every system.  Run in the system's own interpreter: `python cases.py PEER SETTING CASE URL`.

An adapter module has `Adapter(setting, url)` with start(), one(i), submit(i), wait(handle), chain(n, payload),
fan(n), grow(n) (adds n finished runs to the database), close().  Each returns whether the result was right.  The case
`worker` only works, until its standard input ends.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from database import transactions

BIG = {"blob": "x" * 500_000, "rows": [{"i": i, "v": "abcdefgh" * 2} for i in range(12_000)]}


def check(ok: object) -> None:
    if not ok:
        raise SystemExit("the system returned a wrong result")


def timed_ms(call: Any, count: int, warm: int) -> float:
    for i in range(warm):
        check(call(-1 - i))
    times = []
    for i in range(count):
        start = time.perf_counter()
        ok = call(i)
        times.append((time.perf_counter() - start) * 1e3)
        check(ok)
    return statistics.median(times)


def threads(a: Any, count: int = 1000, at_once: int = 8) -> float:
    for i in range(5):
        check(a.one(-1 - i))
    failures: list[BaseException] = []

    def work(first: int) -> None:
        try:
            handles = [a.submit(i) for i in range(first, count, at_once)]
            check(all([a.wait(h) for h in handles]))
        except BaseException as error:
            failures.append(error)

    pool = [threading.Thread(target=work, args=(k,)) for k in range(at_once)]
    start = time.perf_counter()
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    took = time.perf_counter() - start
    check(not failures)
    return count / took


def two(a: Any) -> float:
    """The same with a second process that works too; every body must have run once."""
    tally = Path(os.environ["BENCH_TALLY"])
    command = [sys.executable, __file__, *sys.argv[1:3], "worker", sys.argv[4]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        check(other.stdout.readline())
        before = len(tally.read_text().split())
        rate = threads(a)
        ran = Counter(tally.read_text().split()[before:])
        other.kill()
    twice = sum(n - 1 for i, n in ran.items() if int(i) >= 0)
    if twice:
        print(f"{twice} bodies ran twice", file=sys.stderr)
    check(all(ran[str(i)] for i in range(1000)))
    return rate


def worker(a: Any) -> float:
    sys.stdin.read()
    return 0.0


def idle(a: Any, seconds: float = 10.0) -> float:
    check(a.one(1))
    time.sleep(2)
    before = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - before) * 10 / seconds


def statements(a: Any, seconds: float = 65.0) -> float:
    """Transactions a second while there is nothing to do."""
    check(a.one(1))
    time.sleep(2)
    before = transactions(a.url)
    time.sleep(seconds)
    return (transactions(a.url) - before - 1) / seconds


def grown(a: Any) -> float:
    before = timed_ms(a.one, 60, 10)
    a.grow(100_000)
    return timed_ms(a.one, 60, 10) / before


CASES = {
    "one": lambda a: timed_ms(a.one, 60, 10),
    "threads": threads,
    "chain": lambda a: timed_ms(lambda i: a.chain(10, None), 20, 2),
    "fan": lambda a: timed_ms(lambda i: a.fan(100), 5, 1),
    "big": lambda a: timed_ms(lambda i: a.chain(5, BIG), 7, 1),
    "cold": lambda a: float(bool(a.one(1))),
    "two": two,
    "worker": worker,
    "idle": idle,
    "statements": statements,
    "grown": grown,
}


def main() -> None:
    peer, setting, case, url = sys.argv[1:]
    stdout = os.dup(1)
    os.dup2(2, 1)  # some systems print
    adapter = importlib.import_module(f"{peer}_adapter").Adapter(setting, url)
    adapter.start()
    if case == "worker":
        os.write(stdout, b"ready\n")
    value = CASES[case](adapter)
    commits = getattr(adapter, "commits", lambda: None)()
    os.write(stdout, (json.dumps({"value": value, "commits": commits}) + "\n").encode())
    if case == "cold":
        os._exit(0)
    adapter.close()
    os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
