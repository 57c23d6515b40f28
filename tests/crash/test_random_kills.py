"""A runner killed at random moments under load, again and again: every accepted run ends, nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from penstock.engine.verify import Checker
from penstock.runtime.clock import SystemClock
from penstock.storage import open_store

SCRIPT = """
import os, sys
from penstock import DefaultRunner, WorkflowBuilder, task

log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

with WorkflowBuilder("load"):
    for k in range(6):
        @task(id=f"t{k}", dependencies=[f"t{k - 1}"] if k % 3 else [])
        def body(context, handle):
            os.write(log, f"{handle.idempotency_key}\\n".encode())
            context[handle.task_id] = 1

with DefaultRunner(sys.argv[1]) as runner:
    handles = [runner.submit("load", {"n": n}, idempotency_key=str(n)) for n in range(int(sys.argv[3]))]
    print("accepted", flush=True)
    assert {h.result().status for h in handles} == {"Completed"}
print("done", flush=True)
"""


def recorded(db: Path) -> set[str]:
    connection = sqlite3.connect(db)
    try:
        rows = connection.execute("select run_id, entries from journal").fetchall()
    finally:
        connection.close()
    return {f"{run}:t{e[1]}" for run, entries in rows for e in json.loads(entries) if e[0] == "ok"}


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.long)])
def test_killed_at_random(kills: int, tmp_path: Path) -> None:
    rng = random.Random(kills)
    script, db, log = tmp_path / "load.py", tmp_path / "load.db", tmp_path / "effects"
    script.write_text(textwrap.dedent(SCRIPT))
    runs = 40 * kills
    command = [sys.executable, str(script), f"sqlite:///{db}", str(log), str(runs)]
    log.touch()
    for _ in range(kills):
        done = recorded(db) if db.exists() and db.stat().st_size > 100_000 else set()
        before = log.stat().st_size
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            process.wait(rng.uniform(0.1, 0.6))  # the moment of death is what is random here
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with log.open() as effects:
            effects.seek(before)
            again = set(effects.read().split())
        assert not done & again
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout == "accepted\ndone\n"
    assert len(recorded(db)) == 6 * runs
    store = open_store(f"sqlite:///{db}")
    try:
        checker = Checker(store, SystemClock().now)
        assert list(checker.violations()) == []
        assert checker.tally.runs == runs
    finally:
        store.close()
