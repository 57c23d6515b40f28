"""Not collected by itself: a test that starts one of each kind, says which processes these are, and waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.postgres.cluster import Cluster
from tests.storage.redis_server import redis_url
from tests.suite import reaper

__all__ = ["redis_url"]

PARENT_SCRIPT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
print(child.pid, flush=True)
child.wait()
"""


def test_everything_at_once(request: pytest.FixtureRequest, postgres: Cluster) -> None:
    pids = [os.getpid(), reaper.pid()]
    servers = postgres.pids()
    if "FREEZE" in os.environ:
        postgres.freeze()
    if shutil.which("redis-server"):
        request.getfixturevalue("redis_url")
    runner = subprocess.Popen([sys.executable, "-c", PARENT_SCRIPT], stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    pids += [runner.pid, int(runner.stdout.readline()), _fork_child(), *servers]
    with Path(os.environ["LEFT_RUNNING"]).open("w", encoding="utf-8") as told:
        told.write(f"{os.environ[reaper.MARKER_VARIABLE]} {' '.join(map(str, pids))}")
    signal.pause()


def _fork_child() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # on forks of processes with threads: this child only waits
        child = os.fork()
    if not child:
        signal.pause()
        os._exit(0)
    return child
