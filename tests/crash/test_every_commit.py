"""Killed before and after every transaction, and started again: the run finishes, and nothing recorded runs twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.databases import Databases, places
from tests.crash.shapes import SHAPES
from tests.suite.effort import LONG

__all__ = ["places"]

Job = Callable[..., int]

FEW = ("diamond",)
"""what a server is asked by default: there a dead runner's leases have to run out each time"""

BOTH = ("before", "after")
CASES = [
    *[pytest.param("sqlite", shape, False, id=f"sqlite-{shape}-one of both") for shape in SHAPES],
    *[pytest.param("postgresql", shape, False, id=f"postgresql-{shape}-one of both") for shape in FEW],
    *[
        pytest.param(kind, shape, True, id=f"{kind}-{shape}", marks=LONG)
        for kind in ("sqlite", "postgresql")
        for shape in SHAPES
    ],
]


@pytest.fixture(scope="module")
def start() -> Iterator[Job]:
    root = Path(__file__).parents[2]
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.forkserver"],
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert zygote.stdin is not None
    assert zygote.stdout is not None

    def job(**what: Any) -> int:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write(json.dumps(what, default=str) + "\n")
        zygote.stdin.flush()
        return int(zygote.stdout.readline())

    yield job
    zygote.stdin.close()
    assert zygote.wait(30) == 0
    zygote.stdout.close()


@pytest.mark.parametrize(("kind", "shape", "both"), CASES)
def test_killed_at_every_transaction(
    kind: str, shape: str, both: bool, start: Job, places: Databases, tmp_path: Path
) -> None:
    """By default before one and after the next, with `-m long` before and after each of them."""

    def go(name: str, crash_at: int, when: str) -> tuple[int, Path, Path]:
        log, out = (tmp_path / f"{name}.{what}" for what in ("log", "out"))
        url = places.url(kind, name)
        return start(url=url, log=log, out=out, shape=shape, crash_at=crash_at, when=when), log, out

    status, *_, out = go("reference", 0, "never")
    assert status == 0
    reference = json.loads(out.read_text())
    transactions = reference.pop("transactions")
    assert transactions >= 3
    points = 0
    for n in range(1, transactions + 8):
        died = False
        for when in BOTH if both else (BOTH[n % 2],):
            name = f"{n}-{when}"
            status, log, out = go(name, n, when)
            if status == 0:  # grouping differs from run to run: this one had fewer transactions
                continue
            assert status == -signal.SIGKILL
            died, points = True, points + 1
            done = {task for _, task in places.recorded_successes(kind, name)}
            before = log.read_text() if log.exists() else ""
            assert go(name, 0, "never")[0] == 0
            again = log.read_text()[len(before) :].splitlines()
            assert not done & set(again), f"{name}: recorded tasks ran again"
            outcome = json.loads(out.read_text())
            outcome.pop("transactions")
            assert outcome == reference, name
        if not died:
            break
    assert points >= (2 * 3 - 1 if both else 2)
