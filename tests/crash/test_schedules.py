"""Killed before and after every transaction of a schedule: each instant has one run, none recorded runs again."""

from __future__ import annotations

import json
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from holdwater.model.time import wall_now
from holdwater.runs.verify.checker import StoreChecker
from holdwater.storage import open_store
from tests.crash.test_every_commit import Job, start

__all__ = ["start"]


def recorded_successes(db: Path) -> set[str]:
    """Instants whose runs have completed, and no run without an instant."""
    connection = sqlite3.connect(db)
    try:
        if not connection.execute("select 1 from sqlite_master where name = 'schedule_executions'").fetchone():
            return set()
        runs = connection.execute("select id, status from runs").fetchall()
        fires = dict(
            connection.execute("select run_id, scheduled_at from schedule_executions where run_id is not null")
        )
    finally:
        connection.close()
    assert {run_id for run_id, _ in runs} == fires.keys()  # born and written down in one transaction
    done = [fires[run_id] for run_id, status in runs if status == "completed"]
    return {datetime.fromtimestamp(at // 1_000_000, UTC).isoformat() for at in done}


def test_killed_at_every_transaction(start: Job, tmp_path: Path) -> None:
    def go(name: str, crash_at: int, when: str) -> tuple[int, Path, Path, Path]:
        db, log, out = (tmp_path / f"{name}.{kind}" for kind in ("db", "log", "out"))
        return start(db=db, log=log, out=out, shape="ticks", crash_at=crash_at, when=when), db, log, out

    status, *_, out = go("reference", 0, "never")
    assert status == 0
    reference = json.loads(out.read_text())
    transactions = reference.pop("transactions")
    assert len(reference["instants"]) == 4
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
            done = recorded_successes(db) if db.exists() and db.stat().st_size else set()
            before = log.read_text() if log.exists() else ""
            assert go(name, 0, "never")[0] == 0
            again = log.read_text()[len(before) :].splitlines()
            assert not done & set(again), f"{name}: recorded runs ran again"
            outcome = json.loads(out.read_text())
            outcome.pop("transactions")
            assert outcome == reference, name
            assert len(recorded_successes(db)) == 4
            store = open_store(f"sqlite:///{db}")
            assert [str(v) for v in StoreChecker(store, wall_now).find_violations()] == [], name
            assert len(list(store.iter_runs())) == 4
            store.close()
        if not died:
            break
    assert points >= 2 * 8
