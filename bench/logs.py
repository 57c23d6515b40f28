"""Cost of the logs of runs: durable runs of one task, without capture, with capture of nothing, and with output.

usage: logs.py [--database sqlite|URL] [--rounds 5] [--seconds 2] [--threads 4]

Prints for each setting runs per second and processor time per run of the whole process, medians of alternating rounds,
and the ratio of processor time to the first setting.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import statistics
import tempfile
import threading
import time
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

LOG = logging.getLogger("bench")
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "off, silent": ({}, "silent"),
    "on, silent": ({"capture_logs": True, "capture_output": True}, "silent"),
    "off, 10 lines": ({}, "10 lines"),
    "on, 10 lines": ({"capture_logs": True, "capture_output": True}, "10 lines"),
    "off, 10 records": ({}, "10 records"),
    "on, 10 records": ({"capture_logs": True}, "10 records"),
}

with WorkflowBuilder("silent"):

    @task(id="a")
    def silent(context: Context) -> None:
        pass


with WorkflowBuilder("10 lines"):

    @task(id="a")
    def lines(context: Context) -> None:
        for k in range(10):
            print("line", k, "of a task that says what it does")


with WorkflowBuilder("10 records"):

    @task(id="a")
    def records(context: Context) -> None:
        for k in range(10):
            LOG.info("record %d of a task that says what it does", k)


def measure(url: str, options: dict[str, Any], workflow: str, seconds: float, threads: int) -> tuple[float, float]:
    """Runs per second, and microseconds of processor time per run."""
    count = 0
    lock = threading.Lock()
    with contextlib.redirect_stdout(io.StringIO()), DefaultRunner(url, config=DefaultRunnerConfig(**options)) as runner:
        runner.execute(workflow)
        end = time.monotonic() + seconds

        def work() -> None:
            nonlocal count
            while time.monotonic() < end:
                runner.execute(workflow)
                with lock:
                    count += 1

        workers = [threading.Thread(target=work) for _ in range(threads)]
        began, cpu = time.monotonic(), time.process_time()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        took = time.monotonic() - began
    return count / took, (time.process_time() - cpu) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    LOG.setLevel(logging.INFO)
    LOG.addHandler(logging.NullHandler())
    LOG.propagate = False
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SETTINGS}
    for _ in range(given.rounds):
        for name, (options, workflow) in SETTINGS.items():
            with tempfile.TemporaryDirectory() as directory:
                url = f"sqlite:///{directory}/bench.db" if given.database == "sqlite" else given.database
                found[name].append(measure(url, options, workflow, given.seconds, given.threads))
    first = statistics.median(cpu for _, cpu in found["off, silent"])
    for name, values in found.items():
        rate, cpu = (statistics.median(column) for column in zip(*values))
        print(f"{name:<18}{rate:>9,.0f} runs/s{cpu:>9,.0f} us CPU/run{cpu / first:>8.2f}")


if __name__ == "__main__":
    main()
