"""Concurrency limits across processes, one of which is killed while it holds all places."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdwater.model.records import RunFilter
from holdwater.operations.databases import open_for_reading
from holdwater.operations.limits import get_limit
from holdwater.operations.runs import list_runs
from tests.suite.runners import url
from tests.suite.waiting import wait_until

__all__ = ["url"]

WORKER = """
import fcntl, os, sys, threading, time
from pathlib import Path
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.operations.databases import Database
from holdwater.operations.limits import set_limit

url, folder, runs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

with WorkflowBuilder("limited"):

    @task(limit="places")
    def hold(context):
        # a place is a lock of the kernel, which a killed process has no more
        for place in range(3):
            fd = os.open(folder / f"place{place}", os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.close(fd)
        with open(folder / "log", "a") as log:
            log.write(f"{os.getpid()} {place}\\n")
        if runs:
            threading.Event().wait()  # until the process is killed
        time.sleep(0.01)  # the work
        os.close(fd)

config = DefaultRunnerConfig(
    max_concurrent_tasks=4, lease_seconds=1.5, heartbeat_interval=0.3, recovery_interval_seconds=1
)
with DefaultRunner(url, config=config) as runner:
    if runs:
        set_limit(Database.of(runner._engine), "places", 2)
    for _ in range(runs):
        runner.submit("limited", {})
    (folder / f"ready{os.getpid()}").touch()
    threading.Event().wait()
"""

Start = Callable[[int], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a runner that submits so many runs, whose tasks never end in it; or one that works."""
    started: list[subprocess.Popen[bytes]] = []
    script = tmp_path / "worker.py"
    script.write_text(WORKER)

    def start_(runs: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, script, url, tmp_path, str(runs)])
        started.append(process)
        wait_until(lambda: (tmp_path / f"ready{process.pid}").exists() or process.poll() is not None)
        assert process.poll() is None
        return process

    yield start_
    for process in started:
        process.kill()
        process.wait()


def test_places_of_a_killed_process_are_free_after_its_leases_and_no_more_are_taken(
    start: Start, url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def begun() -> list[list[int]]:
        return [[int(word) for word in line.split()] for line in log.read_text().splitlines()] if log.exists() else []

    first = start(12)
    wait_until(lambda: len(begun()) == 2)
    others = [start(0), start(0)]
    with open_for_reading(url) as database:
        found = get_limit(database, "places")
        assert (found.used_count, found.waiting_count) == (2, 10)
        assert {pid for pid, _ in begun()} == {first.pid}, "the others wait"
        first.kill()
        first.wait()
        wait_until(lambda: len(list_runs(database.runs, RunFilter(statuses=("completed",)), 20)) == 12)
    places = [place for _, place in begun()]
    assert max(places) == 1, "never three at once"
    assert {pid for pid, _ in begun()} <= {first.pid, *[process.pid for process in others]}
    assert len(places) == 14
