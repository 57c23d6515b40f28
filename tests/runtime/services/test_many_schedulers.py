"""Eight processes with a scheduler each on one database: every instant is fired once, by whoever is first."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.time import Micros
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from tests.suite.runners import Define

PROCESSES, SCHEDULES, MISSED = 4, 8, 30
SCRIPT = """
import os, sys
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

with WorkflowBuilder("tick"):
    @task()
    def tick(context):
        os.write(log, f"{context['schedule_id']} {context['scheduled_time']}\\n".encode())

with DefaultRunner(sys.argv[1], config=DefaultRunnerConfig(cron_max_catchup_executions=1000)):
    print("up", flush=True)
    sys.stdin.readline()
"""


def test_every_instant_once(url: str, tmp_path: Path, define: Define) -> None:
    log, until = tmp_path / "effects", time.monotonic() + 120
    log.touch()
    command = [sys.executable, "-c", SCRIPT, url, str(log)]
    with DefaultRunner(url, config=DefaultRunnerConfig(enable_cron_scheduling=False)) as runner:
        store = runner._engine.store
        schedules = [
            runner.register_cron_workflow(
                "tick",
                "* * * * *" if k % 2 else "* * * * * *",
                overlap="queue" if k % 4 == 1 else "allow",
                allow_unknown=True,
            )
            for k in range(SCHEDULES)
        ]
        for k, schedule in enumerate(schedules):  # as if nobody had been there for a while
            row = store.get_schedule(schedule)
            assert row is not None
            row.settled_at = Micros(row.settled_at - MISSED * 1_000_000 * (60 if k % 2 else 1))
            row.next_at = row.settled_at
            assert store.put_schedule(row)
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "up\n"
            up = time.time()
            while True:  # all that was missed, and some seconds together
                seen = Counter(line.split()[0] for line in log.read_text().splitlines())
                if all(seen[s] >= MISSED for s in schedules) and time.time() - up > 4:
                    break
                assert time.monotonic() < until, seen
            for schedule in schedules:
                runner.set_cron_schedule_enabled(schedule, False)
            while runner.list_runs(status="Running", limit=1):
                assert time.monotonic() < until
        finally:
            for process in processes:
                process.communicate("stop\n")
        effects = Counter(log.read_text().splitlines())
        assert set(effects.values()) == {1}
        fired = 0
        for k, schedule in enumerate(schedules):
            rows = runner.get_cron_execution_history(schedule, limit=100_000)
            assert {row["status"] for row in rows} == {"Completed"}
            times = [row["scheduled_time"] for row in reversed(rows)]
            assert {f"{schedule} {t}" for t in times} == {line for line in effects if line.startswith(schedule)}
            instants = [fire.fire.scheduled_at // 1_000_000 for fire in store.list_fires(schedule, 100_000)]
            step = 60 if k % 2 else 1
            assert instants == list(range(instants[0], instants[0] - step * len(instants), -step))  # no gap
            fired += len(rows)
        assert fired == sum(effects.values()) == len(list(store.iter_runs()))
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
