"""Killed before and after every transaction of a run that fails, is retried, and is forked."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from holdwater.model.time import wall_now
from holdwater.runs.verify.checker import StoreChecker
from holdwater.storage import open_store
from tests.crash.databases import Databases, places
from tests.crash.test_every_commit import Job, start

__all__ = ["places", "start"]


def recorded_successes(places: Databases, kind: str, name: str) -> set[str]:
    """What bodies leave in the log whose success is in a journal; a cleanup may be taken back, and is left out."""
    found = places.recorded_successes(kind, name)
    return {f"{task}-fork" if forked and task == "last" else task for forked, task in found if task != "tidy"}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=[pytest.mark.long])])
def test_killed_at_every_transaction(kind: str, start: Job, places: Databases, tmp_path: Path) -> None:
    def go(name: str, crash_at: int, when: str) -> tuple[int, Path, Path]:
        log, out = (tmp_path / f"{name}.{what}" for what in ("log", "out"))
        job = dict(url=places.url(kind, name), log=log, out=out, shape="mended", crash_at=crash_at, when=when)
        return start(**job, steer=True), log, out

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
            status, log, out = go(name, n, when)
            if status == 0:
                continue
            assert status == -signal.SIGKILL
            died, points = True, points + 1
            done = recorded_successes(places, kind, name)
            before = log.read_text() if log.exists() else ""
            assert go(name, 0, "never")[0] == 0
            again = log.read_text()[len(before) :].splitlines()
            assert not done & set(again), f"{name}: recorded tasks ran again"
            outcome = json.loads(out.read_text())
            outcome.pop("transactions")
            assert outcome == reference, name
            store = open_store(places.url(kind, name))
            assert [str(v) for v in StoreChecker(store, wall_now).find_violations()] == [], name
            assert len(list(store.iter_runs())) == 2
            store.close()
        if not died:
            break
    assert points >= 2 * 8
