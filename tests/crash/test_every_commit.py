"""Killed before and after every transaction, and started again: the run finishes, and nothing recorded runs twice."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.shapes import SHAPES

Job = Callable[..., int]


@pytest.fixture(scope="module")
def start() -> Iterator[Job]:
    root = Path(__file__).parents[2]
    zygote = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.zygote"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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


def recorded(db: Path) -> set[str]:
    """Tasks whose success is in the journal, read with plain SQL."""
    connection = sqlite3.connect(db)
    try:
        row = connection.execute("select plan from plans").fetchone()
        if row is None:
            return set()
        names = [n["name"] for n in json.loads(row[0])["nodes"]]
        rows = connection.execute("select entries from journal").fetchall()
        return {names[e[1]] for (entries,) in rows for e in json.loads(entries) if e[0] == "ok"}
    finally:
        connection.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_at_every_transaction(shape: str, start: Job, tmp_path: Path) -> None:
    def go(name: str, crash_at: int, when: str) -> tuple[int, Path, Path, Path]:
        db, log, out = (tmp_path / f"{name}.{kind}" for kind in ("db", "log", "out"))
        return start(db=db, log=log, out=out, shape=shape, crash_at=crash_at, when=when), db, log, out

    status, *_, out = go("reference", 0, "never")
    assert status == 0
    reference = json.loads(out.read_text())
    transactions = reference.pop("transactions")
    assert transactions >= 3
    points = 0
    for n in range(1, transactions + 8):
        died = False
        for when in ("before", "after"):
            name = f"{n}-{when}"
            status, db, log, out = go(name, n, when)
            if status == 0:  # grouping differs from run to run: this one had fewer transactions
                continue
            assert status == -signal.SIGKILL
            died, points = True, points + 1
            done = recorded(db) if db.exists() and db.stat().st_size else set()
            before = log.read_text() if log.exists() else ""
            assert go(name, 0, "never")[0] == 0
            again = log.read_text()[len(before) :].splitlines()
            assert not done & set(again), f"{name}: recorded tasks ran again"
            outcome = json.loads(out.read_text())
            outcome.pop("transactions")
            assert outcome == reference, name
        if not died:
            break
    assert points >= 2 * 3 - 1
