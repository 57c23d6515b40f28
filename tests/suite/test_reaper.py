"""A test run that is killed leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite.effort import LONG

TIMEOUT_SECONDS = 120.0
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize(
    ("workers", "killed"),
    [
        pytest.param(0, "pytest", id="a run of one process", marks=LONG),
        pytest.param(1, "worker", id="a worker of xdist", marks=LONG),
        pytest.param(1, "pytest", id="the run, but not its workers"),
    ],
)
def test_nothing_outlives_a_killed_run(tmp_path: Path, workers: int, killed: str) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "-p", "no:cacheprovider", "--basetemp"]
    command += [str(tmp_path / "inner"), "tests/suite/left_running.py"]
    environment = {**os.environ, "LEFT_RUNNING": str(told), **({} if workers else {"FREEZE": "the server hangs"})}
    with (tmp_path / "output").open("wb") as output:
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    directory, *numbers = told.read_text().split()
    pids = [int(number) for number in numbers]
    ends: dict[int, int] = {}
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # a connection of the server's that has just ended
                ends[pid] = os.pidfd_open(pid)
        assert len(ends) >= 8
        assert (pids[0] == run.pid) == (workers == 0)
        os.kill(run.pid if killed == "pytest" else pids[0], signal.SIGKILL)
        for pid, end in ends.items():
            assert select.select([end], [], [], TIMEOUT_SECONDS)[0], Path(f"/proc/{pid}/cmdline").read_bytes()
        assert not Path(directory).exists()
    finally:
        for end in ends.values():
            os.close(end)
        run.wait(TIMEOUT_SECONDS)
