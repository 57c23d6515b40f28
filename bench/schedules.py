"""Many schedules due in the same second: how long until all have fired, and what that costs others.

Registers N schedules of a one-task workflow that are due at one instant, and measures, on a database file:
until the last fire is on disk, until the last body has run, and meanwhile the latency of runs submitted by somebody
else (median, worst).

    .venv/bin/python bench/schedules.py [N] [URL]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
import uuid

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.model.schedules import ScheduleRow


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as home:
        measure(count, sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{home}/bench.db")


def measure(count: int, url: str) -> None:
    ran, all_ran = 0, threading.Event()

    with WorkflowBuilder("tick"):

        @task()
        def tick(context: Context) -> None:
            nonlocal ran
            ran += 1
            if ran == count:
                all_ran.set()

    with WorkflowBuilder("other"):

        @task()
        def other(context: Context) -> None: ...

    with DefaultRunner(url) as runner:
        store = runner._engine.store
        began = time.perf_counter()
        due = int(time.time() + 3 + count / 1000) * 1_000_000
        for _ in range(count):
            row = ScheduleRow(str(uuid.uuid4()), "cron", None, "tick", "* * * * *", created_at=1, settled_at=due - 1)
            row.start_at, row.end_at, row.next_at, row.expression = due, due + 1, due, "* * * * * *"
            store.put_schedule(row)
        print(f"{count:,} schedules written in {time.perf_counter() - began:.2f} s")
        runner.execute("other")
        time.sleep(max(0.0, due / 1e6 - time.time()))
        start, latencies = due / 1e6, []
        while not all_ran.is_set():
            asked = time.perf_counter()
            runner.execute("other")
            latencies.append(time.perf_counter() - asked)
        done = time.time() - start
        ((last,),) = store._select("SELECT MAX(claimed_at) FROM schedule_executions")  # type: ignore[attr-defined]
        print(f"last fire on disk after {last / 1e6 - start:.2f} s, last body done after {done:.2f} s")
        print(
            f"{len(latencies)} runs of others meanwhile: median {statistics.median(latencies) * 1e3:.1f} ms, "
            f"worst {max(latencies) * 1e3:.1f} ms"
        )


if __name__ == "__main__":
    main()
