"""An upgrade under load, with processes really killed: no run is executed by another release, and none is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.storage import open_store
from tests.crash.databases import Databases, places
from tests.suite.released_workflows import NEW, OLD
from tests.suite.waiting import poll_pause

__all__ = ["places"]

ROOT = Path(__file__).parents[2]


class Process:
    """A process of `tests.crash.releases_under_load`."""

    def __init__(self, url: str, log: Path, count: int, *releases: str) -> None:
        command = [sys.executable, "-m", "tests.crash.releases_under_load", url, str(log), str(count), *releases]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, line: str) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{line}\n", self.kill()

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> str:
        """Kill it; returns what it said last."""
        self._process.kill()
        return "".join(self._process.communicate())

    def end(self) -> None:
        assert self._process.communicate("\n", timeout=60)[1] == ""
        assert self._process.returncode == 0


def open_runs(url: str, release: str) -> int:
    store = open_store(url)
    try:
        return store.count_open_runs(release)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("kind", "kills", "count"),
    [
        ("sqlite", 2, 8),
        ("postgresql", 1, 6),
        pytest.param("sqlite", 30, 60, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
        pytest.param("postgresql", 30, 60, marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_an_upgrade_under_load(kind: str, kills: int, count: int, places: Databases, tmp_path: Path) -> None:
    dice, log = random.Random(kills), tmp_path / "log"
    log.touch()
    url = places.url(kind, "upgrade").partition("?_")[0]

    def lines(release: str) -> list[str]:
        return [line for line in log.read_text().splitlines() if line.split()[1] == release]

    old = Process(url, log, count, OLD)
    old.wait_for("started")
    while len(lines(OLD)) < 3:
        poll_pause()  # bounded by the test's time-out
    old.kill()
    for _ in range(kills):  # both versions beside each other, killed again and again
        both = [Process(url, log, count, release) for release in (OLD, NEW)]
        reached = len(log.read_text().splitlines()) + dice.randrange(2, 10)
        while any(one.is_alive for one in both) and len(log.read_text().splitlines()) < reached:
            if open_runs(url, OLD) == 0 and lines(NEW):
                break
            poll_pause()
        for one in both:
            one.kill()
    done, left = lines(OLD), open_runs(url, OLD)
    new = Process(url, log, count, NEW)
    new.wait_for("started")
    new.wait_for("ended")
    new.end()
    assert open_runs(url, NEW) == 0
    assert (lines(OLD), open_runs(url, OLD)) == (done, left), "runs of the other release are left alone"
    last = Process(url, log, 0, OLD, NEW)
    last.wait_for("started")
    last.wait_for("ended")
    while open_runs(url, OLD):
        poll_pause()
    last.end()
    store = open_store(url)
    try:
        runs = list(store.iter_runs())
        assert {run.status for run in runs} == {"completed"}
        for release in (OLD, NEW):
            mine = [run for run in runs if run.release == release]
            assert len([run for run in mine if run.parent_id is None]) == 2 * count
            assert {run.workflow for run in mine} == {"orders", "part", "graph", "graph/inner"}
        wrong = [line for line in log.read_text().splitlines() if line.split()[0] != line.split()[1]]
        assert wrong == []
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()
