"""Killed before and after every transaction of a run that fails, is retried, and is forked."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

from penstock.engine.verify import Checker
from penstock.storage import open_store

from .test_every_commit import Job, start

__all__ = ["start"]


def recorded(db: Path) -> set[str]:
    """What bodies leave in the log whose success is in a journal; a cleanup may be taken back, and is left out."""
    connection = sqlite3.connect(db)
    try:
        names = [
            n["name"] for (plan,) in connection.execute("select plan from plans") for n in json.loads(plan)["nodes"]
        ]
        rows = connection.execute(
            "select r.forked_from, j.entries from journal j join runs r on r.id = j.run_id"
        ).fetchall()
    finally:
        connection.close()
    done = set()
    for forked_from, entries in rows:
        for entry in json.loads(entries):
            if entry[0] == "ok" and names[entry[1]] != "tidy":
                name = names[entry[1]]
                done.add(f"{name}-fork" if forked_from and name == "last" else name)
    return done


def test_killed_at_every_transaction(start: Job, tmp_path: Path) -> None:
    def go(name: str, crash_at: int, when: str) -> tuple[int, Path, Path, Path]:
        db, log, out = (tmp_path / f"{name}.{kind}" for kind in ("db", "log", "out"))
        return start(db=db, log=log, out=out, shape="mended", crash_at=crash_at, when=when, steer=True), db, log, out

    status, *_, out = go("reference", 0, "never")
    assert status == 0
    reference = json.loads(out.read_text())
    transactions = reference.pop("transactions")
    assert reference["states"] == {
        "first": "Completed", "flaky": "Completed", "tidy": "Skipped", "last": "Completed"
    }  # fmt: skip
    points = 0
    for n in range(1, transactions + 8):
        died = False
        for when in ("before", "after"):
            name = f"{n}-{when}"
            status, db, log, out = go(name, n, when)
            if status == 0:
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
            store = open_store(f"sqlite:///{db}")
            assert [str(v) for v in Checker(store, lambda: time.time_ns() // 1000).violations()] == [], name
            assert len(list(store.every_run())) == 2
            store.close()
        if not died:
            break
    assert points >= 2 * 8
